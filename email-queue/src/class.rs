use std::{fmt, str::FromStr};

/// Why an email was not delivered, or not yet. A closed list: every decision matches on it.
///
/// Each class has an owner. The **email**: it fails, or is retried after its own back-off. The **relay**, or a
/// **sender**'s account there: emails wait until it works again, and use up no attempt. The **queue** itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Owner: email. The server refused this recipient for good. The email is still sent to the others.
    Recipient,
    /// Owner: email. The server refused the message for good.
    Content,
    /// Owner: email. The server refused the message or a recipient for good, because of a rule, a blocklist or a
    /// reputation.
    Policy,
    /// Owner: email. The server takes no message of this size.
    TooLarge,
    /// Owner: email. A recipient or the message was refused for now, as in greylisting or with a full mailbox.
    Deferred,
    /// Owner: relay. It takes no more for now, or no more connections.
    Throttled,
    /// Owner: relay. It cannot be reached, or greets with a refusal.
    Connection,
    /// Owner: relay. No encrypted connection that can be trusted, or none where one is required.
    Tls,
    /// Owner: relay. It requires a login, or refuses the one that was sent.
    Authentication,
    /// Owner: sender. The relay does not take emails of this sender, or no more of them for now.
    Sender,
    /// Owner: relay. Silence or a disconnect before the relay had the last byte of a message.
    Timeout,
    /// Owner: unknown. Silence or a disconnect after the last byte of a message. The email may be sent twice.
    Unknown,
    /// Owner: relay. Its answers are not SMTP.
    Protocol,
    /// Owner: email. Its retry period is over, or its attempts are used up. The reason includes the last failure.
    GivenUp,
    /// Owner: queue. The email's record in Redis cannot be read.
    Unreadable,
    /// Owner: queue. The email was in flight at too many workers that died.
    Recovered,
    /// Owner: queue. A panic or another fault of the worker. Costs no attempt.
    Internal,
}

impl Class {
    /// All classes, in order of declaration.
    pub const ALL: [Class; 17] = [
        Class::Recipient,
        Class::Content,
        Class::Policy,
        Class::TooLarge,
        Class::Deferred,
        Class::Throttled,
        Class::Connection,
        Class::Tls,
        Class::Authentication,
        Class::Sender,
        Class::Timeout,
        Class::Unknown,
        Class::Protocol,
        Class::GivenUp,
        Class::Unreadable,
        Class::Recovered,
        Class::Internal,
    ];

    /// Whether its owner is the relay: all emails wait until it works again.
    #[must_use]
    pub const fn is_of_relay(self) -> bool {
        match self {
            Class::Throttled
            | Class::Connection
            | Class::Tls
            | Class::Authentication
            | Class::Timeout
            | Class::Protocol => true,
            Class::Recipient
            | Class::Content
            | Class::Policy
            | Class::TooLarge
            | Class::Deferred
            | Class::Sender
            | Class::Unknown
            | Class::GivenUp
            | Class::Unreadable
            | Class::Recovered
            | Class::Internal => false,
        }
    }

    /// The name in Redis, in logs and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Class::Recipient => "recipient",
            Class::Content => "content",
            Class::Policy => "policy",
            Class::TooLarge => "too_large",
            Class::Deferred => "deferred",
            Class::Throttled => "throttled",
            Class::Connection => "connection",
            Class::Tls => "tls",
            Class::Authentication => "authentication",
            Class::Sender => "sender",
            Class::Timeout => "timeout",
            Class::Unknown => "unknown",
            Class::Protocol => "protocol",
            Class::GivenUp => "given_up",
            Class::Unreadable => "unreadable",
            Class::Recovered => "recovered",
            Class::Internal => "internal",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Class::ALL.into_iter().find(|class| class.as_str() == text).ok_or(UnknownClass)
    }
}

/// A text that is not the name of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no class of failures has this name")]
pub struct UnknownClass;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_class_is_read_back_from_its_name() {
        for class in Class::ALL {
            assert_eq!(class.as_str().parse(), Ok(class));
        }
        assert_eq!("Recipient".parse::<Class>(), Err(UnknownClass));
    }
}
