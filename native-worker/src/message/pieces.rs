//! A message in pieces.

use std::borrow::Cow;

use memchr::memmem;
use smtp_client::{Message as _, Piece};

use super::{
    downgrade,
    lines::{Lines, MAX_LINE},
};

/// A message in pieces: text that was written for it, and files and texts as they are in the email. They are joined only when
/// they are sent, chunk by chunk, so that large ones are not copied.
#[derive(Clone, Default)]
pub(crate) struct Message<'a> {
    /// Each text that was written, and the body that follows it.
    beginning: Vec<(Vec<u8>, Body<'a>)>,
    end: Vec<u8>,
}

/// A part of the email, which is not copied.
#[derive(Clone)]
enum Body<'a> {
    Base64(&'a [u8]),
    Lines(Lines<'a>),
}

impl<'a> Message<'a> {
    /// The end of the message, to write to.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.end
    }

    /// Adds base64, which is sent in lines. The text before it must end a line.
    pub(super) fn base64(&mut self, base64: &'a [u8]) {
        self.add(Body::Base64(base64));
    }

    /// Adds a text that needs no encoding. The text before it must end a line.
    pub(super) fn lines(&mut self, lines: Lines<'a>) {
        self.add(Body::Lines(lines));
    }

    fn add(&mut self, body: Body<'a>) {
        self.beginning.push((std::mem::take(&mut self.end), body));
    }

    /// The first text, which has the whole header.
    fn first(&self) -> &[u8] {
        self.beginning.first().map_or(&self.end, |(text, _)| text)
    }

    /// The message for a server without SMTPUTF8: its header is encoded as ASCII.
    pub(crate) fn downgraded(&self) -> Cow<'_, Self> {
        let Cow::Owned(header) = downgrade::to_ascii(self.first()) else { return Cow::Borrowed(self) };
        let mut message = self.clone();
        *message.beginning.first_mut().map_or(&mut message.end, |(text, _)| text) = header;
        Cow::Owned(message)
    }

    /// The whole message.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size());
        self.pieces().for_each(|piece| piece.write(&mut bytes));
        bytes
    }
}

impl smtp_client::Message for Message<'_> {
    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> + Send {
        let beginning = self.beginning.iter().flat_map(|(text, body)| {
            let body = match body {
                Body::Base64(base64) => Piece::Base64(base64),
                Body::Lines(lines) => lines.piece(),
            };
            [Piece::Text(text), body]
        });
        beginning.chain([Piece::Text(&self.end)])
    }

    fn size(&self) -> usize {
        let beginning = self.beginning.iter().map(|(text, body)| {
            let body = match body {
                Body::Base64(base64) => base64.len() + base64.len().div_ceil(MAX_LINE) * "\r\n".len(),
                Body::Lines(lines) => lines.len(),
            };
            text.len() + body
        });
        beginning.sum::<usize>() + self.end.len()
    }

    fn has_ascii_header(&self) -> bool {
        let first = self.first();
        memmem::find(first, b"\r\n\r\n").map_or(first, |end| &first[..end]).is_ascii()
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
        message.base64(base64.as_bytes());
        let expected = format!("x: y\r\n\r\n{}\r\n{}\r\nCC==\r\n", "A".repeat(76), "B".repeat(76));
        assert_eq!(message.to_bytes(), expected.as_bytes());
        assert_eq!(message.size(), expected.len());
    }
}
