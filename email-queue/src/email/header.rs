use serde::{Serializer, ser::SerializeMap};

use super::Invalid;

/// RFC 5322 2.1.1: no line may be longer; a value that is not is sure to fit.
const MAX_VALUE: usize = 998;
const MAX_NAME: usize = 76;

/// Fields that the email's own fields or the worker write. Twice, they would contradict each other.
const OWN: &[(&str, &str)] = &[
    ("from", "use the `from` field"),
    ("to", "use the `to` field"),
    ("cc", "use the `cc` field"),
    ("bcc", "use the `bcc` field"),
    ("reply-to", "use the `reply_to` field"),
    ("subject", "use the `subject` field"),
    ("date", "it is set when the email is sent"),
    ("message-id", "it is made from the email's id"),
    ("mime-version", "it follows from the content"),
    ("content-type", "it follows from the content"),
    ("content-transfer-encoding", "it follows from the content"),
    ("return-path", "it is set by the receiving server"),
];

/// A header field of the client's own, such as `List-Unsubscribe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// A field name of RFC 5322: printable ASCII without a colon.
    pub name: String,
    /// One line of text, in any language.
    pub value: String,
}

impl Header {
    pub(super) fn check(self, others: &[Header]) -> Result<Self, Invalid> {
        let invalid = |reason: &str| Err(Invalid::value(format!("headers.{}", printable(&self.name)), reason));
        let Header { name, value } = &self;
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return invalid("a header's name is 1 to 76 printable ASCII characters other than a colon");
        }
        if let Some((_, why)) = OWN.iter().find(|(own, _)| name.eq_ignore_ascii_case(own)) {
            return invalid(why);
        }
        if others.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return invalid("it is given twice");
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return invalid("line breaks and other control characters are not allowed");
        }
        if value.len() > MAX_VALUE {
            return invalid("a header's value is 998 bytes at the most");
        }
        Ok(self)
    }
}

/// A name that may be anything, made fit for an error message.
fn printable(name: &str) -> String {
    name.chars().take(MAX_NAME).map(|c| if c.is_control() { '?' } else { c }).collect()
}

pub(super) fn as_map<S: Serializer>(headers: &[Header], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(headers.len()))?;
    for header in headers {
        map.serialize_entry(&header.name, &header.value)?;
    }
    map.end()
}
