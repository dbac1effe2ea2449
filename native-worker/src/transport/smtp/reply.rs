//! What a server answers ([RFC 5321 section 4.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.2)).

use std::{fmt, io};

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// Eight times what RFC 5321 4.5.3.1.5 allows.
const MAX_LINE: usize = 4096;

/// No server has so much to say.
const MAX_LINES: usize = 200;

/// An answer of one or more lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The text of each line. What is not UTF-8 is replaced: servers speak many languages, and only the code counts.
    pub(super) lines: Vec<String>,
}

/// What the first digit of a code says (RFC 5321 4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Severity {
    /// 2xx.
    Positive,
    /// 4xx: it may work later. So may what asks for something that we do not have, 3xx.
    Transient,
    /// 5xx.
    Permanent,
}

impl Reply {
    /// Reads one answer, of bounded length.
    ///
    /// # Errors
    /// When the connection ends or breaks, or what comes is no answer.
    pub(super) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Self> {
        let invalid = |what: &str| Err(io::Error::new(io::ErrorKind::InvalidData, what));
        let mut lines = Vec::new();
        let mut first = None;
        loop {
            let line = read_line(stream).await?;
            let Some((code, last, text)) = parse(&line) else { return invalid("the server's answer is not SMTP") };
            if *first.get_or_insert(code) != code {
                return invalid("the server's answer has two codes");
            }
            lines.push(text);
            if last {
                return Ok(Self { code, lines });
            }
            if lines.len() == MAX_LINES {
                return invalid("the server's answer has too many lines");
            }
        }
    }

    pub(super) fn severity(&self) -> Severity {
        match self.code {
            200..300 => Severity::Positive,
            300..500 => Severity::Transient,
            _ => Severity::Permanent,
        }
    }

    pub(super) fn is_positive(&self) -> bool {
        self.severity() == Severity::Positive
    }

    /// Whether the server closes the connection after it (RFC 5321 3.8).
    pub(super) fn is_goodbye(&self) -> bool {
        self.code == 421
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        self.lines.iter().filter(|line| !line.is_empty()).try_for_each(|line| write!(f, " {line}"))
    }
}

async fn read_line(stream: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    loop {
        let available = stream.fill_buf().await?;
        if available.is_empty() {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection"));
        }
        let (taken, complete) = match available.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (available.len(), false),
        };
        line.extend_from_slice(&available[..taken]);
        stream.consume(taken);
        if line.len() > MAX_LINE {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the server's answer has too long a line"));
        }
        if complete {
            return Ok(line);
        }
    }
}

/// `250-text` or `250 text`: the code, whether the line is the last, and the text.
fn parse(line: &[u8]) -> Option<(u16, bool, String)> {
    let line = line.trim_ascii_end();
    let (code, rest) = line.split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&code[0]) {
        return None;
    }
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    let (last, text) = match rest.split_first() {
        None => (true, rest),
        Some((b' ', text)) => (true, text),
        Some((b'-', text)) => (false, text),
        Some(_) => return None,
    };
    Some((code, last, String::from_utf8_lossy(text).into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> io::Result<Reply> {
        Reply::read(&mut bytes).await
    }

    #[tokio::test]
    async fn an_answer_has_a_code_and_lines() {
        let reply = read(b"250-relay.example\r\n250-SIZE 1000\r\n250 STARTTLS\r\n").await.unwrap();
        assert_eq!(reply.code, 250);
        assert_eq!(reply.lines, ["relay.example", "SIZE 1000", "STARTTLS"]);
        assert_eq!(read(b"550 5.1.1 no such user\r\n").await.unwrap().to_string(), "550 5.1.1 no such user");
        assert_eq!(read(b"354\r\n").await.unwrap().to_string(), "354");
    }

    #[tokio::test]
    async fn text_in_any_encoding_does_not_hide_the_code() {
        assert_eq!(read(b"250 angenommen f\xFCr Sie\r\n").await.unwrap().code, 250);
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        for bytes in [
            b"".as_slice(),
            b"HTTP/1.1 400 Bad Request\r\n",
            b"250-never the last\r\n",
            b"250-one\r\n251 two\r\n",
            b"250_\r\n",
            b"99\r\n",
            b"650 no\r\n",
        ] {
            assert!(read(bytes).await.is_err(), "{}", String::from_utf8_lossy(bytes));
        }
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut_off() {
        assert!(read(&[b'2'; 1_000_000]).await.is_err());
        assert!(read(&b"250-more\r\n".repeat(1000)).await.is_err());
    }
}
