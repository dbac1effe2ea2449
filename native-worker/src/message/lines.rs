//! A text that travels as it is.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter};

/// How long a line may be that nothing on the way is to fold (RFC 2045 6.7 and 6.8).
pub(super) const MAX_LINE: usize = 76;

/// A text of lines that can travel as they are. Its line ends become CRLF only where it is written out.
#[derive(Clone)]
pub(super) struct Lines<'a> {
    text: Cow<'a, str>,
    /// How many bytes it has with line ends of CRLF.
    len: usize,
}

impl<'a> Lines<'a> {
    /// # Errors
    /// Gives the text back if some of its lines cannot travel as they are.
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

/// The lines of a text, without their ends, and whether the line has one. A CR that no LF follows is not the end of a
/// line (RFC 5321 2.3.8).
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = (&[u8], bool)> {
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
pub(super) fn write_lines(text: &[u8], double_dots: bool, into: &mut Vec<u8>) {
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

/// Parts lines where one ends, after so many bytes or up to a line more.
pub(super) fn split_after_line(text: &[u8], bytes: usize) -> (&[u8], &[u8]) {
    let begin = bytes.saturating_sub(1).min(text.len());
    let end = memchr(b'\n', &text[begin..]).map_or(text.len(), |end| begin + end + 1);
    text.split_at(end)
}

/// Whether each line can travel as it is: short, and of printable ASCII that nothing on the way is known to change. Some
/// servers take away spaces at the end of a line, or put a mark before a line that begins with `From `. And it does not look
/// like what parts the parts of a message.
fn len_if_plain(text: &[u8]) -> Option<usize> {
    // All bytes, and not line by line up to the first one that is not plain: so many are looked at at once.
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
