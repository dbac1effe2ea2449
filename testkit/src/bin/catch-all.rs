//! A mail server that accepts every email and prints it, so that a recipe can be tried without sending anything.
//!
//! `catch-all [ADDRESS:PORT]`, by default on port 2525 of all addresses. It ends on SIGTERM and SIGINT.

#![forbid(unsafe_code)]

use std::{
    io::{Write, stdout},
    net::{Ipv4Addr, SocketAddr},
    process::ExitCode,
};

use testkit::{Action, SmtpServer, Stage};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let address = std::env::args().nth(1).map(|address| address.parse::<SocketAddr>());
    let Ok(address) = address.unwrap_or(Ok((Ipv4Addr::UNSPECIFIED, 2525).into())) else {
        eprintln!("usage: catch-all [ADDRESS:PORT]");
        return ExitCode::from(64);
    };
    // Before it says that it listens. As the first process of a container it is ended by no signal that it does not handle.
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        eprintln!("catch-all: cannot listen to signals");
        return ExitCode::FAILURE;
    };
    let server = SmtpServer::builder().listen(address).keeping_nothing();
    let server = server.script(|step| {
        if step.stage == Stage::EndOfData {
            print(step.sender, step.recipients, step.data);
        }
        Action::Accept
    });
    let server = server.start().await;
    eprintln!("catch-all: {}", server.url());
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    ExitCode::SUCCESS
}

fn print(sender: &str, recipients: &[String], message: &[u8]) {
    let mut text = format!("== from <{sender}> to <{}>\n", recipients.join(">, <")).into_bytes();
    text.extend_from_slice(message);
    // The email is accepted whether anybody reads this or not.
    let _unwritten = stdout().write_all(&text).and_then(|()| stdout().flush());
}
