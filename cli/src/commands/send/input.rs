//! Files of emails, one email at a time.

use std::{
    io::{self, BufRead, Read},
    thread,
};

use serde_json::value::RawValue;
use tokio::sync::mpsc;

use super::eml;

/// The longest line, or file that is read as a whole. The API takes no larger request.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// What a file contains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// An email, or a list of emails.
    Json,
    /// An email a line.
    Jsonl,
    /// A message as mail programs store it (RFC 5322).
    Eml,
}

/// One email of a file.
pub(super) struct Item {
    /// Where it stands, such as `file.jsonl:7`.
    pub(super) place: String,
    /// The email as JSON, or why it cannot be read.
    pub(super) json: Result<Vec<u8>, String>,
}

/// Reads the emails of a file in a thread, which is no more than an email ahead: a read of standard input ends with its next line only,
/// and Ctrl-C must not wait for that.
///
/// # Errors
/// No thread can be started. What cannot be read is told in the place of an email.
pub(super) fn read(
    reader: impl BufRead + Send + 'static,
    name: String,
    format: Option<Format>,
) -> io::Result<mpsc::Receiver<io::Result<Item>>> {
    let (to, items_read) = mpsc::channel(1);
    // Not one of the runtime's, which waits for its threads at the end.
    thread::Builder::new().spawn(move || match items(reader, &name, format) {
        // It is over when nobody waits for more.
        Ok(mut items) => {
            let _ = items.try_for_each(|item| to.blocking_send(Ok(item)));
        }
        Err(error) => {
            let _ = to.blocking_send(Err(error));
        }
    })?;
    Ok(items_read)
}

/// The emails of a file. Of JSON lines it holds one at a time; other files are read as a whole.
///
/// # Errors
/// The beginning cannot be read.
fn items<'a>(
    mut reader: impl BufRead + 'a,
    name: &str,
    format: Option<Format>,
) -> io::Result<Box<dyn Iterator<Item = Item> + 'a>> {
    let name = name.to_owned();
    let format = match format {
        Some(format) => format,
        None => guess(&name, reader.fill_buf()?),
    };
    if format == Format::Jsonl {
        return Ok(Box::new(Lines { reader, name, line: 0, is_over: false }));
    }
    let mut whole = Vec::new();
    reader.take(MAX_BYTES + 1).read_to_end(&mut whole)?;
    if whole.len() as u64 > MAX_BYTES {
        return Ok(one(name, Err(format!("it has more than {MAX_BYTES} bytes; JSON lines may have any number"))));
    }
    Ok(match format {
        Format::Eml => one(name, eml::to_json(&whole)),
        _ if first_byte(&whole) == Some(b'[') => list(name, &whole),
        _ => one(name, Ok(whole)),
    })
}

fn one<'a>(place: String, json: Result<Vec<u8>, String>) -> Box<dyn Iterator<Item = Item> + 'a> {
    Box::new(std::iter::once(Item { place, json }))
}

fn list<'a>(name: String, whole: &[u8]) -> Box<dyn Iterator<Item = Item> + 'a> {
    let emails: Vec<Box<RawValue>> = match serde_json::from_slice(whole) {
        Ok(emails) => emails,
        Err(error) => return one(name, Err(format!("it is no list in JSON: {error}"))),
    };
    Box::new(emails.into_iter().enumerate().map(move |(place, email)| Item {
        place: format!("{name}[{place}]"),
        json: Ok(email.get().as_bytes().to_vec()),
    }))
}

/// By the name, or else by how it begins. Lines begin with a whole object.
fn guess(name: &str, beginning: &[u8]) -> Format {
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    match ending.as_deref() {
        Some("eml") => return Format::Eml,
        Some("json") => return Format::Json,
        Some("jsonl" | "ndjson") => return Format::Jsonl,
        _ => {}
    }
    let text = beginning.trim_ascii_start();
    match first_byte(text) {
        Some(b'[') => Format::Json,
        Some(b'{') => {
            let line = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii_end();
            // A first line that is longer than the buffer is no line of an object that is written over several.
            if line.ends_with(b"}") || line.len() == text.len() { Format::Jsonl } else { Format::Json }
        }
        _ => Format::Eml,
    }
}

fn first_byte(text: &[u8]) -> Option<u8> {
    text.trim_ascii_start().first().copied()
}

struct Lines<R> {
    reader: R,
    name: String,
    line: u64,
    is_over: bool,
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        while !self.is_over {
            self.line += 1;
            let place = format!("{}:{}", self.name, self.line);
            let mut line = Vec::new();
            match self.reader.by_ref().take(MAX_BYTES).read_until(b'\n', &mut line) {
                Ok(0) => self.is_over = true,
                Ok(_) if line.len() as u64 == MAX_BYTES && !line.ends_with(b"\n") => {
                    let skipped = self.reader.skip_until(b'\n');
                    self.is_over = skipped.is_err();
                    return Some(Item { place, json: Err(format!("the line has more than {MAX_BYTES} bytes")) });
                }
                Ok(_) if line.trim_ascii().is_empty() => {}
                Ok(_) => return Some(Item { place, json: Ok(line) }),
                Err(error) => {
                    self.is_over = true;
                    return Some(Item { place, json: Err(format!("it cannot be read: {error}")) });
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

    use super::*;

    #[test]
    fn what_a_file_contains_is_seen_by_its_name_or_its_beginning() {
        for (name, beginning, expected) in [
            ("a.eml", "{", Format::Eml),
            ("a.json", "{}\n{}", Format::Json),
            ("a.ndjson", "x", Format::Jsonl),
            ("-", "[\n{}]", Format::Json),
            ("-", "{\n  \"to\": 1\n}\n", Format::Json),
            ("-", "{\"to\": 1}\n{\"to\": 2}\n", Format::Jsonl),
            ("-", "{\"to\": 1}", Format::Jsonl),
            ("-", "From: a@b.example\r\n", Format::Eml),
        ] {
            assert_eq!(guess(name, beginning.as_bytes()), expected, "{name} {beginning:?}");
        }
    }

    #[test]
    fn each_email_has_its_place() {
        let places = |text: &str| items(text.as_bytes(), "f", None).unwrap().map(|item| item.place).collect::<Vec<_>>();
        assert_eq!(places("{\"a\":1}\n\n{\"b\":1}\nx"), ["f:1", "f:3", "f:4"]);
        assert_eq!(places("[{}, {}]"), ["f[0]", "f[1]"]);
        assert_eq!(places("[{}, {"), ["f"]);
    }
}
