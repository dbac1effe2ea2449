//! The result of an email's attempt.

use std::time::Duration;

use email_queue::{
    EmailId,
    transition::{Outcome, Progress},
};
use jiff::Timestamp;

use crate::permits::Permit;

/// The result of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AttemptResult {
    pub(crate) outcome: Outcome,
    /// What all attempts together have achieved; empty where nothing is to be recorded.
    pub(crate) progress: Progress,
}

impl AttemptResult {
    pub(crate) fn without_progress(outcome: Outcome) -> Self {
        Self { outcome, progress: Progress::default() }
    }
}

/// The end of a delivery.
pub(crate) struct Delivered {
    pub(crate) result: AttemptResult,
    /// From when on the email could have been sent: its acceptance, or its time if it was scheduled.
    pub(crate) since: Timestamp,
    /// How long the worker has had the email.
    pub(crate) took: Duration,
}

/// The result of an email's attempt, to be recorded.
pub(crate) struct Completion {
    pub(crate) id: EmailId,
    pub(crate) delivered: Delivered,
    /// Released when Redis has recorded the result: an email is in flight until then. None if it was released before.
    pub(crate) permit: Option<Permit>,
}
