//! How a header field stands in a message ([RFC 5322 section 2.2](https://www.rfc-editor.org/rfc/rfc5322#section-2.2)).
//!
//! - [`text`]: human-readable text, such as `Subject`;
//! - [`structured`]: machine-readable values, such as `References` or `List-Unsubscribe`;
//! - [`with_parameters`]: `Content-Type` and `Content-Disposition`;
//! - [`Folded`]: the writer that all of them use, and the worker for addresses.
//!
//! The API calls [`structured`] before it accepts an email, and the worker writes the field with the same function: so
//! what was accepted can be sent.
//!
//! Whatever the value, a field is ASCII, no line of it is over [`MAX_LINE`] bytes, and none is blank.

mod encoded_words;
mod parameters;

use std::{borrow::Cow, fmt::Write};

pub use encoded_words::encoded_words;
pub use parameters::with_parameters;

/// RFC 5322 2.1.1: no line may be longer, without its CRLF.
pub const MAX_LINE: usize = 998;

/// RFC 5322 2.1.1: no line should be longer, if it can be helped.
pub const LINE: usize = 78;

/// A field that is being written, line by line.
#[derive(Debug)]
pub struct Folded<'a> {
    message: &'a mut Vec<u8>,
    /// How many bytes the present line has.
    column: usize,
    /// Whether the name stands alone yet.
    empty: bool,
}

impl<'a> Folded<'a> {
    /// Begins a field.
    #[must_use]
    pub fn new(message: &'a mut Vec<u8>, name: &str) -> Self {
        message.extend_from_slice(name.as_bytes());
        message.push(b':');
        Self { message, column: name.len() + 1, empty: true }
    }

    /// Appends blanks and a word, on the next line if this one would get too long. Both are ASCII, and neither is
    /// empty, so no line is blank.
    pub fn word(&mut self, blanks: &str, word: &str) {
        // The first word stays on the line of the name if it fits: some programs misread a name alone on its line.
        let limit = if self.empty { MAX_LINE } else { LINE };
        if self.column + blanks.len() + word.len() > limit {
            self.message.extend_from_slice(b"\r\n");
            self.column = 0;
        }
        self.message.extend_from_slice(blanks.as_bytes());
        self.message.extend_from_slice(word.as_bytes());
        self.column += blanks.len() + word.len();
        self.empty = false;
    }

    /// Adds text as encoded words ([RFC 2047](https://www.rfc-editor.org/rfc/rfc2047)).
    pub fn encoded(&mut self, text: &str) {
        encoded_words(text, LINE.saturating_sub(self.column + 1), |word| self.word(" ", word));
    }

    /// Ends the field.
    pub fn end(self) {
        self.message.extend_from_slice(b"\r\n");
    }
}

/// Writes a field of one word, in ASCII and shorter than a line.
pub fn word(message: &mut Vec<u8>, name: &str, word: &str) {
    let mut field = Folded::new(message, name);
    field.word(" ", word);
    field.end();
}

/// Writes a field with a text value: unencoded if every program reads it as the same text, otherwise as encoded words.
pub fn text(message: &mut Vec<u8>, name: &str, value: &str) {
    let mut field = Folded::new(message, name);
    if reads_the_same(value, LINE.saturating_sub(name.len() + ": ".len())) {
        words(value).for_each(|(blanks, word)| field.word(if blanks.is_empty() { " " } else { blanks }, word));
    } else {
        field.encoded(value);
    }
    field.end();
}

/// Writes a machine-readable field. ASCII words are never encoded (RFC 2047 5). Other words become encoded words
/// outside of `<` and `>`, such as the name of a list in `List-Id`, and are percent-encoded inside, as [RFC 3987
/// section 3.1](https://www.rfc-editor.org/rfc/rfc3987#section-3.1) converts an IRI to a URI. Blanks around the value
/// are dropped.
///
/// # Errors
/// [`Unbreakable`]; then nothing was written.
pub fn structured(message: &mut Vec<u8>, name: &str, value: &str) -> Result<(), Unbreakable> {
    let start = message.len();
    let mut field = Folded::new(message, name);
    let mut in_brackets = false;
    for (blanks, word) in words(value.trim_matches(BLANK)) {
        let blanks = if blanks.is_empty() { " " } else { blanks };
        let outside_is_ascii = is_ascii_outside(word, &mut in_brackets);
        if outside_is_ascii {
            let word = percent_encoded(word);
            if blanks.len() + word.len() > MAX_LINE {
                message.truncate(start);
                return Err(Unbreakable);
            }
            field.word(blanks, &word);
        } else {
            field.encoded(word);
        }
    }
    field.end();
    Ok(())
}

/// A value that would need a line of more than [`MAX_LINE`] bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of it without blanks is longer than the 997 bytes that fit into a line")]
pub struct Unbreakable;

const BLANK: [char; 2] = [' ', '\t'];

/// The words of a value, each with the blanks before it; blanks at the end are left out.
fn words(value: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let word = rest.find(|c| !BLANK.contains(&c))?;
        let end = rest[word..].find(BLANK).map_or(rest.len(), |length| word + length);
        let (found, after) = rest.split_at(end);
        rest = after;
        Some(found.split_at(word))
    })
}

/// Whether a text can be written unencoded. Programs treat blanks at its ends and at line ends differently; all keep a
/// single blank.
fn reads_the_same(value: &str, room: usize) -> bool {
    let printable = value.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let single_blanks = value.split(' ').all(|word| !word.is_empty() && word.len() < MAX_LINE);
    let in_one_line = value.len() <= room && !value.starts_with(' ') && !value.ends_with(' ');
    printable && (value.is_empty() || single_blanks || in_one_line) && !looks_encoded(value)
}

/// Whether a reader would take a part of this text for an encoded word (RFC 2047 2), and show something else instead.
#[must_use]
pub fn looks_encoded(value: &str) -> bool {
    value.match_indices("=?").any(|(start, mark)| {
        let mut parts = value[start + mark.len()..].split('?');
        let (charset, encoding, text, end) = (parts.next(), parts.next(), parts.next(), parts.next());
        charset.is_some_and(|charset| !charset.is_empty())
            && encoding.is_some_and(|encoding| matches!(encoding, "Q" | "q" | "B" | "b"))
            && text.is_some()
            && end.is_some_and(|end| end.starts_with('='))
    })
}

/// Whether all of a word that is outside of `<` and `>` is ASCII. Notes whether the next word begins inside.
fn is_ascii_outside(word: &str, in_brackets: &mut bool) -> bool {
    let mut ascii = true;
    for c in word.chars() {
        match c {
            '<' => *in_brackets = true,
            '>' => *in_brackets = false,
            c => ascii &= *in_brackets || c.is_ascii(),
        }
    }
    ascii
}

fn percent_encoded(word: &str) -> Cow<'_, str> {
    if word.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Cow::Borrowed(word);
    }
    let mut encoded = String::with_capacity(word.len() * 3);
    for byte in word.bytes() {
        if byte.is_ascii_graphic() {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    Cow::Owned(encoded)
}

#[cfg(test)]
#[path = "field_tests.rs"]
mod tests;
