use std::fmt;

/// Why a submission is refused. Holds nothing of what was submitted but the place, so that it can be logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// What sort of mistake it is.
    pub kind: InvalidKind,
    /// Which field, such as `to[1]` or `attachments[0].content`; empty when it is the whole.
    pub field: String,
    /// What is wrong with it.
    pub reason: String,
}

/// The sorts of mistakes that a client may want to tell apart.
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
        Self { kind: InvalidKind::Value, field: field.into(), reason: reason.into() }
    }

    pub(super) fn missing(field: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { kind: InvalidKind::Missing, field: field.into(), reason: reason.into() }
    }
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
