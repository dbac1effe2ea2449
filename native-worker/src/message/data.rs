//! A message as the data of SMTP.

use memchr::memmem;

use super::{
    lines::{split_after_line, write_lines},
    pieces::{BASE64_LINE, Message, Piece, cut_into_lines},
};

/// How much is handed to the connection at once.
const CHUNK: usize = 64 * 1024;

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
                Some(Piece::Text([]) | Piece::Base64([]) | Piece::Lines([])) => None,
                Some(Piece::Text(text)) => {
                    let (now, later) = text.split_at(text.len().min(room));
                    self.double_dots(now);
                    Some(Piece::Text(later))
                }
                Some(Piece::Base64(base64)) => {
                    let (now, later) = base64.split_at(base64.len().min(room.div_ceil(BASE64_LINE) * BASE64_LINE));
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

impl Message<'_> {
    /// The message as what follows the command `DATA`.
    pub(crate) fn data(&self) -> Data<'_> {
        let pieces: Vec<_> = self.pieces().collect();
        // A line may be over the size of a chunk, and a few dots.
        let chunk = Vec::with_capacity((self.len() + 64).min(CHUNK + 1024));
        Data { pieces: pieces.into_iter(), rest: None, chunk, line_begins: true, ended: false }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::{super::lines::Lines, *};

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

    fn lines(text: &str) -> Lines<'_> {
        Lines::of(Cow::Borrowed(text)).ok().unwrap()
    }

    /// What the data of a message must be, by the rules of RFC 5321 4.5.2 and nothing else.
    fn expected(message: &Message<'_>) -> Vec<u8> {
        let mut text = String::from_utf8(message.to_bytes()).unwrap();
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
            let mut written = Message::default();
            written.text().extend_from_slice(text.as_bytes());
            assert_eq!(data(&written), expected.as_bytes());
            let mut borrowed = Message::default();
            borrowed.lines(lines(text));
            assert_eq!(data(&borrowed), expected.as_bytes());
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
            let mut message = Message::default();
            message.text().extend_from_slice(("x".repeat(length) + "\r\n..\r\n.\r\n").as_bytes());
            message.lines(lines(&long));
            message.text().extend_from_slice(b".\r\n");
            message.base64(&base64);
            assert_eq!(message.len(), message.to_bytes().len());
            assert!(data(&message) == expected(&message), "{length}");
        }
    }

    proptest! {
        #[test]
        fn a_text_is_sent_the_same_whether_it_was_copied_or_not(text in "([.]{0,2}[a-z .]{0,3}[.a]\r?\n|\r?\n){0,20}[.a]{0,3}") {
            let crlf = text.replace("\r\n", "\n").replace('\n', "\r\n");
            let (mut copied, mut borrowed) = (Message::default(), Message::default());
            copied.text().extend_from_slice(crlf.as_bytes());
            borrowed.lines(lines(&text));
            for message in [&mut copied, &mut borrowed] {
                message.text().extend_from_slice(b"\r\n.-\r\n");
            }
            prop_assert_eq!(borrowed.to_bytes(), copied.to_bytes());
            prop_assert_eq!(borrowed.len(), copied.len());
            prop_assert_eq!(data(&borrowed), data(&copied));
            prop_assert_eq!(data(&borrowed), expected(&borrowed));
        }
    }
}
