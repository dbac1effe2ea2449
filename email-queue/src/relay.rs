use std::fmt;

use sha2::{Digest, Sha256};

use crate::hex;

/// A relay: a server that emails are handed to, as one user. All workers that hand emails to the same one share what is
/// known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    name: String,
    key: String,
}

impl Relay {
    /// `name` is its URL without anything secret, and is what people see. `user` only tells one relay from another: to
    /// some servers a user is as secret as a password.
    #[must_use]
    pub fn new(name: &str, user: Option<&str>) -> Self {
        let identity = [name, user.unwrap_or_default()].join("\n");
        Self { name: name.to_owned(), key: short_hash(&identity) }
    }

    /// What people call it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its keys in Redis are named by.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// What the keys of one sender there are named by.
    pub(crate) fn sender_key(&self, sender: &str) -> String {
        short_hash(&[self.key.as_str(), sender].join("\n"))
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// 128 bits: enough that nobody finds two with the same.
fn short_hash(text: &str) -> String {
    hex(&Sha256::digest(text)[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_or_another_server_is_another_relay_and_no_user_is_shown() {
        let relay = Relay::new("smtp://relay.example:587", Some("t0ken"));
        assert_eq!(relay, Relay::new("smtp://relay.example:587", Some("t0ken")));
        for other in [
            Relay::new("smtp://relay.example:587", None),
            Relay::new("smtp://relay.example:587", Some("other")),
            Relay::new("smtp://relay.example:25", Some("t0ken")),
        ] {
            assert_ne!(relay.key(), other.key());
            assert_ne!(relay.sender_key("a@x.example"), other.sender_key("a@x.example"));
        }
        assert!(!format!("{relay} {relay:?}").contains("t0ken"));
    }
}
