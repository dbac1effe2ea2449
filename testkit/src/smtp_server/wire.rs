//! Lines and messages on a connection.

use std::io;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;

use super::script::Reply;

/// The longest message taken, in octets; also what `SIZE` announces.
pub(super) const MAX_MESSAGE: usize = 64 * 1024 * 1024;

/// The longest line taken outside a message: that of an AUTH response (RFC 4954, section 4).
const MAX_LINE: u64 = 12_288;

/// How much of a line within a message is read at a time.
const PIECE: u64 = 64 * 1024;

/// The session is over: the client disconnected, or the server closed it.
pub(super) struct Over;

impl From<io::Error> for Over {
    fn from(_: io::Error) -> Self {
        Over
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The connection, whether plain or encrypted.
pub(super) struct Wire {
    stream: BufReader<Box<dyn Stream>>,
}

/// A line that is none: too long, or not ended by CRLF.
pub(super) struct BadLine;

/// A message that is longer than [`MAX_MESSAGE`].
pub(super) struct TooBig;

impl Wire {
    pub(super) fn new(stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Self {
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// Performs the server side of a TLS handshake. Discards earlier input, as RFC 3207 requires.
    pub(super) async fn encrypt(self, acceptor: &TlsAcceptor) -> Result<Self, Over> {
        Ok(Self::new(acceptor.accept(self.stream.into_inner()).await?))
    }

    /// Reads one line, and gives it without its CRLF.
    pub(super) async fn read_line(&mut self) -> Result<Result<String, BadLine>, Over> {
        let mut line = Vec::new();
        (&mut self.stream).take(MAX_LINE).read_until(b'\n', &mut line).await?;
        if line.is_empty() {
            return Err(Over);
        }
        let text = line.strip_suffix(b"\r\n").and_then(|line| std::str::from_utf8(line).ok());
        Ok(text.map(str::to_owned).ok_or(BadLine))
    }

    /// Reads a message up to the line with a single dot, undoing dot-stuffing and nothing else (RFC 5321, section
    /// 4.5.2). Only CRLF ends a line: a lone LF, or a dot after one, is part of the message.
    pub(super) async fn read_message(&mut self) -> Result<Result<Vec<u8>, TooBig>, Over> {
        let mut message = Vec::new();
        let mut line = Vec::new();
        loop {
            line.clear();
            (&mut self.stream).take(PIECE).read_until(b'\n', &mut line).await?;
            let at_line_start = message.is_empty() || message.ends_with(b"\r\n");
            match line.as_slice() {
                [] => return Err(Over),
                b".\r\n" if at_line_start => return Ok(Ok(message)),
                [b'.', rest @ ..] if at_line_start => message.extend_from_slice(rest),
                all => message.extend_from_slice(all),
            }
            if message.len() > MAX_MESSAGE {
                return Ok(Err(TooBig));
            }
        }
    }

    /// Waits until something has arrived, without taking it.
    pub(super) async fn wait_for_bytes(&mut self) -> Result<(), Over> {
        if self.stream.fill_buf().await?.is_empty() { Err(Over) } else { Ok(()) }
    }

    /// Discards all input until the client closes.
    pub(super) async fn ignore_forever(&mut self) -> Over {
        while let Ok(bytes @ [_, ..]) = self.stream.fill_buf().await {
            let length = bytes.len();
            self.stream.consume(length);
        }
        Over
    }

    pub(super) async fn send(&mut self, reply: &Reply) -> Result<(), Over> {
        self.stream.write_all(reply.to_string().as_bytes()).await?;
        self.stream.flush().await?;
        Ok(())
    }

    /// Closes the connection properly, with TLS's close_notify.
    pub(super) async fn close(&mut self) -> Over {
        // A client that did not wait for it is gone all the same.
        let _ = self.stream.shutdown().await;
        Over
    }
}

impl std::fmt::Display for Reply {
    /// The reply as it is sent, with a hyphen after the code on all lines but the last.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.raw {
            return formatter.write_str(&self.text);
        }
        let mut lines = self.text.split('\n').peekable();
        while let Some(line) = lines.next() {
            let separator = if lines.peek().is_some() { '-' } else { ' ' };
            write!(formatter, "{}{separator}{line}\r\n", self.code)?;
        }
        Ok(())
    }
}
