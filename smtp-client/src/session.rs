//! A connection on which messages can be sent, one after the other.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    extensions::Extensions,
    reply::Reply,
    session_error::SessionError,
    wire::{Wire, checked},
};

/// How many times as long as for other replies the server may take for the one that follows a message. By then it may
/// have written, scanned or passed on the message. RFC 5321 4.5.3.2.6 asks for ten minutes, which this makes of one.
const MESSAGE_TIMEOUT_FACTOR: u32 = 10;

/// How long to wait for the reply to QUIT, or for one that the server sent before it closed.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// An open session: greeted, encrypted and authenticated as configured.
///
/// Dropping it closes the connection without `QUIT`. After an error, a [`Reply::ends_session`], or a future of one of
/// its methods that was dropped before its end, it can only be dropped.
pub struct Session {
    pub(crate) wire: Wire,
    pub(crate) extensions: Extensions,
    authenticated: bool,
    fresh: bool,
}

impl Session {
    pub(crate) fn new(wire: Wire, extensions: Extensions, authenticated: bool) -> Self {
        Self { wire, extensions, authenticated, fresh: true }
    }

    /// Whether the server has accepted no `MAIL` in it yet. In a session that has been used, a refusal may be about the
    /// session rather than the message: too many messages, too many errors, too long an idle time.
    #[must_use]
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }

    /// Whether the client has authenticated ([RFC 4954](https://www.rfc-editor.org/rfc/rfc4954)).
    #[must_use]
    pub fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    /// Whether the server takes addresses and headers that are not ASCII
    /// ([RFC 6531](https://www.rfc-editor.org/rfc/rfc6531)).
    #[must_use]
    pub fn supports_smtputf8(&self) -> bool {
        self.extensions.smtputf8
    }

    /// Whether the connection is open and the server has sent nothing since the last reply, as far as has arrived. If not,
    /// the server has closed the session or is about to.
    pub fn is_quiet(&mut self) -> bool {
        self.wire.is_quiet()
    }

    /// Ends a transaction in which no message was sent (RFC 5321 4.1.1.5).
    ///
    /// # Errors
    /// The session is lost, or the server takes longer than [`Config::timeout`](crate::Config::timeout).
    pub async fn reset(&mut self) -> Result<Reply, SessionError> {
        self.wire.command("RSET").await
    }

    /// Sends `QUIT` (RFC 5321 4.1.1.10) and closes the connection. Takes a second at the most, whatever the server does.
    pub async fn quit(mut self) {
        let _ = timeout(CLOSE_TIMEOUT, self.wire.command("QUIT")).await;
    }

    pub(crate) fn mail_accepted(&mut self) {
        self.fresh = false;
    }

    /// Sends several commands at once ([RFC 2920](https://www.rfc-editor.org/rfc/rfc2920)). Their replies are to be read
    /// one by one.
    pub(crate) async fn pipeline(&mut self, commands: &[String]) -> Result<(), SessionError> {
        let lines = commands.iter().map(|command| checked(command)).collect::<Result<Vec<_>, _>>()?;
        self.wire.send(lines.concat().as_bytes()).await
    }

    /// Waits for the reply that follows a message.
    pub(crate) async fn reply_to_message(&mut self) -> Result<Reply, SessionError> {
        self.wire.reply_within(self.wire.timeout() * MESSAGE_TIMEOUT_FACTOR).await
    }

    /// The refusal that the server sent before it closed the connection, if it sent one.
    pub(crate) async fn refusal_before_close(&mut self) -> Option<Reply> {
        self.wire.reply_within(CLOSE_TIMEOUT).await.ok().filter(|reply| !reply.is_positive())
    }
}
