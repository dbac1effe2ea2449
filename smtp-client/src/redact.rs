//! Removes the password from replies: servers may repeat what they were sent.

use std::collections::HashSet;

use base64::{Engine, prelude::BASE64_STANDARD_NO_PAD};

use crate::config::Credentials;

/// No part of a secret with this many bytes is shown. A server may repeat only a part.
const WINDOW: usize = 8;

const SHOWN: &str = "[redacted]";

/// The forms in which user and password are sent.
#[derive(Debug, Default)]
pub(crate) struct Secrets {
    /// The pieces of each secret, in lower case: servers that repeat a command may have changed its case.
    pieces: HashSet<Vec<u8>>,
    /// The lengths of the pieces.
    lengths: Vec<usize>,
    /// The user, replaced only in a text that also has a secret: else the log should say who was refused.
    user: String,
    longest: usize,
}

impl Secrets {
    pub(crate) fn new(Credentials { username, password }: &Credentials) -> Self {
        let mut secrets = Self { user: username.clone(), ..Self::default() };
        secrets.add(password.as_bytes());
        secrets.add_base64(username.as_bytes());
        // In base64 a text looks different at each of three offsets. At each, what depends on neighbours is left out.
        for offset in 0..3 {
            if let Some(rest) = password.as_bytes().get(offset..) {
                secrets.add_base64(rest);
            }
        }
        secrets.add_base64(format!("\0{username}\0{password}").as_bytes());
        secrets.lengths.sort_unstable();
        secrets.lengths.dedup();
        secrets
    }

    /// The length of the longest secret. Where a text is cut off, as many bytes beyond the cut must be searched.
    pub(crate) fn longest(&self) -> usize {
        self.longest
    }

    /// The text, with all that is secret in it replaced.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut secret = vec![false; text.len()];
        let lower = text.to_ascii_lowercase();
        for length in &self.lengths {
            for (at, window) in lower.as_bytes().windows(*length).enumerate() {
                if self.pieces.contains(window) {
                    secret[at..at + length].fill(true);
                }
            }
        }
        if !secret.contains(&true) {
            return text.to_owned();
        }
        let mut shown = String::with_capacity(text.len());
        for (at, c) in text.char_indices() {
            match secret[at] {
                false => shown.push(c),
                true if at == 0 || !secret[at - 1] => shown.push_str(SHOWN),
                true => {}
            }
        }
        if self.user.is_empty() { shown } else { shown.replace(&self.user, SHOWN) }
    }

    fn add_base64(&mut self, secret: &[u8]) {
        self.add(BASE64_STANDARD_NO_PAD.encode(secret).as_bytes());
    }

    fn add(&mut self, secret: &[u8]) {
        if secret.is_empty() {
            return;
        }
        let length = secret.len().min(WINDOW);
        self.pieces.extend(secret.to_ascii_lowercase().windows(length).map(<[u8]>::to_vec));
        self.lengths.push(length);
        self.longest = self.longest.max(secret.len());
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn secrets() -> Secrets {
        Secrets::new(&Credentials { username: "ada@x.example".to_owned(), password: "Grüße-Tr0ub4dor".to_owned() })
    }

    #[test]
    fn a_password_is_hidden_in_every_form_that_it_was_sent_in() {
        let response = BASE64_STANDARD.encode("\0ada@x.example\0Grüße-Tr0ub4dor");
        for echoed in [
            "Grüße-Tr0ub4dor".to_owned(),
            BASE64_STANDARD.encode("Grüße-Tr0ub4dor"),
            BASE64_STANDARD.encode("ada@x.example"),
            response.clone(),
            response.to_uppercase(),
            response[..20].to_owned(),
            response[9..].to_owned(),
            BASE64_STANDARD.encode("x\0ada\0Grüße-Tr0ub4dor")[12..].to_owned(),
        ] {
            let shown = secrets().redact(&format!("535 5.7.8 bad: <{echoed}>"));
            assert_eq!(shown.replace('=', ""), "535 5.7.8 bad: <[redacted]>", "{echoed}");
        }
    }

    #[test]
    fn a_user_is_hidden_beside_a_password_only() {
        assert_eq!(secrets().redact("535 no ada@x.example here"), "535 no ada@x.example here");
        assert_eq!(secrets().redact("535 ada@x.example:Grüße-Tr0ub4dor"), "535 [redacted]:[redacted]");
    }

    #[test]
    fn what_is_no_secret_is_left_alone() {
        assert_eq!(secrets().redact("550 5.1.1 größe"), "550 5.1.1 größe");
        assert_eq!(Secrets::default().redact("any"), "any");
    }
}
