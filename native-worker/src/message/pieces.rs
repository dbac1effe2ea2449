use std::borrow::Cow;

use memchr::memmem;

/// How long a line of base64 is (RFC 2045 6.8).
const BASE64_LINE: usize = 76;

/// How much is handed to the connection at once.
const CHUNK: usize = 64 * 1024;

/// A message, in pieces: what was written for it, and files as they are in the email. It is put together only where it
/// leaves, chunk by chunk, so that a large file is not copied before.
#[derive(Clone, Default)]
pub(crate) struct Message<'a> {
    /// Texts, each with the base64 that follows it.
    beginning: Vec<(Vec<u8>, &'a str)>,
    end: Vec<u8>,
}

#[derive(Clone, Copy)]
enum Piece<'m> {
    /// Lines of CRLF. Each text ends with one, but perhaps the last.
    Text(&'m [u8]),
    /// Base64 that is to be cut into lines.
    Base64(&'m [u8]),
}

impl<'a> Message<'a> {
    /// The end of the message, where something can be written.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        &mut self.end
    }

    /// Adds base64, in lines. It begins a line.
    pub(super) fn base64(&mut self, base64: &'a str) {
        self.beginning.push((std::mem::take(&mut self.end), base64));
    }

    fn pieces(&self) -> impl Iterator<Item = Piece<'_>> {
        let beginning = self.beginning.iter();
        let beginning = beginning.flat_map(|(text, base64)| [Piece::Text(text), Piece::Base64(base64.as_bytes())]);
        beginning.chain([Piece::Text(&self.end)])
    }

    /// How many bytes it has, lines of CRLF, without what SMTP adds.
    pub(crate) fn len(&self) -> usize {
        let length = |piece| match piece {
            Piece::Text(text) => text.len(),
            Piece::Base64(base64) => base64.len() + base64.len().div_ceil(BASE64_LINE) * "\r\n".len(),
        };
        self.pieces().map(length).sum()
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
                Piece::Base64(base64) => lines(base64, &mut bytes),
            }
        }
        bytes
    }

    /// The message as what follows the command `DATA`.
    pub(crate) fn data(&self) -> Data<'_> {
        let pieces: Vec<_> = self.pieces().collect();
        // A line of base64 may be over the size of a chunk, and a few dots.
        let chunk = Vec::with_capacity((self.len() + 64).min(CHUNK + 1024));
        Data { pieces: pieces.into_iter(), rest: None, chunk, line_begins: true, ended: false }
    }
}

fn lines(base64: &[u8], into: &mut Vec<u8>) {
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

/// A message as it goes over the wire, with the dots of RFC 5321 4.5.2 doubled and the one that ends it. The message
/// holds no CR or LF but in CRLF.
pub(crate) struct Data<'m> {
    pieces: std::vec::IntoIter<Piece<'m>>,
    /// What is left of the present piece.
    rest: Option<Piece<'m>>,
    chunk: Vec<u8>,
    line_begins: bool,
    ended: bool,
}

/// A part of the data, to be sent at once.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Chunk<'c> {
    pub(crate) bytes: &'c [u8],
    /// Whether the end of the message is in it, without which the server cannot take it.
    pub(crate) is_last: bool,
}

impl Data<'_> {
    /// What is to be sent next; `None` after the last.
    pub(crate) fn next(&mut self) -> Option<Chunk<'_>> {
        if self.ended {
            return None;
        }
        self.chunk.clear();
        while self.chunk.len() < CHUNK && !self.ended {
            let room = CHUNK - self.chunk.len();
            self.rest = match self.rest.take().or_else(|| self.pieces.next()) {
                Some(Piece::Text([]) | Piece::Base64([])) => None,
                Some(Piece::Text(text)) => {
                    let (now, later) = text.split_at(text.len().min(room));
                    self.double_dots(now);
                    Some(Piece::Text(later))
                }
                Some(Piece::Base64(base64)) => {
                    let (now, later) = base64.split_at(base64.len().min(room.div_ceil(BASE64_LINE) * BASE64_LINE));
                    lines(now, &mut self.chunk);
                    // None of these lines begins with a dot.
                    self.line_begins = true;
                    Some(Piece::Base64(later))
                }
                None => {
                    self.end();
                    None
                }
            };
        }
        Some(Chunk { bytes: &self.chunk, is_last: self.ended })
    }

    fn double_dots(&mut self, text: &[u8]) {
        if self.line_begins && text.starts_with(b".") {
            self.chunk.push(b'.');
        }
        let mut done = 0;
        for end in memmem::find_iter(text, b"\n.") {
            self.chunk.extend_from_slice(&text[done..=end]);
            self.chunk.push(b'.');
            done = end + 1;
        }
        self.chunk.extend_from_slice(&text[done..]);
        self.line_begins = text.ends_with(b"\n");
    }

    fn end(&mut self) {
        if !self.line_begins {
            self.chunk.extend_from_slice(b"\r\n");
        }
        self.chunk.extend_from_slice(b".\r\n");
        self.ended = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message<'a>(texts: &[&str], base64: &'a str) -> Message<'a> {
        let mut message = Message::default();
        for text in texts {
            message.text().extend_from_slice(text.as_bytes());
        }
        message.base64(base64);
        message
    }

    fn data(message: &Message<'_>) -> Vec<u8> {
        let (mut data, mut all, mut is_last) = (message.data(), Vec::new(), false);
        while let Some(chunk) = data.next() {
            assert!(!is_last);
            all.extend_from_slice(chunk.bytes);
            is_last = chunk.is_last;
        }
        assert!(is_last);
        all
    }

    #[test]
    fn a_line_that_is_a_dot_does_not_end_the_message() {
        let check = |text: &str, expected: &str| {
            let mut message = Message::default();
            message.text().extend_from_slice(text.as_bytes());
            assert_eq!(data(&message), expected.as_bytes());
        };
        check(".\r\n", "..\r\n.\r\n");
        check("a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n");
        check("a.\r\n", "a.\r\n.\r\n");
        check("a", "a\r\n.\r\n");
    }

    #[test]
    fn base64_is_cut_into_lines() {
        let base64 = "A".repeat(76) + &"B".repeat(76) + "CC==";
        let message = message(&["x: y\r\n", "\r\n"], &base64);
        let expected = format!("x: y\r\n\r\n{}\r\n{}\r\nCC==\r\n", "A".repeat(76), "B".repeat(76));
        assert_eq!(message.to_bytes(), expected.as_bytes());
        assert_eq!(message.len(), expected.len());
        assert_eq!(data(&message), (expected + ".\r\n").as_bytes());
    }

    #[test]
    fn wherever_a_chunk_ends_all_of_a_long_message_is_sent_once() {
        let base64 = "AbCd".repeat(100_000);
        for length in (CHUNK - 5..CHUNK + 5).chain([0, 3 * CHUNK]) {
            let text = "x".repeat(length) + "\r\n..\r\n.\r\n";
            let message = message(&[&text], &base64);
            let expected = String::from_utf8(message.to_bytes()).unwrap();
            let expected = expected.replace("\n.", "\n..") + ".\r\n";
            assert!(data(&message) == expected.as_bytes(), "{length}");
        }
    }
}
