//! API keys, as the variable `api_keys` lists them.

use std::fmt;

use subtle::ConstantTimeEq;

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What a client sends.
    pub key: String,
    /// What it may do.
    pub rights: Rights,
}

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rights {
    /// Everything.
    Full,
    /// Send emails, and neither read nor change any.
    Sending,
    /// Read, and send or change nothing. The texts and files of emails are left out.
    Reading,
}

impl Rights {
    /// As the suffix of a key says it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Sending => "sending",
            Self::Reading => "read",
        }
    }
}

/// Reads keys that are separated by commas, each `KEY`, `KEY:full`, `KEY:sending` or `KEY:read`. Nothing is trimmed or guessed: a key that is
/// read as another one, or with other rights, gives access that the operator did not intend.
///
/// # Errors
/// The first invalid key, by its position and without its text.
pub(crate) fn parse(text: &str) -> Result<Vec<ApiKey>, InvalidKey> {
    let mut keys: Vec<ApiKey> = Vec::new();
    for (number, text) in (1..).zip(text.split(',')) {
        let key = ApiKey::parse(text).map_err(|reason| InvalidKey { number, reason })?;
        if keys.iter().any(|other| other.key == key.key && other.rights != key.rights) {
            return Err(InvalidKey { number, reason: Reason::OtherRights });
        }
        keys.push(key);
    }
    Ok(keys)
}

/// The key that a client has sent. All keys are compared, each in a time that depends on its length alone.
pub(crate) fn find<'a>(keys: &'a [ApiKey], given: &str) -> Option<&'a ApiKey> {
    let is_given = |key: &ApiKey| bool::from(key.key.as_bytes().ct_eq(given.as_bytes()));
    keys.iter().fold(None, |found, key| if is_given(key) { Some(key) } else { found })
}

impl ApiKey {
    fn parse(text: &str) -> Result<Self, Reason> {
        if text.contains(char::is_whitespace) {
            return Err(Reason::Whitespace);
        }
        // A header carries no other characters unchanged.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Reason::NotVisible);
        }
        let (key, rights) = match text.rsplit_once(':') {
            None => (text, Rights::Full),
            Some((key, "full")) => (key, Rights::Full),
            Some((key, "sending")) => (key, Rights::Sending),
            Some((key, "read")) => (key, Rights::Reading),
            Some(_) => return Err(Reason::Suffix),
        };
        if key.is_empty() {
            return Err(Reason::Empty);
        }
        Ok(Self { key: key.to_owned(), rights })
    }
}

/// Which key is invalid, and why, without its text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidKey {
    /// Its position, counted from 1.
    number: usize,
    reason: Reason,
}

#[derive(Debug, PartialEq, Eq)]
enum Reason {
    Empty,
    Whitespace,
    NotVisible,
    Suffix,
    OtherRights,
}

impl fmt::Display for InvalidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self.reason {
            Reason::Empty => "is empty",
            Reason::Whitespace => "has a blank or a line end in it",
            Reason::NotVisible => "has something else in it than visible ASCII characters",
            Reason::Suffix => "has a suffix that is none of `:sending`, `:read` and `:full`",
            Reason::OtherRights => "stands before it with other rights",
        };
        write!(f, "key {} {reason}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, Rights)> {
        parse(text).unwrap().into_iter().map(|key| (key.key, key.rights)).collect()
    }

    #[test]
    fn a_key_may_be_for_sending_or_reading_only() {
        use Rights::{Full, Reading, Sending};
        assert_eq!(
            read("one,two:sending,three:full,a:b:full,four:read,one"),
            [("one", Full), ("two", Sending), ("three", Full), ("a:b", Full), ("four", Reading), ("one", Full)]
                .map(|(key, rights)| (key.to_owned(), rights))
        );
    }

    #[test]
    fn what_is_not_understood_is_named_by_its_position_and_not_shown() {
        for (keys, reason) in [
            ("", "key 1 is empty"),
            ("secret,", "key 2 is empty"),
            (",secret", "key 1 is empty"),
            ("secret,:sending", "key 2 is empty"),
            ("secret, other", "key 2 has a blank"),
            ("secret other", "key 1 has a blank"),
            ("secret\n", "key 1 has a blank or a line end"),
            ("secret: sending", "key 1 has a blank"),
            ("other,secret :sending", "key 2 has a blank"),
            ("other,secret\u{a0}", "key 2 has a blank"),
            ("secret:Sending", "key 1 has a suffix"),
            ("secret:", "key 1 has a suffix"),
            ("other,a:secret", "key 2 has a suffix"),
            ("other,sécret", "key 2 has something else in it"),
            ("a\0secret", "key 1 has something else in it"),
            ("secret:reading", "key 1 has a suffix"),
            ("secret:read,other,secret:sending", "key 3 stands before it with other rights"),
            ("secret,other,secret:sending", "key 3 stands before it with other rights"),
        ] {
            let message = parse(keys).unwrap_err().to_string();
            assert!(message.starts_with(reason) && !message.contains("secret"), "{keys:?}: {message}");
        }
    }

    #[test]
    fn a_client_has_a_key_or_has_it_not() {
        let keys = parse("one,two:sending").unwrap();
        for (given, found) in [("one", Some(0)), ("two", Some(1)), ("two:sending", None), ("on", None), ("", None)] {
            assert_eq!(find(&keys, given), found.map(|index: usize| &keys[index]), "{given}");
        }
    }
}
