//! One email to a server, over as many transactions and sessions as it takes.
//!
//! What a server says in a session that has been used may be about what was before: about too many emails in it, too many
//! errors, too long a silence. So does a session that is lost. Then a new session is asked, at once; and what it says
//! counts. The same is done whenever a transaction has come to a decision upon somebody and leaves others undecided: it
//! is as good as a new one.

use super::{
    config::SmtpConfig,
    connect::Connector,
    envelope::{Envelope, Recipient},
    limit::{ConnectionLimit, EmailKey},
    outcome::{Fault, Kind, Outcome},
    pool::Pool,
    session::Session,
    tls::SetupError,
    transaction::{self, Milestones, Next},
    turns::{Lease, Place, Pooled, Turn},
};

/// A client of one server, for use by many at once.
pub(crate) struct Client {
    connector: Connector,
    pool: Pool<Session>,
}

impl Client {
    /// Connects to nobody yet: the server may come later. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// The settings cannot be used, whatever the server is like.
    pub(crate) fn new(config: &SmtpConfig) -> Result<Self, SetupError> {
        Ok(Self { connector: Connector::new(config)?, pool: Pool::new() })
    }

    /// Sends one email. Waits for its turn if the server takes no more connections.
    ///
    /// When the future is dropped, nothing was sent unless `begins` was called; what was begun then may have been.
    pub(crate) async fn send<K>(
        &self,
        envelope: &Envelope<'_>,
        recipients: Vec<Recipient<K>>,
        begins: &(dyn Fn() + Sync),
    ) -> Outcome<K> {
        let mut outcome = Outcome { verdicts: Vec::new(), fault: None };
        let mut left = recipients;
        let mut place = Place::Back;
        while !left.is_empty() {
            let lease = match self.session(place).await {
                Ok(lease) => lease,
                Err(fault) => return Outcome { fault: Some(fault), ..outcome },
            };
            (left, outcome.fault) = send_in(lease, envelope, left, &mut outcome.verdicts, begins).await;
            if outcome.fault.is_some() {
                break;
            }
            place = Place::New;
        }
        outcome
    }

    /// How many connections the server takes at once, as far as that was learned.
    pub(crate) fn limit(&self) -> &ConnectionLimit {
        self.pool.limit()
    }

    /// Ends the sessions that wait. Takes a second at the most.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }

    async fn session(&self, mut place: Place) -> Result<Lease<Session>, Fault> {
        loop {
            match self.pool.turn(place).await? {
                Turn::Reuse(mut lease) => {
                    if lease.session.is_quiet() {
                        return Ok(lease);
                    }
                    // Closed while it waited, whatever was said about it.
                    place = Place::Front;
                    lease.seat.doubtful();
                }
                Turn::Connect(seat) => match self.connector.connect().await {
                    Ok(session) => return Ok(seat.connected(session)),
                    Err(fault) => match seat.not_connected(fault) {
                        Some(fault) => return Err(fault),
                        None => place = Place::Front,
                    },
                },
            }
        }
    }
}

/// Sends an email in one session, for as long as that comes to decisions. Gives those who are left; without a fault, they
/// are for a new session.
async fn send_in<K>(
    mut lease: Lease<Session>,
    envelope: &Envelope<'_>,
    mut left: Vec<Recipient<K>>,
    verdicts: &mut Vec<(K, super::outcome::Verdict)>,
    begins: &(dyn Fn() + Sync),
) -> (Vec<Recipient<K>>, Option<Fault>) {
    loop {
        let Lease { session, seat } = &mut lease;
        let fresh = session.is_fresh();
        let milestones = Milestones { mail_accepted: &|| seat.works(), message_begins: begins };
        let transaction = transaction::send(session, envelope, left, &milestones).await;
        let progress = !transaction.verdicts.is_empty();
        verdicts.extend(transaction.verdicts);
        left = transaction.left;
        match transaction.next {
            Next::Continue if left.is_empty() => {
                lease.put_back();
                return (left, None);
            }
            Next::Continue if progress => {}
            // Nobody was decided upon, and no reason given: it would be the same for ever.
            Next::Continue => {
                return (left, Some(Fault::of_server(Kind::Protocol, "the server decides upon nobody")));
            }
            Next::Wait(fault) => {
                lease.put_back();
                return (left, Some(fault));
            }
            Next::Over(fault) if fresh && !progress => {
                let Lease { session, seat } = lease;
                drop(session);
                let recipients = left.iter().map(|recipient| recipient.address.as_str());
                seat.useless(&fault, EmailKey::of(&envelope.sender, recipients));
                return (left, Some(fault));
            }
            Next::Over(fault) => {
                let Lease { session, seat } = lease;
                drop(session);
                if fault.failure.kind == Kind::Timeout {
                    seat.doubtful();
                }
                return (left, None);
            }
        }
    }
}
