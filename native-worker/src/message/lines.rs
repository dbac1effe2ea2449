//! A text that needs no encoding (7bit).

use std::borrow::Cow;

use memchr::memchr_iter;
use smtp_client::Piece;

/// The longest line that no server folds (RFC 2045 6.7 and 6.8).
pub(super) const MAX_LINE: usize = 76;

/// A text that needs no encoding. Its line ends become CRLF only where it is written.
#[derive(Clone)]
pub(super) struct Lines<'a> {
    text: Cow<'a, str>,
    size: Size,
}

#[derive(Clone, Copy, PartialEq, Eq)]
struct Size {
    /// The number of bytes with line ends of CRLF.
    bytes: usize,
    /// Whether all line ends are CRLF already.
    is_crlf: bool,
}

impl<'a> Lines<'a> {
    /// # Errors
    /// Returns the text if it needs encoding.
    pub(super) fn of(text: Cow<'a, str>) -> Result<Self, Cow<'a, str>> {
        match size_if_plain(text.as_bytes()) {
            Some(size) => Ok(Self { text, size }),
            None => Err(text),
        }
    }

    pub(super) fn piece(&self) -> Piece<'_> {
        let text = self.text.as_bytes();
        if self.size.is_crlf { Piece::Text(text) } else { Piece::Lines(text) }
    }

    pub(super) fn len(&self) -> usize {
        self.size.bytes
    }
}

/// The size, if each line is short, of printable ASCII, and not changed by any known server: some remove spaces at the end of a
/// line, or insert `>` before a line that begins with `From `. No line may begin like a boundary.
fn size_if_plain(text: &[u8]) -> Option<Size> {
    // All bytes without an early exit, so that the compiler can vectorise.
    if !text.iter().fold(true, |plain, byte| plain & matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~')) {
        return None;
    }
    let (mut begin, mut ends, mut crlf) = (0, 0, 0);
    for end in memchr_iter(b'\n', text) {
        let line = &text[begin..end];
        let without_return = line.strip_suffix(b"\r");
        crlf += usize::from(without_return.is_some());
        if !is_plain(without_return.unwrap_or(line)) {
            return None;
        }
        ends += 1;
        begin = end + 1;
    }
    // A CR that no LF follows ends no line.
    let is_plain = is_plain(&text[begin..]) && memchr_iter(b'\r', text).count() == crlf;
    is_plain.then_some(Size { bytes: text.len() + ends - crlf, is_crlf: ends == crlf })
}

fn is_plain(line: &[u8]) -> bool {
    let changes = matches!(line.last(), Some(b' ' | b'\t')) || line.starts_with(b"From ") || line.starts_with(b"--=_");
    line.len() <= MAX_LINE && !changes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_measured_with_line_ends_of_crlf_and_has_no_other_cr() {
        for (text, expected) in [
            ("", Some((0, true))),
            ("a", Some((1, true))),
            ("a\nb", Some((4, false))),
            ("a\r\nb\n", Some((6, false))),
            ("a\r\n\r\nb\r\n", Some((8, true))),
            ("a\rb\r\n", None),
            ("a\r\r\n", None),
            ("a\n\r", None),
        ] {
            let size = size_if_plain(text.as_bytes()).map(|Size { bytes, is_crlf }| (bytes, is_crlf));
            assert_eq!(size, expected, "{text:?}");
        }
    }
}
