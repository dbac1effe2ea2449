//! Bodies that are text.

use std::borrow::Cow;

use base64::{Engine, prelude::BASE64_STANDARD};
use email_queue::field;
use smtp_client::{Piece, lines};

use super::{
    Message,
    lines::{Lines, MAX_LINE},
};

/// Writes a text as a part: its fields, an empty line, and its lines, of which the last has an end only if the text has.
///
/// Most texts need no encoding. Others are quoted-printable, or base64 where that is shorter.
pub(super) fn write<'a>(message: &mut Message<'a>, subtype: &str, text: Cow<'a, str>) {
    field::with_parameters(message.text(), "Content-Type", &format!("text/{subtype}"), [("charset", "utf-8")]);
    let text = match Lines::of(text) {
        Ok(lines) => {
            begin(message.text(), "7bit");
            return message.lines(lines);
        }
        Err(text) => text,
    };
    let others = text.bytes().filter(|byte| !matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')).count();
    if others <= text.len() / 3 {
        begin(message.text(), "quoted-printable");
        quoted_printable(&text, message.text());
    } else {
        begin(message.text(), "base64");
        base64(&text, message.text());
    }
}

/// Writes the encoding of the content, and the empty line before it.
fn begin(message: &mut Vec<u8>, encoding: &str) {
    field::word(message, "Content-Transfer-Encoding", encoding);
    message.extend_from_slice(b"\r\n");
}

/// RFC 2045 6.7.
fn quoted_printable(text: &str, message: &mut Vec<u8>) {
    message.reserve(text.len() + text.len() / 8);
    for (line, ends) in lines(text.as_bytes()) {
        let (mut rest, mut start) = (line, message.len());
        while let Some(&byte) = rest.first() {
            // Room for the `=` of a soft line break.
            let room = (MAX_LINE - 1).saturating_sub(message.len() - start);
            let beginning = message.len() == start;
            let literal = rest.iter().take(room).take_while(|byte| LITERAL[usize::from(**byte)]).count();
            let literal = match &rest[..literal] {
                // Some servers change these at the beginning or the end of a line.
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

/// The characters that quoted-printable does not encode. A space at the end of a line is encoded, and so is each tab.
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
    Piece::Lines(text.as_bytes()).write(&mut canonical);
    for line in canonical.chunks(MAX_LINE / 4 * 3) {
        message.extend_from_slice(BASE64_STANDARD.encode(line).as_bytes());
        message.extend_from_slice(b"\r\n");
    }
}
