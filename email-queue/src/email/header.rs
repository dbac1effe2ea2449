use serde::{Serializer, ser::SerializeMap};

use super::{Invalid, header_rules::Rule, origin::Origin};
use crate::field;

/// A value may be longer than a line, because it is folded. Postfix keeps no more than 102,400 bytes of a field.
const MAX_VALUE: usize = 16 * 1024;
/// For the names and values of all fields together, so that no server finds them too long.
const MAX_BYTES: usize = 128 * 1024;
const MAX_NAME: usize = 76;

/// A header field of the client's own, such as `List-Unsubscribe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// A field name of RFC 5322: printable ASCII without a colon.
    pub name: String,
    /// One line of text, in any language.
    pub value: String,
}

impl Header {
    /// Writes the field as it stands in a message.
    pub fn write(&self, message: &mut Vec<u8>) {
        // What is not text has been checked by writing it once.
        if Rule::of(&self.name) == Rule::Text || field::structured(message, &self.name, &self.value).is_err() {
            field::text(message, &self.name, &self.value);
        }
    }

    pub(super) fn check(self, others: &[Header], origin: Origin) -> Result<Self, Invalid> {
        let invalid = |reason: &str| Err(Invalid::value(format!("headers.{}", self.name), reason));
        let Header { name, value } = &self;
        if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
            return invalid("a header's name is 1 to 76 printable ASCII characters other than a colon");
        }
        let rule = Rule::of(name);
        match (rule, origin) {
            (Rule::Written(why), _) | (Rule::Foreign(why), Origin::Request) => return invalid(why),
            // Earlier versions have accepted them, and what was accepted is sent.
            (Rule::Foreign(_), Origin::List) => {}
            (Rule::Structured | Rule::MessageId | Rule::Date | Rule::Text, _) => {}
        }
        if others.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
            return invalid("it is given twice");
        }
        if value.chars().any(|c| c.is_control() && c != '\t') {
            return invalid("line breaks and other control characters are not allowed");
        }
        if value.len() > MAX_VALUE {
            return invalid("a header's value is 16,384 bytes at the most");
        }
        if others.iter().chain([&self]).map(|header| header.name.len() + header.value.len()).sum::<usize>() > MAX_BYTES
        {
            return invalid("all headers together have 131,072 bytes at the most");
        }
        if rule != Rule::Text
            && let Err(unbreakable) = field::structured(&mut Vec::new(), name, value)
        {
            return invalid(&unbreakable.to_string());
        }
        if let Some(why) = rule.refuses(value) {
            return invalid(why);
        }
        Ok(self)
    }
}

pub(super) fn as_map<S: Serializer>(headers: &[Header], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(headers.len()))?;
    for header in headers {
        map.serialize_entry(&header.name, &header.value)?;
    }
    map.end()
}
