//! The outcome of a message and of each recipient.

use std::fmt;

use crate::{reply::Reply, session_error::SessionError};

/// The outcome of a message: how the transaction ended, and the outcome for each recipient.
///
/// The message went to the recipients that are [`Accepted`](RecipientOutcome::Accepted). Others do not get it, unless `end` is
/// [`End::Unanswered`]: then those that are [`Pending`](RecipientOutcome::Pending) may get it.
#[derive(Debug)]
#[must_use]
pub struct Transaction {
    /// One for each recipient, in the order of the envelope.
    pub recipients: Vec<RecipientOutcome>,
    /// How the transaction ended. It says why recipients are pending or unanswered.
    pub end: End,
}

/// What the server decided about one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecipientOutcome {
    /// The server has accepted the message for them, and with it the responsibility (RFC 5321 4.2.5).
    Accepted,
    /// The server refused them in its reply to `RCPT`; its [`severity`](Reply::severity) says whether for good.
    Refused(Reply),
    /// By what the server announced, it cannot serve them. They were not asked for.
    Unsupported(Unsupported),
    /// The server accepted `RCPT`, but not the message; see [`Transaction::end`].
    Pending,
    /// The server did not reply to `RCPT`, or was not asked; see [`Transaction::end`].
    Unanswered,
}

/// How a transaction ended.
#[derive(Debug)]
pub enum End {
    /// All recipients are unsupported. Nothing was sent, and the session is as before.
    NotBegun,
    /// The server refused `MAIL`. The next transaction needs a [`reset`](crate::Session::reset).
    MailRefused(Reply),
    /// The server refused each recipient. The next transaction needs a [`reset`](crate::Session::reset).
    NobodyAccepted,
    /// The server replied to a `RCPT` with a reply that [ends the session](Reply::ends_session). Nothing was delivered.
    Closed(Reply),
    /// The server did not reply to `DATA` with 354. The next transaction needs a [`reset`](crate::Session::reset).
    DataRefused(Reply),
    /// The server refused the message.
    MessageRefused(Reply),
    /// The server accepted the message. If the reply [ends the session](Reply::ends_session), another one is needed.
    Accepted(Reply),
    /// The session was lost before the end of the message was sent: the server cannot have accepted it.
    Lost(SessionError),
    /// The session was lost after the end of the message was sent, before a reply: the server may have accepted it
    /// (RFC 5321 4.5.3.2.6, [RFC 1047](https://www.rfc-editor.org/rfc/rfc1047)).
    Unanswered(SessionError),
}

/// Why a server cannot serve a recipient, by what it announced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsupported {
    /// The message is larger than the server takes ([RFC 1870](https://www.rfc-editor.org/rfc/rfc1870)), in bytes.
    Size {
        /// [`Message::size`](crate::Message::size).
        size: usize,
        /// What the server takes.
        limit: u64,
    },
    /// The sender's address is not ASCII, and the server is without SMTPUTF8, here and below.
    Sender,
    /// The header of the message is not ASCII.
    Header,
    /// The recipient's address is not ASCII.
    Recipient,
}

/// How far a transaction has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// The server has accepted the sender.
    MailAccepted,
    /// The message is about to be sent: from now on it may reach recipients.
    MessageBegins,
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Size { size, limit } => {
                return write!(f, "the message has {size} bytes, and the server takes {limit} at the most");
            }
            Self::Sender => "the sender's address is not ASCII before the @",
            Self::Header => "the header of the message is not ASCII",
            Self::Recipient => "the address is not ASCII before the @",
        };
        write!(f, "{what}, and the server does not support SMTPUTF8")
    }
}
