use std::time::Duration;

use jiff::Timestamp;

use super::{ENQUEUE, milliseconds};
use crate::{EmailId, Lane, Queue, redis::Call};

/// What [`enqueue`] needs.
#[derive(Debug)]
pub struct Enqueue<'a> {
    /// The emails: all are accepted, or none.
    pub emails: &'a [NewEmail],
    /// How many emails may wait or be scheduled before the queue refuses more; `None` for no limit.
    pub backlog_limit: Option<u64>,
    /// How long these emails are kept once they are sent; `None` leaves it to the worker.
    pub retention: Option<Duration>,
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

/// The answer to [`enqueue`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// All emails are safe in Redis.
    Accepted,
    /// The backlog has no room for them; nothing was changed.
    BacklogFull,
}

/// Accepts emails: each gets a record, and is listed or scheduled.
pub fn enqueue(queue: &Queue, enqueue: Enqueue<'_>) -> Call<Enqueued> {
    let call = Call::script(&ENQUEUE, queue, |answer| {
        let accepted = answer.flag()?;
        let _backlog: u64 = answer.number()?;
        Ok(if accepted { Enqueued::Accepted } else { Enqueued::BacklogFull })
    });
    let retention = enqueue.retention.map(|retention| milliseconds(retention).to_string());
    let call = call.number(enqueue.backlog_limit.unwrap_or(0)).argument(retention.unwrap_or_default());
    enqueue.emails.iter().fold(call, |call, email| {
        call.number(email.id)
            .argument(email.lane.as_str())
            .number(email.due.map_or(0, Timestamp::as_millisecond))
            .argument(email.json.as_slice())
    })
}
