use std::fmt::Write;

use base64::{Engine, prelude::BASE64_STANDARD};

/// RFC 2047 2: no encoded word may be longer.
const MAX_WORD: usize = 75;
const MARKS: usize = "=?utf-8?q?".len() + "?=".len();

/// The encoded words of a text ([RFC 2047](https://www.rfc-editor.org/rfc/rfc2047)). Blanks between two of them are not
/// part of the text. The first takes at most `room` bytes, unless that is too few to be useful.
///
/// Letters stay legible (`Q`) where most of the text is ASCII. Each word has whole characters (section 5).
pub fn encoded_words(text: &str, room: usize, mut word: impl FnMut(&str)) {
    let others = text.bytes().filter(|byte| !is_legible(*byte)).count();
    let legible = others <= text.len() / 3;
    let width = |c: char| match (legible, c) {
        (true, ' ') => 1,
        (true, c) if c.is_ascii() && is_legible(c as u8) => 1,
        (true, c) => 3 * c.len_utf8(),
        (false, c) => c.len_utf8(),
    };
    // Base64 makes four of three.
    let capacity = |length: usize| if legible { length - MARKS } else { (length - MARKS) / 4 * 3 };
    let mut limit = capacity(if room < MAX_WORD / 2 { MAX_WORD } else { room.min(MAX_WORD) });
    let (mut start, mut used) = (0, 0);
    for (end, c) in text.char_indices() {
        if used + width(c) > limit {
            word(&encoded(&text[start..end], legible));
            (start, used, limit) = (end, 0, capacity(MAX_WORD));
        }
        used += width(c);
    }
    if start < text.len() {
        word(&encoded(&text[start..], legible));
    }
}

/// Characters that need no encoding in any position of an encoded word (RFC 2047 5, rule 3).
fn is_legible(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!*+-/ ".contains(&byte)
}

fn encoded(text: &str, legible: bool) -> String {
    if !legible {
        return format!("=?utf-8?b?{}?=", BASE64_STANDARD.encode(text));
    }
    let mut word = String::from("=?utf-8?q?");
    for byte in text.bytes() {
        match byte {
            b' ' => word.push('_'),
            byte if is_legible(byte) => word.push(char::from(byte)),
            // Writing to a string cannot fail.
            byte => drop(write!(word, "={byte:02X}")),
        }
    }
    word.push_str("?=");
    word
}
