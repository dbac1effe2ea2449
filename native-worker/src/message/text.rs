//! Bodies that are text.

use base64::{Engine, prelude::BASE64_STANDARD};
use email_queue::field;
use memchr::memchr;

/// How long a line of an encoded text may be (RFC 2045 6.7 and 6.8).
const MAX_LINE: usize = 76;

/// Writes a text as a part: its fields, an empty line, and its lines, of which the last has an end only if the text has.
pub(super) fn write(message: &mut Vec<u8>, subtype: &str, text: &str) {
    field::with_parameters(message, "Content-Type", &format!("text/{subtype}"), [("charset", "utf-8")]);
    let encoding = Encoding::of(text);
    field::word(message, "Content-Transfer-Encoding", encoding.name());
    message.extend_from_slice(b"\r\n");
    match encoding {
        Encoding::Plain => plain(text, message),
        Encoding::QuotedPrintable => quoted_printable(text, message),
        Encoding::Base64 => base64(text, message),
    }
}

/// How a text travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Plain,
    QuotedPrintable,
    Base64,
}

impl Encoding {
    /// The one that changes the least, and base64 where the other one would be longer.
    fn of(text: &str) -> Self {
        if is_plain(text) {
            return Self::Plain;
        }
        let others = text.bytes().filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
        if others <= text.len() / 3 { Self::QuotedPrintable } else { Self::Base64 }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Plain => "7bit",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
        }
    }
}

/// The lines of a text, without their ends, and whether the line has one. A CR that no LF follows is not the end of a
/// line (RFC 5321 2.3.8).
fn lines(text: &str) -> impl Iterator<Item = (&[u8], bool)> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some(end) = memchr(b'\n', rest) else { return Some((std::mem::take(&mut rest), false)) };
        let line = &rest[..end];
        rest = &rest[end + 1..];
        Some((line.strip_suffix(b"\r").unwrap_or(line), true))
    })
}

/// Whether a text can travel as it is: short lines of printable ASCII that nothing on the way is known to change. Some
/// servers take away spaces at the end of a line, or put a mark before a line that begins with `From `. And no line looks
/// like what parts the parts of a message.
fn is_plain(text: &str) -> bool {
    lines(text).all(|(line, _)| {
        line.len() <= MAX_LINE
            // Every byte is looked at, which takes less time than to stop at the first one that is not.
            && line.iter().fold(true, |plain, byte| plain & matches!(byte, b'\t' | b' '..=b'~'))
            && !line.ends_with(b" ")
            && !line.ends_with(b"\t")
            && !line.starts_with(b"From ")
            && !line.starts_with(b"--=_")
    })
}

fn plain(text: &str, message: &mut Vec<u8>) {
    message.reserve(text.len() + text.len() / 16);
    for (line, ends) in lines(text) {
        message.extend_from_slice(line);
        if ends {
            message.extend_from_slice(b"\r\n");
        }
    }
}

/// RFC 2045 6.7.
fn quoted_printable(text: &str, message: &mut Vec<u8>) {
    message.reserve(text.len() + text.len() / 8);
    for (line, ends) in lines(text) {
        let (mut rest, mut start) = (line, message.len());
        while let Some(&byte) = rest.first() {
            // Room for the `=` that stands where a line is broken.
            let room = (MAX_LINE - 1).saturating_sub(message.len() - start);
            let beginning = message.len() == start;
            let literal = rest.iter().take(room).take_while(|byte| LITERAL[usize::from(**byte)]).count();
            let literal = match &rest[..literal] {
                // What servers have changed at the beginning or the end of a line.
                text if beginning && (text.starts_with(b".") || text.starts_with(b"From ")) => 0,
                text if literal == rest.len() && text.ends_with(b" ") => literal - 1,
                _ => literal,
            };
            if literal > 0 {
                message.extend_from_slice(&rest[..literal]);
                rest = &rest[literal..];
            } else if room >= "=XX".len() {
                message.extend_from_slice(&[b'=', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
                rest = &rest[1..];
            } else {
                message.extend_from_slice(b"=\r\n");
                start = message.len();
            }
        }
        if ends {
            message.extend_from_slice(b"\r\n");
        }
    }
}

/// What stands for itself in quoted-printable. A blank does not at the end of a line, and a tab would be taken for one.
const LITERAL: [bool; 256] = {
    let mut literal = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        literal[byte as usize] = byte != b'=';
        byte += 1;
    }
    literal
};

const HEX: &[u8; 16] = b"0123456789ABCDEF";

/// A text by RFC 2045 6.8, with line ends of CRLF, which is what they are in a text of MIME.
fn base64(text: &str, message: &mut Vec<u8>) {
    let mut canonical = Vec::with_capacity(text.len() + text.len() / 16);
    plain(text, &mut canonical);
    for line in canonical.chunks(MAX_LINE / 4 * 3) {
        message.extend_from_slice(BASE64_STANDARD.encode(line).as_bytes());
        message.extend_from_slice(b"\r\n");
    }
}
