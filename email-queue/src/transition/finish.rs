use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::{ClaimRef, Claims, Progress, claim::claimed};
use crate::{
    Class, Queue,
    call::{Call, milliseconds},
    script::FINISH,
};

/// The outcome of one claimed email.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finish {
    /// Which email, and which claim of it.
    pub claim: ClaimRef,
    /// Its outcome.
    pub outcome: Outcome,
    /// The progress of all attempts together, unless it is sent. An empty list leaves the stored one unchanged.
    pub progress: Progress,
    /// How the outcome came about. Not needed for an email that is sent at its first claim: it has no timeline.
    pub attempt: Attempt,
}

/// How the outcome of an email came about, for its timeline.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Attempt {
    /// How long the worker had the email.
    pub took: Duration,
    /// The name of the relay that it was for, or is for.
    pub relay: String,
}

impl Finish {
    /// An outcome of which no more is known.
    #[must_use]
    pub fn new(claim: ClaimRef, outcome: Outcome, progress: Progress) -> Self {
        Self { claim, outcome, progress, attempt: Attempt::default() }
    }
}

/// How a claim can end. Texts are human-readable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The transport took it, for every recipient who can be reached.
    Sent,
    /// An attempt has failed for now.
    Delayed {
        /// The back-off, from now.
        retry_in: Duration,
        /// What kind of failure it is.
        class: Class,
        /// Why.
        error: String,
    },
    /// It waits through no fault of its own. Counts no attempt.
    Postponed {
        /// For how long.
        retry_in: Duration,
        /// What kind of failure it is.
        class: Class,
        /// Why.
        error: String,
    },
    /// It returns to the front of its lane through no fault of its own. Counts no attempt.
    Returned {
        /// What kind of failure it is.
        class: Class,
        /// Why.
        error: String,
    },
    /// It was not tried, because it is not due yet. Counts no attempt.
    Scheduled {
        /// Its time.
        due: Timestamp,
    },
    /// It cannot be sent: a dead letter.
    Failed {
        /// What kind of failure it is.
        class: Class,
        /// Why.
        error: String,
    },
}

impl Outcome {
    /// What kind of failure it is, if it is one.
    #[must_use]
    pub fn class(&self) -> Option<Class> {
        match self {
            Self::Sent | Self::Scheduled { .. } => None,
            Self::Delayed { class, .. }
            | Self::Postponed { class, .. }
            | Self::Returned { class, .. }
            | Self::Failed { class, .. } => Some(*class),
        }
    }

    /// Its name in Redis, in logs and in metrics.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delayed { .. } => "delayed",
            Self::Postponed { .. } => "postponed",
            Self::Returned { .. } => "returned",
            Self::Scheduled { .. } => "scheduled",
            Self::Failed { .. } => "failed",
        }
    }
}

/// How long emails are kept and tried.
#[derive(Debug, Clone, Copy)]
pub struct Periods {
    /// How long a sent email is kept, unless it has its own retention.
    pub retention: Duration,
    /// How long an email is retried, from its first failure. One that fails or has to wait after that becomes a dead
    /// letter.
    pub retry_for: Duration,
}

/// What a [`finish`] claims in the same call.
#[derive(Debug, Clone, Copy)]
pub struct Next {
    /// How long the worker's lease lasts from then on, for all that it has in flight.
    pub lease: Duration,
    /// How many emails at the most.
    pub max: usize,
    /// The maximum of bytes of emails, including the first.
    pub max_bytes: usize,
}

/// The answer to [`finish`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Whether each outcome was recorded. It is not if the lease had expired and another worker has claimed the email.
    pub recorded: Vec<bool>,
    /// Whether each email is a dead letter now because its retry period is over, though its outcome was to try it again.
    pub given_up: Vec<bool>,
    /// The next emails, as from [`claim`](super::claim).
    pub next: Claims,
}

/// What the script replies for an email whose retry period is over.
const GIVEN_UP: u8 = 2;

/// Records outcomes of emails that `worker` has claimed, and claims the next ones.
pub fn finish(
    queue: &Queue,
    worker: &str,
    periods: Periods,
    finished: &[Finish],
    next: Option<Next>,
) -> Call<Finished> {
    let Next { lease, max, max_bytes } = next.unwrap_or(Next { lease: Duration::ZERO, max: 0, max_bytes: 0 });
    let call = Call::script(&FINISH, queue, |answer| {
        let outcomes: usize = answer.number()?;
        let (mut recorded, mut given_up) = (Vec::new(), Vec::new());
        for _ in 0..outcomes {
            let effect: u8 = answer.number()?;
            recorded.push(effect > 0);
            given_up.push(effect == GIVEN_UP);
        }
        Ok(Finished { recorded, given_up, next: claimed(answer)? })
    });
    let call = call.argument(worker).milliseconds(periods.retention);
    let call = call.milliseconds(lease).number(max).number(max_bytes);
    finished.iter().fold(call, |call, Finish { claim, outcome, progress, attempt }| {
        let call = call.claim(*claim);
        let (outcome, when, class, error) = match outcome {
            Outcome::Sent if claim.number == 1 => return call.argument("sent"),
            Outcome::Sent => ("sent_late", 0, "", ""),
            Outcome::Delayed { retry_in, class, error } => {
                ("delayed", milliseconds(*retry_in), class.as_str(), error.as_str())
            }
            Outcome::Postponed { retry_in, class, error } => {
                ("postponed", milliseconds(*retry_in), class.as_str(), error.as_str())
            }
            Outcome::Returned { class, error } => ("returned", 0, class.as_str(), error.as_str()),
            Outcome::Scheduled { due } => ("scheduled", due.as_millisecond().try_into().unwrap_or(0), "", ""),
            Outcome::Failed { class, error } => ("failed", 0, class.as_str(), error.as_str()),
        };
        call.argument(outcome)
            .number(when)
            .argument(class)
            .argument(error)
            .argument(json_unless(progress.accepted.is_empty(), &progress.accepted))
            .argument(json_unless(progress.refused.is_empty(), &progress.refused))
            .number(progress.timeouts)
            .milliseconds(periods.retry_for)
            .milliseconds(attempt.took)
            .argument(attempt.relay.as_str())
    })
}

/// As JSON, or nothing.
fn json_unless(nothing: bool, value: &impl Serialize) -> Vec<u8> {
    // These types always serialize to JSON.
    if nothing { Vec::new() } else { serde_json::to_vec(value).unwrap_or_default() }
}
