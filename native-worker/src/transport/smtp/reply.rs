//! What a server answers ([RFC 5321 section 4.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.2)).

use std::fmt;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use super::{redact::Secrets, wire_error::WireError};

/// How much of a line's text is kept. RFC 5321 4.5.3.1.5 allows 512 bytes for the whole line.
const KEPT_TEXT: usize = 1024;

/// How many lines are kept: no server says more of use, and `EHLO` is answered by a dozen or two.
const KEPT_LINES: usize = 100;

/// The longest answer that is read to its end. Longer ones count as well, but their session cannot be used any more.
const MAX_ANSWER: usize = 1024 * 1024;

/// An answer of one or more lines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) code: u16,
    /// The beginning of the text of each line. What is not UTF-8 is replaced: servers speak many languages, and only the
    /// code counts.
    pub(super) lines: Vec<String>,
    /// Whether more may follow that was not read, so that the next answer could not be told from it.
    pub(super) unfinished: bool,
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
    /// Reads one answer. It counts by its code, however much text there is: memory and reading are bounded.
    ///
    /// # Errors
    /// When the connection ends or breaks, or what comes is no answer.
    pub(super) async fn read(stream: &mut (impl AsyncBufRead + Unpin), secrets: &Secrets) -> Result<Self, WireError> {
        let mut reply = Reply::default();
        let mut left = MAX_ANSWER;
        loop {
            let line = read_line(stream, &mut left, "250-".len() + KEPT_TEXT + secrets.longest()).await?;
            let Some((code, last, text)) = parse(&line.bytes) else {
                return Err(not_smtp(&secrets.redact(&String::from_utf8_lossy(&line.bytes))));
            };
            if reply.code != 0 && reply.code / 100 != code / 100 {
                return Err(WireError::NotSmtp(format!(
                    "the server's answer has two codes, {} and {code}",
                    reply.code
                )));
            }
            // RFC 5321 4.2.1 wants the same code on all lines; of several that agree in what they mean, the last counts.
            reply.code = code;
            if reply.lines.len() < KEPT_LINES {
                reply.lines.push(kept(&secrets.redact(&String::from_utf8_lossy(text))));
            }
            reply.unfinished = !line.complete || left == 0;
            if last || reply.unfinished {
                return Ok(reply);
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
    pub(super) fn is_421(&self) -> bool {
        self.code == 421
    }

    /// Whether nothing more can be said in this session.
    pub(super) fn ends_session(&self) -> bool {
        self.is_421() || self.unfinished
    }

    /// The enhanced status code, if there is one ([RFC 3463](https://www.rfc-editor.org/rfc/rfc3463)): subject and
    /// detail, without the class, which the code says as well.
    pub(super) fn enhanced(&self) -> Option<(u16, u16)> {
        let word = self.lines.first()?.split([' ', ':', ',']).next()?;
        let mut numbers = word.trim_start_matches('#').split('.').map(|number| match number.len() {
            1..=3 if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse::<u16>().ok(),
            _ => None,
        });
        let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (matches!(class, 2 | 4 | 5) && numbers.next().is_none()).then_some((subject, detail))
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        self.lines.iter().filter(|line| !line.is_empty()).try_for_each(|line| write!(f, " {line}"))
    }
}

/// The beginning of a line, and whether its end was seen.
struct Line {
    bytes: Vec<u8>,
    complete: bool,
}

/// Reads to the end of a line, or until nothing is left of what may be read, and keeps `keep` bytes of it.
async fn read_line(stream: &mut (impl AsyncBufRead + Unpin), left: &mut usize, keep: usize) -> Result<Line, WireError> {
    let mut bytes = Vec::new();
    loop {
        let available = stream.fill_buf().await.map_err(WireError::Lost)?;
        if available.is_empty() {
            // A server that closes without ending its last line has answered all the same.
            let answered = parse(&bytes).is_some_and(|(_, last, _)| last && bytes.len() > 3);
            return if answered { Ok(Line { bytes, complete: false }) } else { Err(WireError::Closed) };
        }
        let (taken, complete) = match available.iter().position(|byte| *byte == b'\n') {
            Some(end) => (end + 1, true),
            None => (available.len(), false),
        };
        let kept = taken.min(keep.saturating_sub(bytes.len()));
        bytes.extend_from_slice(&available[..kept]);
        stream.consume(taken);
        *left = left.saturating_sub(taken);
        if complete || *left == 0 {
            return Ok(Line { bytes, complete });
        }
    }
}

/// `250-text` or `250 text`: the code, whether the line is the last, and the text.
fn parse(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let line = line.trim_ascii_end();
    let (code, rest) = line.split_at_checked(3)?;
    if !code.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&code[0]) {
        return None;
    }
    let code = std::str::from_utf8(code).ok()?.parse().ok()?;
    match rest.split_first() {
        None => Some((code, true, rest)),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

fn kept(text: &str) -> String {
    match text.char_indices().take_while(|(at, c)| at + c.len_utf8() <= KEPT_TEXT).last() {
        Some((at, c)) => text[..at + c.len_utf8()].to_owned(),
        None => String::new(),
    }
}

fn not_smtp(line: &str) -> WireError {
    let shown: String = line.trim_end().chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect();
    WireError::NotSmtp(format!("the server's answer is not SMTP: \"{shown}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut bytes: &[u8]) -> Result<Reply, WireError> {
        Reply::read(&mut bytes, &Secrets::default()).await
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
    async fn an_answer_counts_by_its_code_however_long_its_line_is() {
        let mut stream = [b"250 ".as_slice(), &[b'x'; 20_000], b"\r\n220 next\r\n"].concat();
        let mut stream = stream.as_mut_slice() as &[u8];
        let reply = Reply::read(&mut stream, &Secrets::default()).await.unwrap();
        assert_eq!((reply.code, reply.lines[0].len(), reply.unfinished), (250, KEPT_TEXT, false));
        assert_eq!(Reply::read(&mut stream, &Secrets::default()).await.unwrap().code, 220);
    }

    #[tokio::test]
    async fn an_answer_without_end_counts_and_ends_the_session() {
        let endless_line = [b"250 ".as_slice(), &[b'x'; 2 * MAX_ANSWER]].concat();
        let endless_lines = b"250-more\r\n".repeat(MAX_ANSWER / 5);
        for bytes in [endless_line, endless_lines] {
            let reply = read(&bytes).await.unwrap();
            assert_eq!((reply.code, reply.unfinished), (250, true));
            assert!(reply.lines.len() <= KEPT_LINES);
        }
        assert!(read(b"250 OK").await.unwrap().ends_session(), "closed before the end of the line");
    }

    #[tokio::test]
    async fn what_is_no_answer_is_an_error() {
        for bytes in [
            b"".as_slice(),
            b"25",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"250-never the last\r\n",
            b"250-one\r\n550 two\r\n",
            b"250_\r\n",
            b"99\r\n",
            b"650 no\r\n",
            &[b'2'; 1_000_000],
        ] {
            assert!(read(bytes).await.is_err(), "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(99)]));
        }
    }

    #[test]
    fn the_enhanced_code_is_the_first_word_and_nothing_else() {
        let enhanced = |text: &str| Reply { code: 550, lines: vec![text.to_owned()], unfinished: false }.enhanced();
        assert_eq!(enhanced("5.1.1 no such user"), Some((1, 1)));
        assert_eq!(enhanced("5.7.60 SMTP; Client does not have permissions"), Some((7, 60)));
        assert_eq!(enhanced("#5.1.0 Address rejected."), Some((1, 0)));
        for text in ["no such user", "", "5.1", "5.1.1.1 x", "127.0.0.1 is blocked", "3.1.1 x", "5.1234.1 x"] {
            assert_eq!(enhanced(text), None, "{text}");
        }
    }
}
