//! The lowest layer: bytes to the server and answers from it, each with a deadline.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    time::timeout,
};

use super::reply::Reply;

pub(super) trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

pub(super) type Stream = Box<dyn Io>;

/// Lines to the server, answers from it, each with a deadline.
pub(super) struct Wire {
    stream: BufReader<Stream>,
    pub(super) patience: Duration,
}

impl Wire {
    pub(super) fn new(stream: Stream, patience: Duration) -> Self {
        Self { stream: BufReader::new(stream), patience }
    }

    pub(super) async fn command(&mut self, command: &str) -> io::Result<Reply> {
        self.send(checked(command)?.as_bytes()).await?;
        self.reply().await
    }

    pub(super) async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let sending = async {
            self.stream.write_all(bytes).await?;
            self.stream.flush().await
        };
        within(self.patience, sending).await
    }

    pub(super) async fn reply(&mut self) -> io::Result<Reply> {
        within(self.patience, Reply::read(&mut self.stream)).await
    }

    /// The stream itself; `None` when more was received than was read.
    pub(super) fn into_stream(self) -> Option<Stream> {
        self.stream.buffer().is_empty().then(|| self.stream.into_inner())
    }
}

/// A command as a line. All parts of it have been checked long before; what could smuggle in a second one ends here.
pub(super) fn checked(command: &str) -> io::Result<String> {
    if command.contains(['\r', '\n', '\0']) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a command contains a line break"));
    }
    Ok(format!("{command}\r\n"))
}

/// What is done, or an error when it takes longer.
pub(super) async fn within<T>(patience: Duration, doing: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match timeout(patience, doing).await {
        Ok(done) => done,
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {patience:?}"))),
    }
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
