//! API keys, as the variable `api_keys` lists them.

use std::fmt;

use subtle::ConstantTimeEq;

/// An API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What a client sends.
    pub key: String,
    /// Whether it may only send emails, and not read or change any.
    pub sending_only: bool,
}

/// Reads keys that are separated by commas, each `KEY`, `KEY:full` or `KEY:sending`. Nothing is trimmed or guessed: a key that is
/// read as another one, or with other rights, gives access that the operator did not intend.
///
/// # Errors
/// The first invalid key, by its position and without its text.
pub(crate) fn parse(text: &str) -> Result<Vec<ApiKey>, InvalidKey> {
    let mut keys: Vec<ApiKey> = Vec::new();
    for (number, text) in (1..).zip(text.split(',')) {
        let key = ApiKey::parse(text).map_err(|reason| InvalidKey { number, reason })?;
        if keys.iter().any(|other| other.key == key.key && other.sending_only != key.sending_only) {
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
        let (key, sending_only) = match text.rsplit_once(':') {
            None => (text, false),
            Some((key, "full")) => (key, false),
            Some((key, "sending")) => (key, true),
            Some(_) => return Err(Reason::Suffix),
        };
        if key.is_empty() {
            return Err(Reason::Empty);
        }
        Ok(Self { key: key.to_owned(), sending_only })
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
            Reason::Suffix => "has a suffix that is neither `:sending` nor `:full`",
            Reason::OtherRights => "stands before it with other rights",
        };
        write!(f, "key {} {reason}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, bool)> {
        parse(text).unwrap().into_iter().map(|key| (key.key, key.sending_only)).collect()
    }

    #[test]
    fn a_key_may_be_for_sending_only() {
        assert_eq!(
            read("one,two:sending,three:full,a:b:full,one"),
            [("one", false), ("two", true), ("three", false), ("a:b", false), ("one", false)]
                .map(|(key, sending_only)| (key.to_owned(), sending_only))
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
