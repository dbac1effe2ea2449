//! The lowest layer: bytes to the server and answers from it, each with a deadline.

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

use super::{redact::Secrets, reply::Reply, wire_error::WireError};

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) type Stream = Box<dyn Io>;

/// Lines to the server, answers from it, each with a deadline.
pub(super) struct Wire {
    stream: BufReader<Stream>,
    patience: Duration,
    secrets: Arc<Secrets>,
}

impl Wire {
    /// What the server says is read without the secrets in it.
    pub(super) fn new(stream: Stream, patience: Duration, secrets: Arc<Secrets>) -> Self {
        Self { stream: BufReader::new(stream), patience, secrets }
    }

    pub(super) async fn command(&mut self, command: &str) -> Result<Reply, WireError> {
        self.send(checked(command)?.as_bytes()).await?;
        self.reply().await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> Result<(), WireError> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        match timeout(self.patience, sending).await {
            Ok(sent) => sent.map_err(WireError::Lost),
            Err(_) => Err(WireError::Silent(self.patience)),
        }
    }

    pub(super) async fn reply(&mut self) -> Result<Reply, WireError> {
        self.reply_within(self.patience).await
    }

    pub(super) async fn reply_within(&mut self, patience: Duration) -> Result<Reply, WireError> {
        match timeout(patience, Reply::read(&mut self.stream, &self.secrets)).await {
            Ok(reply) => reply,
            Err(_) => Err(WireError::Silent(patience)),
        }
    }

    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Whether the connection is open and the server has said nothing unasked, so far as has been heard.
    pub(super) fn is_quiet(&mut self) -> bool {
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream).poll_fill_buf(&mut context).is_pending()
    }

    /// The stream itself; `None` when more was received than was read.
    pub(super) fn into_stream(self) -> Option<Stream> {
        self.stream.buffer().is_empty().then(|| self.stream.into_inner())
    }
}

/// A command as a line. All parts of it have been checked long before; what could smuggle in a second one ends here.
pub(super) fn checked(command: &str) -> Result<String, WireError> {
    if command.contains(['\r', '\n', '\0']) {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "a command contains a line break");
        return Err(WireError::Lost(error));
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
