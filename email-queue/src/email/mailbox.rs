use std::{borrow::Cow, fmt, str::FromStr};

use lettre::Address;
use serde::{Serialize, Serializer};

use super::domain;

/// RFC 5321 4.5.3.1.1, in bytes.
const MAX_LOCAL_PART: usize = 64;
/// RFC 5321 4.5.3.1.3 allows a path of 256 bytes, angle brackets included.
const MAX_ADDRESS: usize = 254;
const MAX_NAME: usize = 320;

/// An address, with a name for people or without: `Ada Lovelace <ada@example.com>`.
///
/// The domain must be unambiguous: a host name by the rules of IDNA, or an address literal. The address is then checked
/// by the parser that SMTP delivery uses, so that every accepted address can be put on the envelope. The name is taken
/// as it is: quotes around it are optional.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Mailbox {
    name: Option<String>,
    address: Address,
}

impl Mailbox {
    /// The name for people.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The domain as it stands in the DNS: in lower case, and an international one in its `xn--` form.
    pub(super) fn ascii_domain(&self) -> Cow<'_, str> {
        let domain = self.address.domain();
        domain::to_ascii(domain).unwrap_or(Cow::Borrowed(domain))
    }

    /// The sender of an email without one: `Email Queue <email-queue@localhost>`.
    #[must_use]
    pub fn built_in_sender() -> Self {
        Self { name: Some("Email Queue".to_owned()), address: Address::new_dangerous("email-queue", "localhost") }
    }
}

impl FromStr for Mailbox {
    type Err = InvalidMailbox;

    fn from_str(text: &str) -> Result<Self, InvalidMailbox> {
        // Before anything is trimmed: a line break at the end would break a header as well as one inside.
        if text.chars().any(char::is_control) {
            return Err(InvalidMailbox::ControlCharacter);
        }
        let text = text.trim_matches(' ');
        let (name, address) = match text.strip_suffix('>').and_then(|text| text.rsplit_once('<')) {
            Some((name, address)) => (display_name(name.trim_matches(' '))?, address),
            None => (String::new(), text),
        };
        if name.chars().count() > MAX_NAME {
            return Err(InvalidMailbox::NameTooLong);
        }
        let domain = address.rsplit_once('@').map(|(_, domain)| domain);
        if domain.is_none_or(|domain| domain::to_ascii(domain).is_none()) {
            let several = address.matches('@').count() > 1 && address.contains([',', ';']);
            return Err(if several { InvalidMailbox::Several } else { InvalidMailbox::NotAnAddress });
        }
        let several = |_| match address.split_once([',', ';']) {
            Some((one, _)) if one.contains('@') => InvalidMailbox::Several,
            _ => InvalidMailbox::NotAnAddress,
        };
        let address: Address = address.parse().map_err(several)?;
        if address.user().len() > MAX_LOCAL_PART || address.user().len() + 1 + address.domain().len() > MAX_ADDRESS {
            return Err(InvalidMailbox::TooLong);
        }
        Ok(Self { name: (!name.is_empty()).then_some(name), address })
    }
}

/// A display name. Without quotes it must not look like another mailbox before the address: of two mailboxes only the
/// last would get the email.
fn display_name(name: &str) -> Result<String, InvalidMailbox> {
    if let Some(unquoted) = unquoted(name) {
        return Ok(unquoted);
    }
    if name.contains(['<', '>']) || name.contains('@') && name.contains([',', ';']) {
        return Err(InvalidMailbox::Several);
    }
    Ok(name.to_owned())
}

/// The content of a quoted string (RFC 5322 3.2.4); nothing where the name is none, or more than one.
fn unquoted(name: &str) -> Option<String> {
    let inner = name.strip_prefix('"')?.strip_suffix('"')?;
    let mut unquoted = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        unquoted.push(match c {
            '\\' => chars.next()?,
            '"' => return None,
            c => c,
        });
    }
    Some(unquoted)
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(name) = &self.name else {
            return write!(f, "{}", self.address);
        };
        let plain = |c: char| c == ' ' || c.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
        if name.chars().all(plain) && name.trim_matches(' ') == name {
            write!(f, "{name} <{}>", self.address)
        } else {
            let name = name.replace('\\', "\\\\").replace('"', "\\\"");
            write!(f, "\"{name}\" <{}>", self.address)
        }
    }
}

