use std::fmt;

use sha2::{Digest, Sha256};

use crate::hex;

/// A relay: an SMTP server and the user to log in as. All workers that use the same relay share its state in Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relay {
    name: String,
    key: String,
}

impl Relay {
    /// `name` is its URL without secrets, for logs. `user` only distinguishes relays and is never shown: for some
    /// servers it is as secret as a password.
    #[must_use]
    pub fn new(name: &str, user: Option<&str>) -> Self {
        let identity = [name, user.unwrap_or_default()].join("\n");
        Self { name: name.to_owned(), key: short_hash(&identity) }
    }

    /// Its name in logs.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Identifies it in Redis keys.
    pub(crate) fn key(&self) -> &str {
        &self.key
    }

    /// Identifies one of its senders in Redis keys.
    pub(crate) fn sender_key(&self, sender: &str) -> String {
        sender_key(&self.key, sender)
    }
}

/// Identifies a sender at a relay, which is known by its key.
pub(crate) fn sender_key(relay: &str, sender: &str) -> String {
    short_hash(&[relay, sender].join("\n"))
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// 128 bits, enough against collisions.
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
