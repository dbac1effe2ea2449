//! Speaks SMTP ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321)) to one server.
//!
//! This file knows emails and the queue's words; all below it is a client that knows neither. In reading order:
//!
//! - `client`: one email, over as many transactions and sessions as it takes; `outcome`: what became of it;
//! - `envelope`: an email as the client gets it; `downgrade`: its message for a server without SMTPUTF8;
//! - `transaction`: one email in a session; `data`: the bytes of its message;
//! - `judge`: whose fault an answer is; `patterns`: what servers mean by their words;
//! - `pool`, `turns`: who has a session when; `limit`: how many the server takes;
//! - `session`: a connection that is ready for emails; `connect`: how it comes to be; `auth`; `tls`: whom to trust;
//! - `wire`: bytes and answers, each with a deadline; `reply`: an answer; `redact`: what must not be shown of it;
//! - `config`: the URL.
//!
//! This is a client of our own because the promise depends on what others hide: which recipients were accepted when
//! another was refused, whether the last byte of a message had been sent when the connection broke, and whether a
//! session was lost before or after the server had taken responsibility. The one in lettre gives up at the first refused
//! recipient, reads a line of any length, takes an answer that is not UTF-8 for a lost connection (and so an accepted
//! email for one to send again), and keeps what a stranger has slipped in before STARTTLS for the encrypted session.

mod auth;
mod client;
mod config;
mod connect;
mod data;
mod downgrade;
mod envelope;
mod judge;
mod limit;
mod outcome;
mod patterns;
mod pool;
mod redact;
mod reply;
mod session;
mod tls;
mod transaction;
mod turns;
mod wire;
mod wire_error;

use std::sync::atomic::{AtomicBool, Ordering};

use email_queue::Class;

pub use config::{Credentials, InvalidUrl, SmtpConfig, SmtpOptions, TlsMode};
pub(crate) use limit::ConnectionLimit;
pub use tls::SetupError;

use super::{Delivery, Failure, Fault, Outgoing, Scope, Verdict};
use crate::message::{self, ascii_domain};
use client::Client;
use envelope::{Envelope, Recipient};
use outcome::{Kind, Outcome};

/// Sends emails to one server, over as many sessions as are needed at once and as it takes.
pub(crate) struct SmtpTransport {
    client: Client,
    /// Whether the server could not be used when it was last tried, so that trouble and its end are each said once.
    unusable: AtomicBool,
}

impl SmtpTransport {
    /// Connects to nobody yet: the server may come later.
    pub(crate) fn open(config: &SmtpConfig) -> Result<Self, SetupError> {
        Ok(Self { client: Client::new(config)?, unusable: AtomicBool::new(false) })
    }

    /// Sends one email.
    pub(crate) async fn deliver<'a>(&self, outgoing: &Outgoing<'a>) -> Delivery<'a> {
        let message = message::build(outgoing.id, outgoing.email).await;
        let sender = ascii_domain(outgoing.email.from.address()).to_string();
        let recipients = outgoing
            .recipients
            .iter()
            .map(|mailbox| Recipient { key: *mailbox, address: ascii_domain(mailbox.address()).to_string() });
        let envelope = Envelope { sender, message: &message };
        let outcome = self.client.send(&envelope, recipients.collect(), &|| outgoing.handoff.begin()).await;
        self.tell(outgoing, &outcome);
        outcome.into()
    }

    pub(crate) fn connection_limit(&self) -> &ConnectionLimit {
        self.client.limit()
    }

    /// Ends the sessions that wait.
    pub(crate) async fn close(&self) {
        self.client.close().await;
    }

    fn tell<K>(&self, outgoing: &Outgoing<'_>, outcome: &Outcome<K>) {
        let is_unknown = |verdict: &outcome::Verdict| {
            matches!(verdict, outcome::Verdict::Deferred(outcome::Failure { kind: Kind::Unknown, .. }))
        };
        if outcome.verdicts.iter().any(|(_, verdict)| is_unknown(verdict)) {
            tracing::warn!(
                id = %outgoing.id,
                "the message was sent but never answered: it may have been delivered, and is sent again with the same Message-ID"
            );
        }
        match &outcome.fault {
            Some(outcome::Fault { scope: outcome::Scope::Server, failure }) => {
                if !self.unusable.swap(true, Ordering::Relaxed) {
                    let (class, error) = (Class::from(failure.kind), &failure.reason);
                    tracing::error!(%class, error, "the SMTP server cannot be used; emails are delayed until it can");
                }
            }
            Some(_) => {}
            None => {
                if self.unusable.swap(false, Ordering::Relaxed) {
                    tracing::info!("the SMTP server can be used again");
                }
            }
        }
    }
}

impl<'a> From<Outcome<&'a email_queue::email::Mailbox>> for Delivery<'a> {
    fn from(Outcome { verdicts, fault }: Outcome<&'a email_queue::email::Mailbox>) -> Self {
        let verdicts = verdicts.into_iter().map(|(mailbox, verdict)| (mailbox, verdict.into()));
        Self { verdicts: verdicts.collect(), fault: fault.map(Fault::from) }
    }
}

impl From<outcome::Verdict> for Verdict {
    fn from(verdict: outcome::Verdict) -> Self {
        match verdict {
            outcome::Verdict::Accepted => Self::Accepted,
            outcome::Verdict::Deferred(failure) => Self::Deferred(failure.into()),
            outcome::Verdict::Failed(failure) => Self::Failed(failure.into()),
        }
    }
}

impl From<outcome::Fault> for Fault {
    fn from(outcome::Fault { scope, failure }: outcome::Fault) -> Self {
        let scope = match scope {
            outcome::Scope::Server => Scope::Relay,
            outcome::Scope::Sender => Scope::Sender,
        };
        Self { scope, failure: failure.into() }
    }
}

impl From<outcome::Failure> for Failure {
    fn from(outcome::Failure { kind, reason }: outcome::Failure) -> Self {
        Self { class: kind.into(), reason }
    }
}

impl From<Kind> for Class {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Recipient => Self::Recipient,
            Kind::Content => Self::Content,
            Kind::Policy => Self::Policy,
            Kind::TooLarge => Self::TooLarge,
            Kind::Deferred => Self::Deferred,
            Kind::Throttled => Self::Throttled,
            Kind::Connection => Self::Connection,
            Kind::Tls => Self::Tls,
            Kind::Authentication => Self::Authentication,
            Kind::Sender => Self::Sender,
            Kind::Timeout => Self::Timeout,
            Kind::Unknown => Self::Unknown,
            Kind::Protocol => Self::Protocol,
        }
    }
}
