use std::fmt;

/// How much is shown of a field, in characters.
const MAX_FIELD: usize = 100;

/// Why a submission is refused. It contains only the position, and nothing that was submitted, so it can be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What sort of mistake it is.
    pub kind: InvalidKind,
    /// Which field, such as `to[1]` or `attachments[0].content`; empty when it is the whole.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The kinds of errors that a client may distinguish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InvalidKind {
    /// The text is not JSON at all.
    NotJson,
    /// A field that must be there is not.
    Missing,
    /// A field has a value that it cannot have.
    Value,
    /// An attachment cannot be used.
    Attachment,
    /// A field asks for something that is not served.
    NotServed,
}

impl Invalid {
    pub(super) fn value(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind: InvalidKind::Value, field: printable(&field.into()), reason: reason.into() }
    }

    pub(super) fn missing(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind: InvalidKind::Missing, field: printable(&field.into()), reason: reason.into() }
    }
}

/// A field name, possibly made up by a client, escaped for an error message.
fn printable(field: &str) -> String {
    field.chars().take(MAX_FIELD).map(|c| if c.is_control() { '?' } else { c }).collect()
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, field, reason } = self;
        match kind {
            InvalidKind::NotJson => write!(f, "The body is not valid JSON: {reason}."),
            InvalidKind::Missing => write!(f, "Missing `{field}` field: {reason}."),
            _ if field.is_empty() => write!(f, "Invalid body: {reason}."),
            _ => write!(f, "Invalid `{field}` field: {reason}."),
        }
    }
}

impl std::error::Error for Invalid {}
