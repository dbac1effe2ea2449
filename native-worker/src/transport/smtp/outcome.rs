//! What became of an email, and who is to blame where nothing did.

/// What became of each recipient, as far as the server has decided.
#[derive(Debug)]
pub(crate) struct Outcome<K> {
    /// Who was decided upon, in no order.
    pub(crate) verdicts: Vec<(K, Verdict)>,
    /// Why others were not.
    pub(crate) fault: Option<Fault>,
}

/// What the server decided upon one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It has taken the message for them.
    Accepted,
    /// Not now.
    Deferred(Failure),
    /// Never.
    Failed(Failure),
}

/// What went wrong. The reason is for people, often in the server's words, and holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    pub(crate) reason: String,
}

/// What is not the fault of one email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) scope: Scope,
    pub(crate) failure: Failure,
}

/// Whose emails a fault concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Everybody's.
    Server,
    /// Those of the same sender.
    Sender,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// This recipient is refused for good.
    Recipient,
    /// The message is refused for good.
    Content,
    /// The same, because of a rule, a blocklist or a reputation.
    Policy,
    /// The message is larger than the server takes.
    TooLarge,
    /// A recipient or the message is refused for now.
    Deferred,
    /// The server takes no more for now, or no more connections.
    Throttled,
    /// The server cannot be reached, or wants nothing to do with us.
    Connection,
    /// No encryption that can be trusted, or none where it is required.
    Tls,
    /// The login is missing or refused.
    Authentication,
    /// The sender is refused.
    Sender,
    /// The session was lost or went silent before the last byte of the message.
    Timeout,
    /// The session was lost or went silent after the last byte of the message: it may have been taken.
    Unknown,
    /// What the server says is no SMTP.
    Protocol,
}

impl Failure {
    pub(crate) fn new(kind: Kind, reason: impl Into<String>) -> Self {
        Self { kind, reason: reason.into() }
    }
}

impl Fault {
    /// Everybody's emails are concerned.
    pub(super) fn of_server(kind: Kind, reason: impl Into<String>) -> Self {
        Self { scope: Scope::Server, failure: Failure::new(kind, reason) }
    }

    /// Emails of the same sender are concerned.
    pub(super) fn of_sender(reason: impl Into<String>) -> Self {
        Self { scope: Scope::Sender, failure: Failure::new(Kind::Sender, reason) }
    }
}
