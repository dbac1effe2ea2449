//! A session in which emails are sent, one after the other.

use std::time::Duration;

use tokio::time::timeout;

use super::{
    reply::Reply,
    turns::Pooled,
    wire::{Wire, checked},
    wire_error::WireError,
};

/// How many times as long as for other answers the server may take for the one that follows a message. It has it on disk
/// by then, or scanned, or handed on: RFC 5321 4.5.3.2.6 asks for ten minutes, which this makes of one.
const PATIENCE_AFTER_MESSAGE: u32 = 10;

/// How long to wait for what a server said before it closed, or for its goodbye.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// An open session, ready for MAIL.
pub(super) struct Session {
    wire: Wire,
    pub(super) extensions: Extensions,
    logged_in: bool,
    fresh: bool,
}

/// What the server can do, as it said in answer to `EHLO`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Extensions {
    pub(super) starttls: bool,
    pub(super) plain: bool,
    pub(super) login: bool,
    pub(super) eight_bit_mime: bool,
    pub(super) smtputf8: bool,
    pub(super) pipelining: bool,
    /// The largest message that it takes, in bytes; 0 where it does not say (RFC 1870 3).
    pub(super) size: Option<u64>,
}

impl Session {
    pub(super) fn new(wire: Wire, extensions: Extensions, logged_in: bool) -> Self {
        Self { wire, extensions, logged_in, fresh: true }
    }

    /// Whether no email has been sent in it yet: then what the server says is no answer to what was before.
    pub(super) fn is_fresh(&self) -> bool {
        self.fresh
    }

    pub(super) fn used(&mut self) {
        self.fresh = false;
    }

    pub(super) fn is_logged_in(&self) -> bool {
        self.logged_in
    }

    /// Sends one command and waits for its answer.
    pub(super) async fn command(&mut self, command: &str) -> Result<Reply, WireError> {
        self.wire.command(command).await
    }

    /// Sends several commands at once (RFC 2920). The answers are to be read one by one.
    pub(super) async fn pipeline(&mut self, commands: &[String]) -> Result<(), WireError> {
        let lines = commands.iter().map(|command| checked(command)).collect::<Result<Vec<_>, _>>()?;
        self.wire.send(lines.concat().as_bytes()).await
    }

    pub(super) async fn reply(&mut self) -> Result<Reply, WireError> {
        self.wire.reply().await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        self.wire.send(bytes).await
    }

    /// Waits for the answer that follows a message.
    pub(super) async fn reply_to_message(&mut self) -> Result<Reply, WireError> {
        self.wire.reply_within(self.wire.patience() * PATIENCE_AFTER_MESSAGE).await
    }

    /// The refusal with which a server has closed that takes no more.
    pub(super) async fn last_words(&mut self) -> Option<Reply> {
        self.wire.reply_within(LAST_WORDS).await.ok().filter(|reply| !reply.is_positive())
    }
}

impl Pooled for Session {
    fn is_quiet(&mut self) -> bool {
        self.wire.is_quiet()
    }

    /// Says goodbye, without waiting long for it to be heard.
    async fn quit(mut self) {
        let _ = timeout(LAST_WORDS, self.wire.command("QUIT")).await;
    }
}

impl Extensions {
    /// Keywords are in any case (RFC 5321 4.1.1.1). The first line is the server's name.
    pub(super) fn read(reply: &Reply) -> Self {
        let mut extensions = Self::default();
        for line in reply.lines.iter().skip(1) {
            let line = line.to_ascii_uppercase();
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => extensions.starttls = true,
                Some("8BITMIME") => extensions.eight_bit_mime = true,
                Some("SMTPUTF8") => extensions.smtputf8 = true,
                Some("PIPELINING") => extensions.pipelining = true,
                Some("SIZE") => extensions.size = Some(words.next().and_then(|size| size.parse().ok()).unwrap_or(0)),
                Some("AUTH") => {
                    for mechanism in words {
                        extensions.plain |= mechanism == "PLAIN";
                        extensions.login |= mechanism == "LOGIN";
                    }
                }
                _ => {}
            }
        }
        extensions
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_are_read_in_any_case_and_form() {
        let lines = ["relay.example starttls", "8bitmime", "Auth=plain LOGIN", "SIZE 1000", "CHUNKING"];
        let reply = Reply { code: 250, lines: lines.map(str::to_owned).into(), unfinished: false };
        let expected =
            Extensions { plain: true, login: true, eight_bit_mime: true, size: Some(1000), ..Extensions::default() };
        assert_eq!(Extensions::read(&reply), expected);
    }

    #[test]
    fn a_size_without_a_number_is_no_limit() {
        for line in ["SIZE", "SIZE 0", "SIZE large"] {
            let reply = Reply { code: 250, lines: vec![String::new(), line.to_owned()], unfinished: false };
            assert_eq!(Extensions::read(&reply).size, Some(0), "{line}");
        }
    }
}
