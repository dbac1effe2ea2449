use std::time::Duration;

use jiff::Timestamp;

use super::{ClaimRef, FINISH, flags, milliseconds};
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

/// Records what became of claimed emails. Emails that were sent are kept for `retention`.
///
/// The answer says for each whether it was recorded: not so when the lease was over and another worker has claimed the
/// email since.
pub fn finish(queue: &Queue, retention: Duration, finished: &[Finish]) -> Call<Vec<bool>> {
    let call = Call::script(&FINISH, queue, flags).number(milliseconds(retention));
    finished.iter().fold(call, |call, Finish { claim, outcome, accepted }| {
        let call = call.number(claim.id).number(claim.number);
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
