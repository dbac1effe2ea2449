//! What became of an email, on its way to Redis.

use email_queue::{
    EmailId,
    transition::{Outcome, Progress},
};
use tokio::sync::OwnedSemaphorePermit;

/// What became of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AttemptResult {
    pub(crate) outcome: Outcome,
    /// What all attempts have come to; nothing where nothing is to be recorded.
    pub(crate) progress: Progress,
}

impl AttemptResult {
    pub(crate) fn nothing_new(outcome: Outcome) -> Self {
        Self { outcome, progress: Progress::default() }
    }
}

/// The result of an email's attempt, to be recorded.
pub(crate) struct Completion {
    pub(crate) id: EmailId,
    pub(crate) result: AttemptResult,
    /// Free again only when Redis has recorded the result: an email counts as in flight until then.
    /// None when others were let go on.
    pub(crate) permit: Option<OwnedSemaphorePermit>,
}
