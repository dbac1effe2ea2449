use std::time::Duration;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::{
    EmailId, Lane, Queue, Shard, Shards,
    call::{Answer, Call, UnexpectedAnswer, milliseconds},
    email::with_due,
    hex,
    replication::Replication,
    script::ENQUEUE,
};

/// What [`enqueue`] needs. By default no emails, and no limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Enqueue<'a> {
    /// The emails: all are accepted, or none.
    pub emails: &'a [NewEmail],
    /// The limit of waiting and scheduled emails; `None` for no limit.
    pub backlog_limit: Option<u64>,
    /// The limit of the size of all records, in bytes; `None` for no limit.
    pub backlog_bytes: Option<u64>,
    /// How long these emails are kept once they are sent; `None` leaves it to the worker.
    pub retention: Option<Duration>,
    /// Identifies a repetition of this request for 24 hours; `None` if it need not be recognised.
    pub idempotency: Option<&'a Idempotency>,
    /// What must have the emails before the call succeeds; `None` for the primary alone.
    pub replication: Option<Replication>,
}

/// An email to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewEmail {
    /// Its id. One that exists already is accepted again without a change, so a call can be repeated.
    pub id: EmailId,
    /// The list to put it on.
    pub lane: Lane,
    /// Not before this time; `None` for at once.
    pub due: Option<Timestamp>,
    /// The email, as [`Email::to_json`](crate::Email::to_json) writes it.
    pub json: Vec<u8>,
}

/// Identifies a repeated request. Contains only hashes, because the keys are the client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    key: String,
    request: String,
}

impl Idempotency {
    /// `key` is the client's name for the request, unique within `scope`, the client. `digests` are those of
    /// [`Submission::digest`](crate::Submission::digest), in order.
    #[must_use]
    pub fn new<'a>(scope: &str, key: &str, digests: impl IntoIterator<Item = &'a [u8; 32]>) -> Self {
        let scope = Sha256::digest(scope);
        let key = Sha256::new().chain_update(scope).chain_update(key).finalize();
        let request = digests.into_iter().fold(Sha256::new(), Digest::chain_update).finalize();
        Self { key: hex(&key), request: hex(&request) }
    }

    /// The shard in which the request is accepted and recognised.
    #[must_use]
    pub fn shard(&self, shards: &Shards) -> Shard {
        shards.of_key(&self.key)
    }

    /// The key, hashed.
    pub(super) fn key(&self) -> &str {
        &self.key
    }
}

/// The answer to [`enqueue`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Enqueued {
    /// All emails are safe in Redis.
    Accepted,
    /// The same request was accepted before, with these ids. Nothing was changed.
    Repeated(Vec<EmailId>),
    /// Another request was accepted under the same idempotency key, or the key [has moved](super::move_key) to another shard.
    /// Nothing was changed.
    Conflict,
    /// The backlog has no room for them. Nothing was changed.
    BacklogFull,
    /// There is no room for so many bytes, unless [`make_room`](super::make_room) makes some. Nothing was changed.
    NoBytesLeft {
        /// How many bytes the records of all emails have.
        stored: u64,
        /// How many more those of this call would have.
        asked: u64,
    },
}

/// Accepts emails: each gets a record, and is pushed to its list or scheduled.
pub fn enqueue(queue: &Queue, enqueue: Enqueue<'_>) -> Call<Enqueued> {
    let retention = enqueue.retention.map(|retention| milliseconds(retention).to_string());
    let (key, request) = match enqueue.idempotency {
        Some(Idempotency { key, request }) => (key.as_str(), request.as_str()),
        None => ("", ""),
    };
    let call = Call::script(&ENQUEUE, queue, enqueued)
        .number(enqueue.backlog_limit.unwrap_or(0))
        .number(enqueue.backlog_bytes.unwrap_or(0))
        .argument(retention.unwrap_or_default())
        .argument(key)
        .argument(request)
        .argument(if enqueue.replication.is_some() { "1" } else { "" })
        .replicated(enqueue.replication)
        .replication_needed_for(|enqueued| matches!(enqueued, Enqueued::Accepted | Enqueued::Repeated(_)));
    enqueue.emails.iter().fold(call, |call, email| {
        call.number(email.id)
            .argument(email.lane.as_str())
            .number(email.due.map_or(0, Timestamp::as_millisecond))
            .argument(email.due.map_or_else(|| email.json.clone(), |due| with_due(&email.json, due)))
    })
}

fn enqueued(answer: &mut Answer) -> Result<Enqueued, UnexpectedAnswer> {
    Ok(match answer.number()? {
        0 => Enqueued::BacklogFull,
        1 => Enqueued::Accepted,
        2 => {
            let mut ids = Vec::new();
            while !answer.is_empty() {
                ids.push(answer.text()?.parse().map_err(|_| UnexpectedAnswer)?);
            }
            Enqueued::Repeated(ids)
        }
        3 => Enqueued::Conflict,
        4 => Enqueued::NoBytesLeft { stored: answer.number()?, asked: answer.number()? },
        _ => return Err(UnexpectedAnswer),
    })
}
