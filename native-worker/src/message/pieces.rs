use std::borrow::Cow;

use memchr::memmem;

use super::lines::{Lines, MAX_LINE, write_lines};

/// How long a line of base64 is (RFC 2045 6.8).
pub(super) const BASE64_LINE: usize = MAX_LINE;

/// A message, in pieces: what was written for it, and files and texts as they are in the email. It is put together only
/// where it leaves, chunk by chunk, so that what is large is not copied before.
#[derive(Clone, Default)]
pub(crate) struct Message<'a> {
    /// Each text that was written, with the body that follows it.
    beginning: Vec<(Vec<u8>, Body<'a>)>,
    end: Vec<u8>,
}

/// What is not copied.
#[derive(Clone)]
enum Body<'a> {
    Base64(&'a str),
    Lines(Lines<'a>),
}

#[derive(Clone, Copy)]
pub(super) enum Piece<'m> {
    /// Lines of CRLF. The last one may have no end.
    Text(&'m [u8]),
    /// Base64 that is to be cut into lines.
    Base64(&'m [u8]),
    /// Lines of LF or CRLF, none of which is longer than [`MAX_LINE`]. The last one may have no end.
    Lines(&'m [u8]),
}

impl<'a> Message<'a> {
    /// The end of the message, where something can be written.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.end
    }

    /// Adds base64, in lines. It begins a line.
    pub(super) fn base64(&mut self, base64: &'a str) {
        self.add(Body::Base64(base64));
    }

    /// Adds a text that can travel as it is. It begins a line.
    pub(super) fn lines(&mut self, lines: Lines<'a>) {
        self.add(Body::Lines(lines));
    }

    fn add(&mut self, body: Body<'a>) {
        self.beginning.push((std::mem::take(&mut self.end), body));
    }

    pub(super) fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let beginning = self.beginning.iter().flat_map(|(text, body)| {
            let body = match body {
                Body::Base64(base64) => Piece::Base64(base64.as_bytes()),
                Body::Lines(lines) => Piece::Lines(lines.text()),
            };
            [Piece::Text(text), body]
        });
        beginning.chain([Piece::Text(&self.end)])
    }

    /// How many bytes it has, lines of CRLF, without what SMTP adds.
    pub(crate) fn len(&self) -> usize {
        let beginning = self.beginning.iter().map(|(text, body)| {
            let body = match body {
                Body::Base64(base64) => base64.len() + base64.len().div_ceil(BASE64_LINE) * "\r\n".len(),
                Body::Lines(lines) => lines.len(),
            };
            text.len() + body
        });
        beginning.sum::<usize>() + self.end.len()
    }

    /// Whether it is no more than ASCII. Only its fields may be more: there are addresses in them.
    pub(crate) fn is_ascii(&self) -> bool {
        let first = self.first();
        memmem::find(first, b"\r\n\r\n").map_or(first, |end| &first[..end]).is_ascii()
    }

    /// The text with all of its fields.
    fn first(&self) -> &[u8] {
        self.beginning.first().map_or(&self.end, |(text, _)| text)
    }

    /// The message with its first text, which holds all of its fields, made another one.
    pub(crate) fn map_fields(&self, map: impl FnOnce(&[u8]) -> Cow<'_, [u8]>) -> Cow<'_, Self> {
        let Cow::Owned(mapped) = map(self.first()) else { return Cow::Borrowed(self) };
        let mut message = self.clone();
        *message.beginning.first_mut().map_or(&mut message.end, |(text, _)| text) = mapped;
        Cow::Owned(message)
    }

    /// The message as one.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.len());
        for piece in self.pieces() {
            match piece {
                Piece::Text(text) => bytes.extend_from_slice(text),
                Piece::Base64(base64) => cut_into_lines(base64, &mut bytes),
                Piece::Lines(text) => write_lines(text, false, &mut bytes),
            }
        }
        bytes
    }
}

/// Writes base64 in lines. The last one may be shorter, and each has an end.
pub(super) fn cut_into_lines(base64: &[u8], into: &mut Vec<u8>) {
    let mut lines = base64.chunks_exact(BASE64_LINE);
    for line in &mut lines {
        // A length that is known when this is compiled makes the copying twice as fast.
        let mut whole = *b"............................................................................\r\n";
        whole[..BASE64_LINE].copy_from_slice(line);
        into.extend_from_slice(&whole);
    }
    if !lines.remainder().is_empty() {
        into.extend_from_slice(lines.remainder());
        into.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_cut_into_lines() {
        let base64 = "A".repeat(76) + &"B".repeat(76) + "CC==";
        let mut message = Message::default();
        message.text().extend_from_slice(b"x: y\r\n\r\n");
        message.base64(&base64);
        let expected = format!("x: y\r\n\r\n{}\r\n{}\r\nCC==\r\n", "A".repeat(76), "B".repeat(76));
        assert_eq!(message.to_bytes(), expected.as_bytes());
        assert_eq!(message.len(), expected.len());
    }
}
