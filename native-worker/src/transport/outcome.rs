//! What a transport answers.

use email_queue::{Class, email::Mailbox};

/// The result of a delivery: verdicts in any order. A recipient without one waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Delivery<'a> {
    pub(crate) verdicts: Vec<(&'a Mailbox, Verdict)>,
    /// Why recipients have no verdict.
    pub(crate) fault: Option<Fault>,
}

/// How a delivery ended for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The transport has taken it.
    Accepted,
    /// Not now; it may work later.
    Deferred(Failure),
    /// Never.
    Failed(Failure),
}

/// Why an email is not delivered. The reason is for people, may come from a server, and has no secret in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) class: Class,
    pub(crate) reason: String,
}

/// A failure that is not the email's, and is not counted as an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) scope: Scope,
    pub(crate) failure: Failure,
}

/// Whose emails are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// All that go by this transport.
    Relay,
    /// Those of the same sender: the relay takes none of them, or no more for now.
    Sender,
}

impl<'a> Delivery<'a> {
    /// The same verdict for all recipients.
    pub(crate) fn all(recipients: &[&'a Mailbox], verdict: &Verdict) -> Self {
        Self { verdicts: recipients.iter().map(|recipient| (*recipient, verdict.clone())).collect(), fault: None }
    }
}

impl Fault {
    /// All emails that go by this transport are concerned.
    pub(crate) fn of_relay(class: Class, reason: impl Into<String>) -> Self {
        Self { scope: Scope::Relay, failure: Failure::new(class, reason) }
    }

    /// Emails of the same sender are concerned.
    pub(crate) fn of_sender(reason: impl Into<String>) -> Self {
        Self { scope: Scope::Sender, failure: Failure::new(Class::Sender, reason) }
    }
}

impl From<Fault> for Delivery<'_> {
    /// No recipient has a verdict.
    fn from(fault: Fault) -> Self {
        Self { verdicts: Vec::new(), fault: Some(fault) }
    }
}

impl Failure {
    pub(crate) fn new(class: Class, reason: impl Into<String>) -> Self {
        Self { class, reason: reason.into() }
    }
}
