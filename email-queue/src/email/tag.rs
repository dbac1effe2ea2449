use serde::Serialize;

use super::Invalid;

const MAX: usize = 256;

/// A label for the sender's own use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tag {
    /// ASCII letters, digits, `_` and `-`; 1 to 256.
    pub name: String,
    /// The same letters; may be empty.
    pub value: String,
}

impl Tag {
    pub(super) fn check(self, place: usize) -> Result<Self, Invalid> {
        let usable =
            |text: &str| text.len() <= MAX && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        let rule = "only ASCII letters, digits, `_` and `-` are allowed, 256 at the most";
        if self.name.is_empty() || !usable(&self.name) {
            return Err(Invalid::value(format!("tags[{place}].name"), rule));
        }
        if !usable(&self.value) {
            return Err(Invalid::value(format!("tags[{place}].value"), rule));
        }
        Ok(self)
    }
}
