//! JSON, which may be printed on a terminal too.

use std::io::{self, Write};

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter, Serializer};

use super::text::is_harmless;

/// One line.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    value.serialize(&mut Serializer::with_formatter(&mut *out, Escaped(CompactFormatter))).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Indented, for people.
///
/// # Errors
/// It cannot be written.
pub(crate) fn write_indented(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let formatter = Escaped(PrettyFormatter::new());
    value.serialize(&mut Serializer::with_formatter(&mut *out, formatter)).map_err(io::Error::from)?;
    out.write_all(b"\n")
}

/// Escapes whatever a terminal would obey, which JSON itself does only for the first 32 control characters.
struct Escaped<F>(F);

impl<F: Formatter> Formatter for Escaped<F> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((place, c)) = rest.char_indices().find(|(_, c)| !is_harmless(*c)) {
            writer.write_all(&rest.as_bytes()[..place])?;
            // Beyond the first 65,536 it takes two.
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = &rest[place + c.len_utf8()..];
        }
        writer.write_all(rest.as_bytes())
    }

    /// JSON of others stays as it is, but on one line. What a terminal would obey is in its strings, or is white space.
    fn write_raw_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some((place, c)) = rest.char_indices().find(|(_, c)| matches!(c, '\t' | '\n' | '\r')) {
            self.write_string_fragment(writer, &rest[..place])?;
            writer.write_all(b" ")?;
            rest = &rest[place + c.len_utf8()..];
        }
        self.write_string_fragment(writer, rest)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.0.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.0.end_object_value(writer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_escaped_and_read_back_the_same() {
        let value =
            json!({"\u{9b}key": ["\u{1b}[2J \u{9b}2J \u{7f} \u{202e} \u{200b}\u{e0041} ü 🎉 \" \\", 7, {}, []]});
        let mut line = Vec::new();
        write_line(&mut line, &value).unwrap();
        write_indented(&mut line, &value).unwrap();
        let text = String::from_utf8(line).unwrap();
        assert!(text.chars().all(|c| c == '\n' || is_harmless(c)), "{text:?}");
        let read: Vec<Value> = serde_json::Deserializer::from_str(&text).into_iter().map(Result::unwrap).collect();
        assert_eq!(read, [value.clone(), value]);
    }

    #[test]
    fn json_of_others_stays_on_its_line() {
        let others = "{\n\t\"a\":\r\n \"\u{9b}2J\u{202e} ü\"}";
        let raw: &serde_json::value::RawValue = serde_json::from_str(others).unwrap();
        let mut line = Vec::new();
        write_line(&mut line, &[raw]).unwrap();
        assert_eq!(String::from_utf8(line).unwrap(), "[{  \"a\":   \"\\u009b2J\\u202e ü\"}]\n");
    }
}
