//! Why an email has not been sent, and when it will be.

mod decide;
mod facts;
mod rate;

use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::{
    Class, EmailId, Lane, Queue, Shards, State,
    call::{CallError, Redis},
};

/// What an email waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// Its state.
    pub state: State,
    /// Its lane.
    pub lane: Lane,
    /// The reason, for programs.
    pub reason: Reason,
    /// The reason, for people, with the way out.
    pub sentence: String,
    /// Its place among all that wait and are sent no later, from 1 on; only while it is queued. Not exact beyond ten thousand.
    pub place: Option<u64>,
    /// When it is due, if that is later.
    pub due: Option<Timestamp>,
    /// When what it waits for ends, if that is known.
    pub until: Option<Timestamp>,
    /// The relay that is held off.
    pub relay: Option<String>,
    /// What kind of failure it is for which it waits, or has failed.
    pub class: Option<Class>,
    /// The worker that has it in flight.
    pub worker: Option<String>,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// When it will be sent, by the rate at which its queue was emptied of late; `None` where nothing tells.
    pub estimated: Option<Timestamp>,
    /// How long that is from now.
    pub estimated_in: Option<Duration>,
}

/// Why an email has not been sent, or that it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Others of its lane, or of more urgent ones, are before it.
    WaitingInLane,
    /// Its lane is paused.
    Paused,
    /// It is for later.
    Scheduled,
    /// Its last attempt failed.
    BackOff,
    /// The relay fails; no emails are sent to it.
    RelayHeldOff,
    /// The relay refuses its sender for now.
    SenderHeldOff,
    /// The relay takes no more for now.
    RateLimited,
    /// No worker lives.
    NoWorker,
    /// A worker is sending it.
    InFlight,
    /// It was sent.
    Sent,
    /// It is a dead letter.
    Failed,
    /// It was canceled.
    Canceled,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 12] = [
        Reason::WaitingInLane,
        Reason::Paused,
        Reason::Scheduled,
        Reason::BackOff,
        Reason::RelayHeldOff,
        Reason::SenderHeldOff,
        Reason::RateLimited,
        Reason::NoWorker,
        Reason::InFlight,
        Reason::Sent,
        Reason::Failed,
        Reason::Canceled,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::WaitingInLane => "waiting_in_lane",
            Reason::Paused => "paused",
            Reason::Scheduled => "scheduled",
            Reason::BackOff => "back_off",
            Reason::RelayHeldOff => "relay_held_off",
            Reason::SenderHeldOff => "sender_held_off",
            Reason::RateLimited => "rate_limited",
            Reason::NoWorker => "no_worker",
            Reason::InFlight => "in_flight",
            Reason::Sent => "sent",
            Reason::Failed => "failed",
            Reason::Canceled => "canceled",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Asks why an email has not been sent, and when it will be; `None` if there is no such email. Two calls, a third one while a
/// sender is held off, each bounded whatever the length of the queue. They are not atomic together, so the answer may be of a
/// moment that was not.
///
/// The estimate is the email's place by the rate at which emails left the queue while some waited, and what more urgent ones arrive
/// meanwhile.
///
/// # Errors
/// As [`Call::run`](crate::call::Call::run).
pub async fn why<R: Redis>(redis: &R, shards: &Shards, id: EmailId) -> Result<Option<Why>, CallError<R::Error>> {
    let queue = shards.queue(shards.of(id));
    // As old ids say no shard.
    let found = match of_email(redis, &queue, id).await? {
        None if queue != *shards.first() => of_email(redis, shards.first(), id).await?,
        found => found,
    };
    let Some(mut facts) = found else { return Ok(None) };
    if let Some(held) = facts::held(shards.first()).run(redis).await? {
        let sender = facts.sender.as_deref().filter(|_| held.senders_until > facts.now);
        if let Some(sender) = sender {
            facts.held_sender = facts::held_sender(shards.first(), &held.key, sender).run(redis).await?;
        }
        facts.held_relay = held.relay;
    }
    Ok(Some(decide::decide(id, &facts)))
}

async fn of_email<R: Redis>(
    redis: &R,
    queue: &Queue,
    id: EmailId,
) -> Result<Option<facts::Facts>, CallError<R::Error>> {
    facts::of_email(queue, id).run(redis).await
}
