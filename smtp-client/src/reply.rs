//! Replies ([RFC 5321 section 4.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.2)).

use std::fmt;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

use crate::{redact::Secrets, session_error::SessionError};

/// How many bytes of a line's text are kept. RFC 5321 4.5.3.1.5 allows 512 for the whole line.
const KEPT_TEXT: usize = 1024;

/// How many lines are kept. The reply to `EHLO` has a dozen or two.
const KEPT_LINES: usize = 100;

/// How many bytes of a reply are read. A longer one still counts by its code, but ends the session.
const MAX_REPLY: usize = 1024 * 1024;

/// A reply of one or more lines. Its text comes from the server; the client's password is removed from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reply {
    /// 200 to 599 (RFC 5321 4.2.1). Where lines differ in their last two digits, that of the last line.
    pub code: u16,
    /// The text of each line without its code, up to 100 lines of up to 1024 bytes. Bytes that are not UTF-8 are
    /// replaced: servers write in many encodings, and only the code counts.
    pub lines: Vec<String>,
    /// Whether the end of the reply was not seen: it was longer than a MiB, or the server closed the connection within
    /// its last line. The next reply cannot be distinguished from the rest of this one.
    pub unfinished: bool,
}

/// What the first digit of a code says (RFC 5321 4.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// 2xx.
    Positive,
    /// 4xx: it may work later. 3xx as well: the server asks for something that the client does not have.
    Transient,
    /// 5xx.
    Permanent,
}

impl Reply {
    /// Reads one reply. How much is read and kept of it is bounded; a longer one counts by its code.
    ///
    /// # Errors
    /// The connection ends or breaks, or what comes is no reply.
    pub(crate) async fn read(
        stream: &mut (impl AsyncBufRead + Unpin),
        secrets: &Secrets,
    ) -> Result<Self, SessionError> {
        let mut reply = Reply::default();
        let mut left = MAX_REPLY;
        loop {
            let line = read_line(stream, &mut left, "250-".len() + KEPT_TEXT + secrets.longest()).await?;
            let Some((code, last, text)) = parse(&line.bytes) else {
                return Err(not_smtp(&secrets.redact(&String::from_utf8_lossy(&line.bytes))));
            };
            if reply.code != 0 && reply.code / 100 != code / 100 {
                return Err(SessionError::NotSmtp(format!(
                    "the server's answer has two codes, {} and {code}",
                    reply.code
                )));
            }
            // RFC 5321 4.2.1 requires the same code on all lines. Of several with the same severity the last counts.
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

    /// What the first digit of the code says.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.code {
            200..300 => Severity::Positive,
            300..500 => Severity::Transient,
            _ => Severity::Permanent,
        }
    }

    /// Whether the code is 2xx.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.severity() == Severity::Positive
    }

    /// Whether the code is 421: the server closes the connection (RFC 5321 3.8).
    #[must_use]
    pub fn is_421(&self) -> bool {
        self.code == 421
    }

    /// Whether the session cannot be used after it: it is a 421 or unfinished.
    #[must_use]
    pub fn ends_session(&self) -> bool {
        self.is_421() || self.unfinished
    }

    /// Subject and detail of the enhanced status code, if there is one
    /// ([RFC 3463](https://www.rfc-editor.org/rfc/rfc3463)). Its class is left out: the code says it as well.
    #[must_use]
    pub fn enhanced(&self) -> Option<(u16, u16)> {
        let word = self.lines.first()?.split([' ', ':', ',']).next()?;
        let mut numbers = word.trim_start_matches('#').split('.').map(|number| match number.len() {
            1..=3 if number.bytes().all(|byte| byte.is_ascii_digit()) => number.parse::<u16>().ok(),
            _ => None,
        });
        let (class, subject, detail) = (numbers.next()??, numbers.next()??, numbers.next()??);
        (matches!(class, 2 | 4 | 5) && numbers.next().is_none()).then_some((subject, detail))
    }
}

/// The code and the text on one line.
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

/// Reads to the end of a line, but no more than `left` bytes, and keeps `keep` of them.
async fn read_line(
    stream: &mut (impl AsyncBufRead + Unpin),
    left: &mut usize,
    keep: usize,
) -> Result<Line, SessionError> {
    let mut bytes = Vec::new();
    loop {
        let available = stream.fill_buf().await.map_err(SessionError::Io)?;
        if available.is_empty() {
            // A server that closes without ending its last line has replied all the same.
            let answered = parse(&bytes).is_some_and(|(_, last, _)| last && bytes.len() > 3);
            return if answered { Ok(Line { bytes, complete: false }) } else { Err(SessionError::Closed) };
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

fn not_smtp(line: &str) -> SessionError {
    let shown: String = line.trim_end().chars().take(60).map(|c| if c.is_control() { '?' } else { c }).collect();
    SessionError::NotSmtp(format!("the server's answer is not SMTP: \"{shown}\""))
}

#[cfg(test)]
mod tests;
