//! Sends a message from standard input:
//!
//! ```text
//! cargo run -p smtp-client --example send -- smtp://127.0.0.1:1025 ada@shop.example bob@mail.example < message.eml
//! ```
//!
//! The exit code is 1 when a recipient was not served.

use std::{env, process::ExitCode};

use smtp_client::{Config, Connector, End, Envelope, Milestone, Options, RecipientOutcome};
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let [url, sender, recipients @ ..] = arguments.as_slice() else {
        return Err("usage: send URL SENDER RECIPIENT...".into());
    };
    let mut message = Vec::new();
    stdin().read_to_end(&mut message).await?;

    let connector = Connector::new(&Config::parse(url, Options::default())?)?;
    let mut session = connector.connect().await?;
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let envelope = Envelope { sender, recipients: &recipients };
    let reached = |milestone| match milestone {
        Milestone::MailAccepted => println!("the server accepts mail from {sender}"),
        Milestone::MessageBegins => println!("sending {} bytes", message.len()),
    };
    let transaction = session.send(&envelope, message.as_slice(), &reached).await;

    for (recipient, outcome) in recipients.iter().zip(&transaction.recipients) {
        match outcome {
            RecipientOutcome::Accepted => println!("{recipient}: accepted"),
            RecipientOutcome::Refused(reply) => println!("{recipient}: {reply}"),
            RecipientOutcome::Unsupported(why) => println!("{recipient}: {why}"),
            RecipientOutcome::Pending | RecipientOutcome::Unanswered => println!("{recipient}: not served"),
        }
    }
    match &transaction.end {
        End::MailRefused(reply) | End::DataRefused(reply) | End::MessageRefused(reply) => println!("refused: {reply}"),
        End::Lost(error) => println!("lost the session: {error}"),
        End::Unanswered(error) => println!("the message may have been delivered: {error}"),
        End::Accepted(_) | End::Closed(_) | End::NobodyAccepted | End::NotBegun => {}
    }
    session.quit().await;
    let all = transaction.recipients.iter().all(|outcome| *outcome == RecipientOutcome::Accepted);
    Ok(if all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
