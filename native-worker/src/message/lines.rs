//! A text that travels as it is.

use std::borrow::Cow;

use memchr::memchr;
use smtp_client::lines;

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
