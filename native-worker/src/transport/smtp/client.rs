//! One email to a server, over as many transactions and sessions as it takes.
//!
//! A refusal in a reused session may be due to earlier emails: too many of them, too many errors, too long an idle
//! time. So may the loss of the session. The client then repeats the transaction in a new session at once, and those
//! replies count. A new one is tried as well for the recipients whom a transaction has left without a verdict, as long
//! as each gives a verdict to some.

use email_queue::{Class, email::Mailbox};
use smtp_client::{Config, Connector, Session, SetupError};

use super::{
    judge,
    limit::{ConnectionLimit, EmailKey},
    pool::Pool,
    slots::{Acquired, Checkout, Pooled, Priority},
    verdicts::{self, Decided, Next, Outbound, Recipient},
};
use crate::{
    metrics::Connections,
    transport::outcome::{Delivery, Fault, Verdict},
};

/// A client of one server, for use by many tasks at once.
pub(crate) struct Client {
    connector: Connector,
    pool: Pool<Session>,
}

impl Client {
    /// Does not connect: the server may start later. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The settings cannot be used with any server.
    pub(crate) fn new(config: &Config) -> Result<Self, SetupError> {
        Ok(Self { connector: Connector::new(config)?, pool: Pool::new() })
    }

    /// Sends one email. Waits for a session if the server takes no more connections.
    ///
    /// When the future is dropped, nothing was sent unless the handoff has begun; after that the email may have been
    /// sent.
    pub(crate) async fn send<'a>(&self, email: &Outbound<'_>, recipients: Vec<Recipient<'a>>) -> Delivery<'a> {
        let mut delivery = Delivery { verdicts: Vec::new(), fault: None };
        let mut left = recipients;
        let mut priority = Priority::Last;
        while !left.is_empty() {
            let checkout = match self.session(priority).await {
                Ok(checkout) => checkout,
                Err(fault) => return Delivery { fault: Some(fault), ..delivery },
            };
            (left, delivery.fault) = send_in(checkout, email, left, &mut delivery.verdicts).await;
            if delivery.fault.is_some() {
                break;
            }
            priority = Priority::FirstWithNew;
        }
        delivery
    }

    /// How many connections the server takes at once, as far as that was learned.
    pub(crate) fn limit(&self) -> &ConnectionLimit {
        self.pool.limit()
    }

    /// The connections to the server.
    pub(crate) fn connections(&self) -> Connections {
        self.pool.connections()
    }

    /// Closes the idle sessions. Takes a second at the most.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn session(&self, mut priority: Priority) -> Result<Checkout<Session>, Fault> {
        loop {
            match self.pool.acquire(priority).await? {
                Acquired::Idle(mut checkout) => {
                    if checkout.session.is_quiet() {
                        return Ok(checkout);
                    }
                    // The server has closed it, whatever it sent before.
                    priority = Priority::First;
                    checkout.slot.doubt();
                }
                Acquired::Connect(slot) => match self.connector.connect().await {
                    Ok(session) => return Ok(slot.connected(session)),
                    Err(error) => match slot.not_connected(judge::of_connect(&error)) {
                        Some(fault) => return Err(fault),
                        None => priority = Priority::First,
                    },
                },
            }
        }
    }
}

impl Pooled for Session {
    fn quit(self) -> impl Future<Output = ()> + Send {
        Session::quit(self)
    }
}

/// Sends an email in one session, as long as each transaction decides on some recipients. Returns the undecided ones;
/// without a fault, they need a new session.
async fn send_in<'a>(
    mut checkout: Checkout<Session>,
    email: &Outbound<'_>,
    mut left: Vec<Recipient<'a>>,
    all_verdicts: &mut Vec<(&'a Mailbox, Verdict)>,
) -> (Vec<Recipient<'a>>, Option<Fault>) {
    loop {
        let Checkout { session, slot } = &mut checkout;
        let fresh = session.is_fresh();
        let Decided { verdicts, left: others, next } = verdicts::send(session, email, left, &|| slot.works()).await;
        let progress = !verdicts.is_empty();
        all_verdicts.extend(verdicts);
        left = others;
        match next {
            Next::Continue if left.is_empty() => {
                checkout.put_back();
                return (left, None);
            }
            Next::Continue if progress => {}
            // No recipient was decided, without a reason: the next transaction would end the same.
            Next::Continue => {
                return (left, Some(Fault::of_relay(Class::Protocol, "the server decides upon nobody")));
            }
            Next::Wait(fault) => {
                checkout.put_back();
                return (left, Some(fault));
            }
            Next::Over(fault) if fresh && !progress => {
                let Checkout { session, slot } = checkout;
                drop(session);
                let recipients = left.iter().map(|recipient| recipient.address.as_str());
                slot.useless(&fault, EmailKey::of(&email.sender, recipients));
                return (left, Some(fault));
            }
            Next::Over(fault) => {
                let Checkout { session, slot } = checkout;
                drop(session);
                if fault.failure.class == Class::Timeout {
                    slot.doubt();
                }
                return (left, None);
            }
        }
    }
}
