//! Bodies that are text.

use base64::{Engine, prelude::BASE64_STANDARD};
use email_queue::field;
use memchr::memchr_iter;

/// How long a line of an encoded text may be (RFC 2045 6.7 and 6.8).
const MAX_LINE: usize = 76;

/// Writes a text as a part: its fields, an empty line, and its lines, of which the last has an end only if the text has.
///
/// Most texts can travel as they are, so that is tried first, and what was written is taken back where it turns out that
/// they cannot. Where others changed it least is quoted-printable, and base64 where that would be shorter.
pub(super) fn write(message: &mut Vec<u8>, subtype: &str, text: &str) {
    field::with_parameters(message, "Content-Type", &format!("text/{subtype}"), [("charset", "utf-8")]);
    let start = message.len();
    begin(message, "7bit");
    if plain(text, message) {
        return;
    }
    message.truncate(start);
    let others = text.bytes().filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    if others <= text.len() / 3 {
        begin(message, "quoted-printable");
        quoted_printable(text, message);
    } else {
        begin(message, "base64");
        base64(text, message);
    }
}

/// Writes how the content travels, and the empty line before it.
fn begin(message: &mut Vec<u8>, encoding: &str) {
    field::word(message, "Content-Transfer-Encoding", encoding);
    message.extend_from_slice(b"\r\n");
}

/// The lines of a text, without their ends, and whether the line has one. A CR that no LF follows is not the end of a
/// line (RFC 5321 2.3.8).
fn lines(text: &str) -> impl Iterator<Item = (&[u8], bool)> {
    let mut ends = memchr_iter(b'\n', text.as_bytes());
    let mut rest = text.as_bytes();
    let mut begin = 0;
    std::iter::from_fn(move || match ends.next() {
        Some(end) => {
            let line = &text.as_bytes()[begin..end];
            begin = end + 1;
            rest = &text.as_bytes()[begin..];
            Some((line.strip_suffix(b"\r").unwrap_or(line), true))
        }
        None if rest.is_empty() => None,
        None => Some((std::mem::take(&mut rest), false)),
    })
}

/// Writes a text as it is, up to the first line that cannot travel so; returns whether all lines can.
fn plain(text: &str, message: &mut Vec<u8>) -> bool {
    message.reserve(text.len() + text.len() / 16);
    lines(text).all(|(line, ends)| {
        let is_plain = is_plain(line);
        if is_plain {
            write_line(line, ends, message);
        }
        is_plain
    })
}

/// Whether a line can travel as it is: short, and of printable ASCII that nothing on the way is known to change. Some
/// servers take away spaces at the end of a line, or put a mark before a line that begins with `From `. And it does not look
/// like what parts the parts of a message.
fn is_plain(line: &[u8]) -> bool {
    line.len() <= MAX_LINE
        // Every byte is looked at, which takes less time than to stop at the first one that is not.
        && line.iter().fold(true, |plain, byte| plain & matches!(byte, b'\t' | b' '..=b'~'))
        && !matches!(line.last(), Some(b' ' | b'\t'))
        && !line.starts_with(b"From ")
        && !line.starts_with(b"--=_")
}

fn write_line(line: &[u8], ends: bool, message: &mut Vec<u8>) {
    message.extend_from_slice(line);
    if ends {
        message.extend_from_slice(b"\r\n");
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
    lines(text).for_each(|(line, ends)| write_line(line, ends, &mut canonical));
    for line in canonical.chunks(MAX_LINE / 4 * 3) {
        message.extend_from_slice(BASE64_STANDARD.encode(line).as_bytes());
        message.extend_from_slice(b"\r\n");
    }
}
