//! What is sent after `DATA`, as the caller has it.

use memchr::{memchr, memchr_iter};

/// How long a line of base64 is ([RFC 2045 section 6.8](https://www.rfc-editor.org/rfc/rfc2045#section-6.8)).
pub(crate) const BASE64_LINE: usize = 76;

/// A message in Internet Message Format ([RFC 5322](https://www.rfc-editor.org/rfc/rfc5322)), in pieces.
///
/// The client joins the pieces, makes every line end CRLF, doubles the dots that begin a line and adds the one that
/// ends the message (RFC 5321 4.5.2), 64 KiB at a time. A large file is never copied as a whole. `[u8]` is a message of
/// one piece.
///
/// CR and LF may stand only where a line ends: a server may take any other for a line end, and what follows for commands.
/// Lines have up to 998 bytes without their end (RFC 5321 4.5.3.1.6).
pub trait Message: Sync {
    /// The pieces in their order.
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> + Send;

    /// The number of bytes with line ends of CRLF, without the dots that SMTP adds
    /// ([RFC 1870 section 5](https://www.rfc-editor.org/rfc/rfc1870#section-5)).
    fn size(&self) -> usize;

    /// Whether the header is ASCII. If not, only a server with SMTPUTF8 gets the message
    /// ([RFC 6531](https://www.rfc-editor.org/rfc/rfc6531)).
    fn has_ascii_header(&self) -> bool;
}

/// A part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'m> {
    /// Text with line ends of CRLF. It may end within a line, which the next `Text` continues.
    Text(&'m [u8]),
    /// Text with line ends of LF or CRLF. It begins a line; the last line may have no end.
    Lines(&'m [u8]),
    /// Base64 without line ends, which is sent in lines of 76. It begins a line, and the last line gets an end.
    Base64(&'m [u8]),
}

impl Piece<'_> {
    /// Appends what the piece is in the message: with line ends of CRLF, without the dots that SMTP adds.
    pub fn write(self, into: &mut Vec<u8>) {
        match self {
            Piece::Text(text) => into.extend_from_slice(text),
            Piece::Lines(text) => write_lines(text, false, into),
            Piece::Base64(base64) => cut_into_lines(base64, into),
        }
    }
}

impl Message for [u8] {
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> + Send {
        std::iter::once(Piece::Lines(self))
    }

    fn size(&self) -> usize {
        lines(self).map(|(line, ends)| line.len() + if ends { "\r\n".len() } else { 0 }).sum()
    }

    fn has_ascii_header(&self) -> bool {
        lines(self).take_while(|(line, _)| !line.is_empty()).all(|(line, _)| line.is_ascii())
    }
}

/// The lines of a text without their ends, LF or CRLF, and whether each has one. Only the last may have none. A CR that no
/// LF follows ends no line (RFC 5321 2.3.8).
pub fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
    let mut ends = memchr_iter(b'\n', text);
    let mut rest = text;
    let mut begin = 0;
    std::iter::from_fn(move || match ends.next() {
        Some(end) => {
            let line = &text[begin..end];
            begin = end + 1;
            rest = &text[begin..];
            Some((line.strip_suffix(b"\r").unwrap_or(line), true))
        }
        None if rest.is_empty() => None,
        None => Some((std::mem::take(&mut rest), false)),
    })
}

/// Writes lines with ends of CRLF, and if need be with the dots of RFC 5321 4.5.2 doubled.
pub(crate) fn write_lines(text: &[u8], double_dots: bool, into: &mut Vec<u8>) {
    for (line, ends) in lines(text) {
        if double_dots && line.first() == Some(&b'.') {
            into.push(b'.');
        }
        into.extend_from_slice(line);
        if ends {
            into.extend_from_slice(b"\r\n");
        }
    }
}

/// Splits a text after the line in which the given number of bytes ends.
pub(crate) fn split_after_line(text: &[u8], bytes: usize) -> (&[u8], &[u8]) {
    let begin = bytes.saturating_sub(1).min(text.len());
    let end = memchr(b'\n', &text[begin..]).map_or(text.len(), |end| begin + end + 1);
    text.split_at(end)
}

/// Writes base64 in lines. The last one may be shorter, and each has an end.
pub(crate) fn cut_into_lines(base64: &[u8], into: &mut Vec<u8>) {
    // Arrays, because copying a constant number of bytes is three times as fast.
    let (lines, rest) = base64.as_chunks::<BASE64_LINE>();
    for line in lines {
        into.extend_from_slice(line);
        into.extend_from_slice(b"\r\n");
    }
    if !rest.is_empty() {
        into.extend_from_slice(rest);
        into.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_cut_into_lines() {
        let base64 = "A".repeat(76) + &"B".repeat(76) + "CC==";
        let mut written = Vec::new();
        Piece::Base64(base64.as_bytes()).write(&mut written);
        assert_eq!(written, format!("{}\r\n{}\r\nCC==\r\n", "A".repeat(76), "B".repeat(76)).as_bytes());
    }

    #[test]
    fn bytes_are_measured_as_they_are_sent_and_their_header_ends_at_the_empty_line() {
        for (text, size, ascii) in [("", 0, true), ("a: b\n\nü\r\nc", 13, true), ("a: ü\r\n\r\n", 9, false)] {
            assert_eq!((text.as_bytes().size(), text.as_bytes().has_ascii_header()), (size, ascii), "{text:?}");
        }
    }
}
