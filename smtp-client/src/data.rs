//! A message as the data of SMTP ([RFC 5321 section 4.5.2](https://www.rfc-editor.org/rfc/rfc5321#section-4.5.2)).

use memchr::memmem;

use crate::message::{BASE64_LINE, Piece, cut_into_lines, split_after_line, write_lines};

/// The size of one write to the connection.
const CHUNK: usize = 64 * 1024;

/// A message as it goes over the wire: with the dots doubled that begin a line, and the one that ends the message.
pub(crate) struct Data<'m, I> {
    pieces: I,
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
    /// Whether it contains the end of the message, without which the server cannot accept it.
    pub(crate) is_last: bool,
}

impl<'m, I: Iterator<Item = Piece<'m>>> Data<'m, I> {
    /// `size` is that of all pieces together.
    pub(crate) fn new(pieces: I, size: usize) -> Self {
        // A line may be over the size of a chunk, and a few dots.
        let chunk = Vec::with_capacity(size.saturating_add(64).min(CHUNK + 1024));
        Self { pieces, rest: None, chunk, line_begins: true, ended: false }
    }

    /// What is to be sent next; `None` after the last.
    pub(crate) fn next(&mut self) -> Option<Chunk<'_>> {
        if self.ended {
            return None;
        }
        self.chunk.clear();
        while self.chunk.len() < CHUNK && !self.ended {
            let room = CHUNK - self.chunk.len();
            self.rest = match self.rest.take().or_else(|| self.pieces.next()) {
                Some(Piece::Text([]) | Piece::Base64([]) | Piece::Lines([])) => None,
                Some(Piece::Text(text)) if self.chunk.is_empty() && self.can_be_sent_as_it_is(text) => {
                    let (now, later) = text.split_at(CHUNK);
                    self.line_begins = now.ends_with(b"\n");
                    self.rest = Some(Piece::Text(later));
                    return Some(Chunk { bytes: now, is_last: false });
                }
                Some(Piece::Text(text)) => {
                    let (now, later) = text.split_at(text.len().min(room));
                    self.double_dots(now);
                    Some(Piece::Text(later))
                }
                Some(Piece::Base64(base64)) => {
                    // No more than fits, because growing would copy the chunk.
                    let lines = room.div_ceil(BASE64_LINE + "\r\n".len());
                    let (now, later) = base64.split_at(base64.len().min(lines * BASE64_LINE));
                    cut_into_lines(now, &mut self.chunk);
                    // None of these lines begins with a dot.
                    self.line_begins = true;
                    Some(Piece::Base64(later))
                }
                Some(Piece::Lines(text)) => {
                    let (now, later) = split_after_line(text, room);
                    write_lines(now, true, &mut self.chunk);
                    self.line_begins = now.ends_with(b"\n");
                    Some(Piece::Lines(later))
                }
                None => {
                    self.end();
                    None
                }
            };
        }
        Some(Chunk { bytes: &self.chunk, is_last: self.ended })
    }

    /// Whether the next chunk is the beginning of this text, without a dot to be doubled.
    fn can_be_sent_as_it_is(&self, text: &[u8]) -> bool {
        text.len() > CHUNK
            && !(self.line_begins && text.starts_with(b"."))
            && memmem::find(&text[..CHUNK], b"\n.").is_none()
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
    use proptest::prelude::*;

    use super::*;

    fn data(pieces: &[Piece<'_>]) -> Vec<u8> {
        let size = bytes(pieces).len();
        let (mut data, mut all, mut is_last) = (Data::new(pieces.iter().copied(), size), Vec::new(), false);
        while let Some(chunk) = data.next() {
            assert!(!is_last);
            all.extend_from_slice(chunk.bytes);
            is_last = chunk.is_last;
        }
        assert!(is_last);
        all
    }

    fn bytes(pieces: &[Piece<'_>]) -> Vec<u8> {
        let mut bytes = Vec::new();
        pieces.iter().for_each(|piece| piece.write(&mut bytes));
        bytes
    }

    /// What the data of a message must be, by the rules of RFC 5321 4.5.2 and nothing else.
    fn expected(pieces: &[Piece<'_>]) -> Vec<u8> {
        let mut text = String::from_utf8(bytes(pieces)).unwrap();
        if !text.is_empty() && !text.ends_with("\r\n") {
            text.push_str("\r\n");
        }
        let lines = text
            .split_inclusive("\r\n")
            .map(|line| if line.starts_with('.') { ".".to_owned() + line } else { line.to_owned() });
        (lines.collect::<String>() + ".\r\n").into_bytes()
    }

    #[test]
    fn a_line_that_is_a_dot_does_not_end_the_message() {
        let check = |text: &str, expected: &str| {
            assert_eq!(data(&[Piece::Text(text.as_bytes())]), expected.as_bytes());
            assert_eq!(data(&[Piece::Lines(text.as_bytes())]), expected.as_bytes());
        };
        check(".\r\n", "..\r\n.\r\n");
        check("a\r\n.b\r\n..\r\n", "a\r\n..b\r\n...\r\n.\r\n");
        check("a.\r\n", "a.\r\n.\r\n");
        check("a", "a\r\n.\r\n");
    }

    #[test]
    fn wherever_a_chunk_ends_all_of_a_long_message_is_sent_once() {
        let base64 = "AbCd".repeat(100_000);
        let long = ".2345678\n".repeat(40_000);
        for length in (CHUNK - 90..CHUNK + 5).chain([0, 3 * CHUNK]) {
            let text = "x".repeat(length) + "\r\n..\r\n.\r\n";
            let after_dots = "x\r\n".repeat(length / 3) + ".\r\n" + &text;
            let pieces = [
                Piece::Text(text.as_bytes()),
                Piece::Text(after_dots.as_bytes()),
                Piece::Lines(long.as_bytes()),
                Piece::Text(b".\r\n"),
                Piece::Base64(base64.as_bytes()),
            ];
            assert!(data(&pieces) == expected(&pieces), "{length}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_sent_the_same_whatever_its_line_ends(text in "([.]{0,2}[a-z .]{0,3}[.a]\r?\n|\r?\n){0,20}[.a]{0,3}") {
            let crlf = text.replace("\r\n", "\n").replace('\n', "\r\n");
            let end = Piece::Text(b"\r\n.-\r\n");
            let (text, lines) = ([Piece::Text(crlf.as_bytes()), end], [Piece::Lines(text.as_bytes()), end]);
            prop_assert_eq!(bytes(&lines), bytes(&text));
            prop_assert_eq!(data(&lines), data(&text));
            prop_assert_eq!(data(&lines), expected(&lines));
        }
    }
}
