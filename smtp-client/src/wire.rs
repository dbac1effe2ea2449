//! Bytes to the server and replies from it, each with a deadline.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncBufRead, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    time::timeout,
};

use crate::{redact::Secrets, reply::Reply, session_error::SessionError};

pub(crate) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(crate) type Stream = Box<dyn Io>;

/// A connection, in the clear or encrypted.
pub(crate) struct Wire {
    stream: BufReader<Stream>,
    timeout: Duration,
    secrets: Arc<Secrets>,
}

impl Wire {
    /// Replies are read without the secrets in them.
    pub(crate) fn new(stream: Stream, timeout: Duration, secrets: Arc<Secrets>) -> Self {
        Self { stream: BufReader::new(stream), timeout, secrets }
    }

    pub(crate) async fn command(&mut self, command: &str) -> Result<Reply, SessionError> {
        self.send(checked(command)?.as_bytes()).await?;
        self.reply().await
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), SessionError> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.timeout, sending).await {
            Ok(sent) => sent.map_err(SessionError::Io),
            Err(_) => Err(SessionError::Timeout(self.timeout)),
        }
    }

    pub(crate) async fn reply(&mut self) -> Result<Reply, SessionError> {
        self.reply_within(self.timeout).await
    }

    pub(crate) async fn reply_within(&mut self, limit: Duration) -> Result<Reply, SessionError> {
        match timeout(limit, Reply::read(&mut self.stream, &self.secrets)).await {
            Ok(reply) => reply,
            Err(_) => Err(SessionError::Timeout(limit)),
        }
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Whether the connection is open and no byte has arrived that was not read.
    pub(crate) fn is_quiet(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream).poll_fill_buf(&mut context).is_pending()
    }

    /// The stream itself; `None` when more was received than was read.
    pub(crate) fn into_stream(self) -> Option<Stream> {
        self.stream.buffer().is_empty().then(|| self.stream.into_inner())
    }
}

/// A command as a line. The caller's addresses are in it: a line break would smuggle in a second command.
pub(crate) fn checked(command: &str) -> Result<String, SessionError> {
    if command.contains(['\r', '\n', '\0']) {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "a command contains a line break");
        return Err(SessionError::Io(error));
    }
    Ok(format!("{command}\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_cannot_smuggle_in_another() {
        for command in ["RCPT TO:<a@x.example>\r\nDATA", "NOOP\n", "NOOP\0"] {
            assert!(checked(command).is_err(), "{command:?}");
        }
    }
}
