//! The keys that the operator has given out, as the variable `api_keys` has them.

use std::fmt;

use subtle::ConstantTimeEq;

/// A key that the operator has given out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What a client sends.
    pub key: String,
    /// Whether it is good for sending emails only, and not for reading or changing any.
    pub sending_only: bool,
}

/// Reads keys that are separated by commas, each `KEY`, `KEY:full` or `KEY:sending`. What stands there is taken as it is
/// or not at all: a key that is read as another one, or with other rights, opens a door that nobody meant to open.
///
/// # Errors
/// The first that cannot be used, by its position, because nobody else is to see its text.
pub(crate) fn parse(text: &str) -> Result<Vec<ApiKey>, Unusable> {
    let mut keys: Vec<ApiKey> = Vec::new();
    for (number, text) in (1..).zip(text.split(',')) {
        let key = ApiKey::parse(text).map_err(|why| Unusable { number, why })?;
        if keys.iter().any(|other| other.key == key.key && other.sending_only != key.sending_only) {
            return Err(Unusable { number, why: Why::OtherRights });
        }
        keys.push(key);
    }
    Ok(keys)
}

/// The key that a client has given. All are compared, each in a time that depends on its length alone.
pub(crate) fn known<'a>(keys: &'a [ApiKey], given: &str) -> Option<&'a ApiKey> {
    let is_given = |key: &ApiKey| bool::from(key.key.as_bytes().ct_eq(given.as_bytes()));
    keys.iter().fold(None, |known, key| if is_given(key) { Some(key) } else { known })
}

impl ApiKey {
    fn parse(text: &str) -> Result<Self, Why> {
        if text.contains(char::is_whitespace) {
            return Err(Why::Blank);
        }
        // No other character can be sent in a header and come out as it was.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Why::NotVisible);
        }
        let (key, sending_only) = match text.rsplit_once(':') {
            None => (text, false),
            Some((key, "full")) => (key, false),
            Some((key, "sending")) => (key, true),
            Some(_) => return Err(Why::Suffix),
        };
        if key.is_empty() {
            return Err(Why::Empty);
        }
        Ok(Self { key: key.to_owned(), sending_only })
    }
}

/// Which key cannot be used, and why; not its text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unusable {
    /// Its position, counted from 1.
    number: usize,
    why: Why,
}

#[derive(Debug, PartialEq, Eq)]
enum Why {
    Empty,
    Blank,
    NotVisible,
    Suffix,
    OtherRights,
}

impl fmt::Display for Unusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self.why {
            Why::Empty => "is empty",
            Why::Blank => "has a blank or a line end in it",
            Why::NotVisible => "has something else in it than visible ASCII characters",
            Why::Suffix => "has a suffix that is neither `:sending` nor `:full`",
            Why::OtherRights => "stands before it with other rights",
        };
        write!(f, "key {} {why}", self.number)
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
        for (keys, why) in [
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
            let told = parse(keys).unwrap_err().to_string();
            assert!(told.starts_with(why) && !told.contains("secret"), "{keys:?}: {told}");
        }
    }

    #[test]
    fn a_client_has_a_key_or_has_it_not() {
        let keys = parse("one,two:sending").unwrap();
        for (given, found) in [("one", Some(0)), ("two", Some(1)), ("two:sending", None), ("on", None), ("", None)] {
            assert_eq!(known(&keys, given), found.map(|place: usize| &keys[place]), "{given}");
        }
    }
}
