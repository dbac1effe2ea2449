//! Delivers to an SMTP server, over as many sessions as are needed at once. The protocol is [`smtp_client`]'s. In reading
//! order:
//!
//! - `client`: one email, over as many transactions and sessions as it takes;
//! - `verdicts`: the verdict of a transaction per recipient; `judge`: the owner of a failure; `patterns`: the meaning
//!   of servers' texts;
//! - `pool`, `slots`, `sessions`: sessions and the emails that wait for one; `limit`: the server's connection limit.

mod client;
mod judge;
mod limit;
mod patterns;
mod pool;
mod sessions;
mod slots;
mod verdicts;

use std::sync::atomic::{AtomicBool, Ordering};

use email_queue::Class;
use smtp_client::{Config, SetupError};

pub(crate) use limit::ConnectionLimit;

use super::{
    outcome::{Delivery, Failure, Fault, Scope, Verdict},
    outgoing::Outgoing,
};
use crate::{
    message::{self, ascii_domain},
    metrics::Connections,
};
use client::Client;
use verdicts::{Outbound, Recipient};

/// Sends emails to one server.
pub(crate) struct SmtpTransport {
    client: Client,
    /// Whether the last email found the server unusable, so that this and its end are logged once each.
    unusable: AtomicBool,
}

impl SmtpTransport {
    /// Does not connect: the server may start later.
    pub(crate) fn open(config: &Config) -> Result<Self, SetupError> {
        Ok(Self { client: Client::new(config)?, unusable: AtomicBool::new(false) })
    }

    /// Sends one email.
    pub(crate) async fn deliver<'a>(&self, outgoing: &Outgoing<'a>) -> Delivery<'a> {
        let message = message::build(outgoing.id, outgoing.email).await;
        let sender = ascii_domain(outgoing.email.from.address()).to_string();
        let recipients = outgoing
            .recipients
            .iter()
            .map(|mailbox| Recipient { mailbox, address: ascii_domain(mailbox.address()).to_string() });
        let email = Outbound { sender, message, handoff: outgoing.handoff };
        let delivery = self.client.send(&email, recipients.collect()).await;
        self.log(outgoing, &delivery);
        delivery
    }

    pub(crate) fn connection_limit(&self) -> &ConnectionLimit {
        self.client.limit()
    }

    /// The connections to the server.
    pub(crate) fn connections(&self) -> Connections {
        self.client.connections()
    }

    /// Closes the idle sessions. Takes a second at the most.
    pub(crate) async fn close(&self) {
        self.client.close().await;
    }

    fn log(&self, outgoing: &Outgoing<'_>, delivery: &Delivery<'_>) {
        let is_unknown =
            |verdict: &Verdict| matches!(verdict, Verdict::Deferred(Failure { class: Class::Unknown, .. }));
        if delivery.verdicts.iter().any(|(_, verdict)| is_unknown(verdict)) {
            tracing::warn!(
                id = %outgoing.id,
                "the message was sent but never answered: it may have been delivered, and is sent again with the same Message-ID"
            );
        }
        match &delivery.fault {
            Some(Fault { scope: Scope::Relay, failure: Failure { class, reason } }) => {
                if !self.unusable.swap(true, Ordering::Relaxed) {
                    tracing::error!(%class, error = reason, "the SMTP server cannot be used; emails are delayed until it can");
                }
            }
            Some(_) => {}
            None => {
                if self.unusable.swap(false, Ordering::Relaxed) {
                    tracing::warn!("the SMTP server can be used again");
                }
            }
        }
    }
}