impl Serialize for Mailbox {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text is no mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMailbox {
    /// A line break, NUL or the like.
    #[error("line breaks and other control characters are not allowed")]
    ControlCharacter,
    /// The address breaks the rules of RFC 5322.
    #[error("not an email address, which is `email@example.com` or `Name <email@example.com>`")]
    NotAnAddress,
    /// There is more than one mailbox.
    #[error("there is one address in each string; give several as a list of strings")]
    Several,
    /// The address is longer than SMTP allows.
    #[error("the address is too long: 254 bytes at the most, 64 of them before the @")]
    TooLong,
    /// The name is longer than we allow.
    #[error("the name is too long: 320 characters at the most")]
    NameTooLong,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, name: Option<&str>, address: &str) {
        let mailbox: Mailbox = text.parse().unwrap();
        assert_eq!((mailbox.name(), mailbox.address().as_ref()), (name, address));
    }

    #[test]
    fn a_name_is_optional_and_may_be_quoted_or_not() {
        check("ada@example.com", None, "ada@example.com");
        check("<ada@example.com>", None, "ada@example.com");
        check(" Ada Lovelace  <ada@example.com> ", Some("Ada Lovelace"), "ada@example.com");
        check("Acme, Inc. <billing@acme.example>", Some("Acme, Inc."), "billing@acme.example");
        check(r#""Ada \"the first\" L." <ada@example.com>"#, Some(r#"Ada "the first" L."#), "ada@example.com");
        check("Jörg Müller <jörg@exämple.com>", Some("Jörg Müller"), "jörg@exämple.com");
        check("\"a <b>\" <c@example.com>", Some("a <b>"), "c@example.com");
        check("support@acme.example <c@example.com>", Some("support@acme.example"), "c@example.com");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in ["", "ada", "ada@", "@example.com", "a b@example.com", "Ada <ada@example.com", "a@b@c", "<>", "a,b"]
        {
            assert_eq!(text.parse::<Mailbox>(), Err(InvalidMailbox::NotAnAddress), "{text}");
        }
        // What else is no domain is tested with the domains.
        for text in ["a@[x>y]", "a@[x,y]", "a@x!y.example", "a@b.example?subject=x", "A <a@x/y.example>"] {
            assert!(text.parse::<Mailbox>().is_err(), "{text}");
        }
    }

    #[test]
    fn several_mailboxes_in_one_string_are_refused_and_not_taken_for_the_last_of_them() {
        for text in [
            "a@b.c, d@e.f",
            "a@b.c;d@e.f",
            "<a@b.c>,<d@e.f>",
            "Jane <jane@example.org>, Joe <joe@example.org>",
            "jane@example.org, Joe <joe@example.org>",
            r#""Jane" <jane@example.org>, "Joe" <joe@example.org>"#,
            r#""Jane \\" <jane@example.org>, "Joe" <joe@example.org>"#,
            "a <b> <c@example.com>",
        ] {
            assert_eq!(text.parse::<Mailbox>(), Err(InvalidMailbox::Several), "{text}");
        }
    }

    #[test]
    fn the_built_in_sender_is_one_that_could_be_given() {
        assert_eq!("Email Queue <email-queue@localhost>".parse(), Ok(Mailbox::built_in_sender()));
    }

    #[test]
    fn control_characters_are_refused_wherever_they_stand() {
        for text in ["a@b.c\r\n", "\na@b.c", "A\rB <a@b.c>", "A\0 <a@b.c>", "a@b.c\r\nBcc: d@e.f"] {
            assert_eq!(text.parse::<Mailbox>(), Err(InvalidMailbox::ControlCharacter), "{text:?}");
        }
    }

    #[test]
    fn lengths_are_those_of_smtp() {
        assert!(format!("{}@example.com", "a".repeat(64)).parse::<Mailbox>().is_ok());
        assert!(format!("{}@example.com", "a".repeat(65)).parse::<Mailbox>().is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(name in r#"[ -~äß€]{0,40}"#) {
            let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
            let mailbox: Mailbox = format!("\"{escaped}\" <a@example.com>").parse().unwrap();
            prop_assert_eq!(mailbox.name().unwrap_or_default(), &name);
            prop_assert_eq!(mailbox.to_string().parse(), Ok(mailbox));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*") {
            let _ = text.parse::<Mailbox>();
        }
    }
}
