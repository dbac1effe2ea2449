//! Long strings of a JSON text: the bodies and files of an email. serde_json looks at each of their bytes several times, and
//! copies texts twice. So it gets a text with placeholders in it, and the long strings are read here.

use std::ops::Range;

use memchr::memchr;

use super::json::LineEnds;

/// How long a string is at least, in bytes of JSON. A placeholder is as long, so that no other string is taken for one: those
/// that are left in the text are shorter, and no escape is shorter than what it stands for.
pub(super) const LONG: usize = 1024;

/// The most long strings that are read here: three bodies, and some files.
pub(super) const MAX_LONG: usize = 32;

/// How many digits of a placeholder are its number.
const DIGITS: usize = 2;

/// A JSON text without its long strings.
pub(super) struct Shortened<'j> {
    pub(super) json: Vec<u8>,
    long: Vec<&'j [u8]>,
    put_back: usize,
}

impl<'j> Shortened<'j> {
    /// Puts a placeholder for each string at one of these places, which are in order. `None` if there is none, or too many.
    pub(super) fn of(json: &'j [u8], places: &[Range<usize>]) -> Option<Self> {
        if places.is_empty() || places.len() > MAX_LONG {
            return None;
        }
        let long: Vec<_> = places.iter().map(|place| &json[place.clone()]).collect();
        let kept = json.len() - long.iter().map(|string| string.len()).sum::<usize>();
        let mut shortened = Vec::with_capacity(kept + places.len() * LONG);
        let mut end = 0;
        for (number, place) in places.iter().enumerate() {
            shortened.extend_from_slice(&json[end..place.start]);
            shortened.resize(shortened.len() + LONG - DIGITS, b'0');
            shortened.extend_from_slice(format!("{number:0DIGITS$}").as_bytes());
            end = place.end;
        }
        shortened.extend_from_slice(&json[end..]);
        Some(Self { json: shortened, long, put_back: 0 })
    }

    /// The long string that stands behind a placeholder, as it is in the JSON; `None` for another string.
    pub(super) fn behind(&mut self, placeholder: &[u8]) -> Option<&'j [u8]> {
        if placeholder.len() < LONG {
            return None;
        }
        let number = std::str::from_utf8(&placeholder[LONG - DIGITS..]).ok()?;
        let string = self.long.get(number.parse::<usize>().ok()?)?;
        self.put_back += 1;
        Some(string)
    }

    /// Whether no placeholder is left.
    pub(super) fn is_whole(&self) -> bool {
        self.put_back == self.long.len()
    }
}

/// A string without its escapes. `None` if it is invalid, or has an escape that serde_json had better read.
pub(super) fn unescaped(string: &[u8], line_ends: LineEnds) -> Option<String> {
    // All bytes without an early exit, so that the compiler can vectorise.
    if string.iter().fold(false, |any, byte| any | (*byte < b' ')) {
        return None;
    }
    let mut text = Vec::with_capacity(string.len());
    let mut rest = string;
    while let Some(at) = memchr(b'\\', rest) {
        let byte = match rest.get(at + 1)? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'b' => b'\x08',
            b'f' => b'\x0c',
            same @ (b'"' | b'\\' | b'/') => *same,
            _ => return None,
        };
        text.extend_from_slice(&rest[..at]);
        if byte == b'\n' && line_ends == LineEnds::Crlf && text.last() != Some(&b'\r') {
            text.push(b'\r');
        }
        text.push(byte);
        rest = &rest[at + 2..];
    }
    text.extend_from_slice(rest);
    String::from_utf8(text).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_string_is_read_as_serde_json_does_or_not_at_all(string in r#"([a-z ü]|\\[nrtbf"\\/u]|[\x00-\x1f"]){0,8}"#) {
            let quoted = format!("\"{string}\"");
            if let Some(text) = unescaped(string.as_bytes(), LineEnds::AsTheyAre).filter(|_| !string.contains(r#"""#)) {
                prop_assert_eq!(Some(text.clone()), serde_json::from_str::<String>(&quoted).ok());
                let crlf = unescaped(string.as_bytes(), LineEnds::Crlf).unwrap();
                prop_assert_eq!(crlf, text.replace("\r\n", "\n").replace('\n', "\r\n"));
            }
        }
    }

    #[test]
    fn what_is_no_text_is_left_to_serde_json() {
        for string in [&b"\xff"[..], b"a\nb", br"\", br"\x", br"\u00e9"] {
            assert_eq!(unescaped(string, LineEnds::AsTheyAre), None, "{}", string.escape_ascii());
        }
    }
}
