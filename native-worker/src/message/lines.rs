//! A text that needs no encoding (7bit).

use std::borrow::Cow;

use memchr::memchr;
use smtp_client::lines;

/// The longest line that no server folds (RFC 2045 6.7 and 6.8).
pub(super) const MAX_LINE: usize = 76;

/// A text that needs no encoding. Its line ends become CRLF only where it is written.
#[derive(Clone)]
pub(super) struct Lines<'a> {
    text: Cow<'a, str>,
    /// The number of bytes with line ends of CRLF.
    len: usize,
}

impl<'a> Lines<'a> {
    /// # Errors
    /// Returns the text if it needs encoding.
    pub(super) fn of(text: Cow<'a, str>) -> Result<Self, Cow<'a, str>> {
        match len_if_plain(text.as_bytes()) {
            Some(len) => Ok(Self { text, len }),
            None => Err(text),
        }
    }

    pub(super) fn text(&self) -> &[u8] {
        self.text.as_bytes()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }
}

/// The length with line ends of CRLF, if each line is short, of printable ASCII, and not changed by any known server: some
/// remove spaces at the end of a line, or insert `>` before a line that begins with `From `. No line may begin like a
/// boundary.
fn len_if_plain(text: &[u8]) -> Option<usize> {
    // All bytes without an early exit, so that the compiler can vectorise.
    if !text.iter().fold(true, |plain, byte| plain & matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) {
        return None;
    }
    let (mut len, returns) = (0, memchr(b'\r', text).is_some());
    let plain = lines(text).all(|(line, ends)| {
        len += line.len() + if ends { "\r\n".len() } else { 0 };
        let changes =
            matches!(line.last(), Some(b' ' | b'\t')) || line.starts_with(b"From ") || line.starts_with(b"--=_");
        line.len() <= MAX_LINE && !changes && !(returns && line.contains(&b'\r'))
    });
    plain.then_some(len)
}
