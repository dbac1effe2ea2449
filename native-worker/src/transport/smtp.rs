//! Speaks SMTP ([RFC 5321](https://www.rfc-editor.org/rfc/rfc5321)) to one server.
//!
//! - `config`: the URL;
//! - `reply`: what a server answers; `wire`: bytes to it and answers from it, each with a deadline;
//! - `session`: a connection: greeting, TLS, authentication; `tls`: whom to trust;
//! - `transaction`: one email in a session, with a verdict for each recipient;
//! - `pool`: sessions that wait for their next email.
//!
//! This is a client of our own because the promise depends on what others hide: which recipients were accepted when
//! another was refused, whether the last byte of a message had been sent when the connection broke, and whether a
//! session was lost before or after the server had taken responsibility. The one in lettre gives up at the first refused
//! recipient, reads a line of any length, takes an answer that is not UTF-8 for a lost connection (and so an accepted
//! email for one to send again), and keeps what a stranger has slipped in before STARTTLS for the encrypted session.

mod config;
mod limit;
mod pool;
mod reply;
mod session;
mod tls;
mod transaction;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::time::Instant;

pub use config::{Credentials, SmtpConfig, TlsMode};
pub(crate) use limit::ConnectionLimit;

use email_queue::Class;

use super::{Delivery, Failure, Fault, OpenError, Outgoing, Verdict};
use crate::message;
use pool::Pool;
use session::{Connector, Session};
use transaction::{Envelope, Transaction, Unsuitable};

/// Sends emails to one server, over as many sessions as are needed at once.
pub(crate) struct SmtpTransport {
    connector: Connector,
    pool: Pool,
    /// Whether the last session could not be opened, so that trouble and its end are each said once.
    unusable: AtomicBool,
    #[allow(dead_code, reason = "what reads it comes with the hold-offs")]
    limit: ConnectionLimit,
}

impl SmtpTransport {
    /// Connects to nobody yet: the server may come later.
    pub(crate) fn open(config: &SmtpConfig) -> Result<Self, OpenError> {
        Ok(Self {
            connector: Connector::new(config)?,
            pool: Pool::new(),
            unusable: AtomicBool::new(false),
            limit: ConnectionLimit::default(),
        })
    }

    /// Sends one email.
    ///
    /// Until the server has accepted a sender, any failure is taken for one that passes, a wrong password included: a
    /// setting that is wrong for an hour must not make dead letters of all emails of that hour.
    pub(crate) async fn deliver<'a>(&self, outgoing: &Outgoing<'a>) -> Delivery<'a> {
        let message = match message::build(outgoing.id, outgoing.email) {
            Ok(message) => message,
            Err(error) => {
                let failure = Failure::new(Class::Content, error.to_string());
                return Delivery::all(outgoing.recipients, &Verdict::Failed(failure));
            }
        };
        let envelope = Envelope::new(outgoing, &message);
        if let Some(mut session) = self.pool.take() {
            match transaction::send(&mut session, &envelope, outgoing.commitment).await {
                // The server has closed it meanwhile, as servers do, and has taken nothing.
                Transaction::Stale => {}
                transaction => return self.end(session, transaction, outgoing),
            }
        }
        match self.connect().await {
            Ok(mut session) => {
                let transaction = transaction::send(&mut session, &envelope, outgoing.commitment).await;
                self.end(session, transaction, outgoing)
            }
            Err(reason) => Fault::of_relay(Class::Connection, reason).into(),
        }
    }

    #[allow(dead_code, reason = "what reads it comes with the hold-offs")]
    pub(crate) fn connection_limit(&self) -> &ConnectionLimit {
        &self.limit
    }

    /// Ends the sessions that wait.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn connect(&self) -> Result<Session, String> {
        match self.connector.connect().await {
            Ok(session) => {
                if self.unusable.swap(false, Ordering::Relaxed) {
                    tracing::info!("the SMTP server can be used again");
                }
                Ok(session)
            }
            Err(error) => {
                if !self.unusable.swap(true, Ordering::Relaxed) {
                    tracing::error!(%error, "the SMTP server cannot be used; emails are delayed until it can");
                }
                Err(error.to_string())
            }
        }
    }

    fn end<'a>(&self, session: Session, transaction: Transaction, outgoing: &Outgoing<'a>) -> Delivery<'a> {
        let each = |verdicts: Vec<Verdict>| Delivery {
            verdicts: outgoing.recipients.iter().copied().zip(verdicts).collect(),
            fault: None,
        };
        match transaction {
            Transaction::Done(verdicts) => {
                self.pool.put(session, Instant::now());
                each(verdicts)
            }
            Transaction::Ended(verdicts) => each(verdicts),
            Transaction::Unanswered(verdicts) => {
                tracing::warn!(
                    id = %outgoing.id,
                    "the message was sent but never answered: it may have been delivered, and is sent again with the same Message-ID"
                );
                each(verdicts)
            }
            Transaction::Unsuitable(unsuitable) => {
                self.pool.put(session, Instant::now());
                let Unsuitable::NeedsSmtputf8 = unsuitable;
                let failure = Failure::new(Class::Recipient, unsuitable.to_string());
                Delivery::all(outgoing.recipients, &Verdict::Failed(failure))
            }
            Transaction::Stale => Fault::of_relay(Class::Connection, "the server closed the connection").into(),
        }
    }
}
