//! Prints emails on standard output, for trying things out.

use std::fmt::{self, Write};

use email_queue::{Class, email::Mailbox};
use tokio::{
    io::{AsyncWriteExt, stdout},
    sync::Mutex,
};

use super::{
    outcome::{Delivery, Fault, Verdict},
    outgoing::Outgoing,
};

/// Emails are printed one at a time.
static STDOUT: Mutex<()> = Mutex::const_new(());

pub(crate) struct LogTransport;

impl LogTransport {
    pub(crate) async fn deliver<'a>(&self, outgoing: &Outgoing<'a>) -> Delivery<'a> {
        let text = Printed(outgoing).to_string();
        let _guard = STDOUT.lock().await;
        outgoing.handoff.begin();
        let mut stdout = stdout();
        let printed = async {
            stdout.write_all(text.as_bytes()).await?;
            stdout.flush().await
        };
        match printed.await {
            Ok(()) => Delivery::all(outgoing.recipients, &Verdict::Accepted),
            Err(error) => Fault::of_relay(Class::Connection, format!("cannot print: {error}")).into(),
        }
    }
}

/// An email in readable form.
struct Printed<'a>(&'a Outgoing<'a>);

impl fmt::Display for Printed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Outgoing { id, email, .. } = self.0;
        writeln!(f, "--- email {id} ---")?;
        line(f, "From", &email.from.to_string())?;
        for (name, mailboxes) in
            [("To", &email.to), ("Cc", &email.cc), ("Bcc", &email.bcc), ("Reply-To", &email.reply_to)]
        {
            if !mailboxes.is_empty() {
                line(f, name, &mailboxes.iter().map(Mailbox::to_string).collect::<Vec<_>>().join(", "))?;
            }
        }
        if !email.subject.is_empty() {
            line(f, "Subject", &email.subject)?;
        }
        for header in &email.headers {
            line(f, &header.name, &header.value)?;
        }
        for attachment in &email.attachments {
            let name = attachment.filename.as_deref().unwrap_or("without a name");
            let (kind, bytes) = (&attachment.content_type, attachment.content.len());
            line(f, "Attachment", &format!("{name} ({kind}, {bytes} bytes)"))?;
        }
        for body in [&email.text, &email.html].into_iter().flatten() {
            writeln!(f)?;
            for text in body.lines() {
                escaped(f, text)?;
                writeln!(f)?;
            }
        }
        writeln!(f, "---")
    }
}

fn line(f: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    write!(f, "{name}: ")?;
    escaped(f, value)?;
    writeln!(f)
}

/// Escapes control characters: untrusted text must not control the terminal.
fn escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            '\t' => f.write_char(c)?,
            c if c.is_control() => write!(f, "{}", c.escape_default())?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use email_queue::{EmailId, Submission};
    use jiff::Timestamp;

    use super::*;
    use crate::transport::Handoff;

    #[test]
    fn an_email_is_printed_for_people_and_cannot_command_their_terminal() {
        let json = br#"{"from": "Ada <a@x.example>", "to": ["b@x.example", "c@x.example"], "bcc": "d@x.example",
            "subject": "Hi", "text": "one\n\u001b[2Jtwo", "headers": {"X-Kind": "test"},
            "attachments": [{"filename": "a.txt", "content": "aGk="}]}"#;
        let submission = Submission::from_list(&json[..], None, Timestamp::UNIX_EPOCH).unwrap();
        let id = EmailId::new();
        let (email, recipients) = (&submission.email, submission.email.recipients());
        let outgoing = Outgoing { id, email, recipients: &recipients, handoff: &Handoff::default() };
        let expected = format!(
            "--- email {id} ---\n\
             From: Ada <a@x.example>\n\
             To: b@x.example, c@x.example\n\
             Bcc: d@x.example\n\
             Subject: Hi\n\
             X-Kind: test\n\
             Attachment: a.txt (text/plain, 2 bytes)\n\
             \n\
             one\n\
             \\u{{1b}}[2Jtwo\n\
             ---\n"
        );
        assert_eq!(Printed(&outgoing).to_string(), expected);
    }
}
