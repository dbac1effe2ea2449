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

/// The result of an email's attempt, to be recorded.
pub(crate) struct Completion {
    pub(crate) id: EmailId,
    pub(crate) result: AttemptResult,
    /// How long the worker has had the email.
    pub(crate) took: Duration,
    /// When the email was accepted.
    pub(crate) accepted: Timestamp,
    /// Released when Redis has recorded the result: an email is in flight until then. None if it was released before.
    pub(crate) permit: Option<Permit>,
}
