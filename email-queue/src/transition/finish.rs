use std::time::Duration;

use jiff::Timestamp;

use super::{ClaimRef, Claims, FINISH, claim::claimed, milliseconds};
use crate::{Queue, redis::Call};

/// What became of one claimed email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Which email, and which claim of it.
    pub claim: ClaimRef,
    /// What became of it.
    pub outcome: Outcome,
    /// All recipients who have it by now, unless it is sent; empty leaves what is recorded as it is.
    pub accepted: Vec<String>,
}

/// The ways in which a claim can end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The transport took it, for every recipient who can be reached.
    Sent,
    /// It could not be sent for now.
    Delayed {
        /// The back-off, from now.
        retry_in: Duration,
        /// Why, for people.
        error: String,
    },
    /// It was not tried, because its time has not come. Counts as no attempt.
    Scheduled {
        /// Its time.
        due: Timestamp,
    },
    /// It cannot be sent: a dead letter.
    Failed {
        /// Why, for people.
        error: String,
    },
}

/// The emails that a [`finish`] is to claim in the same call.
#[derive(Debug, Clone, Copy)]
pub struct Next {
    /// How long the worker's lease holds from then on, for all that it has in hand.
    pub lease: Duration,
    /// How many emails at the most.
    pub max: usize,
    /// How many bytes of email at the most, the first one included.
    pub max_bytes: usize,
}

/// The answer to [`finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// For each outcome whether it was recorded: not so when the lease was over and another worker has claimed the email
    /// since.
    pub recorded: Vec<bool>,
    /// The next emails, as from [`claim`](super::claim).
    pub next: Claims,
}

/// Records what became of emails that `worker` has claimed, and claims the next ones. Emails that were sent are kept for
/// `retention`.
pub fn finish(
    queue: &Queue,
    worker: &str,
    retention: Duration,
    finished: &[Finish],
    next: Option<Next>,
) -> Call<Finished> {
    let Next { lease, max, max_bytes } = next.unwrap_or(Next { lease: Duration::ZERO, max: 0, max_bytes: 0 });
    let call = Call::script(&FINISH, queue, |answer| {
        let outcomes = answer.number()?;
        let recorded = (0..outcomes).map(|_: usize| answer.flag()).collect::<Result<_, _>>()?;
        Ok(Finished { recorded, next: claimed(answer)? })
    });
    let call = call.argument(worker).number(milliseconds(retention));
    let call = call.number(milliseconds(lease)).number(max).number(max_bytes);
    finished.iter().fold(call, |call, Finish { claim, outcome, accepted }| {
        let call = call.claim(*claim);
        let (outcome, when, error) = match outcome {
            Outcome::Sent => return call.argument("sent"),
            Outcome::Delayed { retry_in, error } => ("delayed", milliseconds(*retry_in), error.as_str()),
            Outcome::Scheduled { due } => ("scheduled", due.as_millisecond().try_into().unwrap_or(0), ""),
            Outcome::Failed { error } => ("failed", 0, error.as_str()),
        };
        let accepted = match accepted.as_slice() {
            [] => String::new(),
            accepted => serde_json::Value::from(accepted).to_string(),
        };
        call.argument(outcome).number(when).argument(error).argument(accepted)
    })
}
