//! What the last action came to, told for a while.

use std::time::Duration;

use email_queue::Lane;
use tokio::time::Instant;

use crate::{advice, redis_client::Unanswered};

/// How long it is told.
const WHILE: Duration = Duration::from_secs(10);

/// A sentence about the last action.
pub(super) struct Told {
    pub(super) text: String,
    /// When it is old.
    pub(super) until: Instant,
    /// The lanes that are paused by what it says, if it says so.
    paused: Option<Vec<Lane>>,
}

impl Told {
    /// Of what has happened, which stays true.
    pub(super) fn of(text: impl Into<String>) -> Self {
        Self { text: text.into(), until: Instant::now() + WHILE, paused: None }
    }

    /// Of what is so as long as these lanes are paused, and no others.
    pub(super) fn while_paused(text: impl Into<String>, lanes: &[Lane]) -> Self {
        Self { paused: Some(lanes.to_vec()), ..Self::of(text) }
    }

    /// Of something that has failed. Not that Redis cannot be reached: it may be by now.
    pub(super) fn failed(what: &str, error: Unanswered) -> Self {
        Self::of(match error.is_unreachable() {
            true => format!("{what}: Redis gave no answer."),
            false => format!("{what}: {}", advice::explained(&error.into())),
        })
    }

    pub(super) fn is_old(&self, now: Instant) -> bool {
        now >= self.until
    }

    /// Whether these lanes are paused, and it says otherwise.
    pub(super) fn is_contradicted(&self, paused: &[Lane]) -> bool {
        self.paused.as_deref().is_some_and(|said| said != paused)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_for_a_while_and_no_longer_than_it_is_so() {
        let (event, now) = (Told::of("It was retried."), Instant::now());
        let later = now + WHILE;
        assert!(!event.is_old(now) && event.is_old(later));
        assert!(!event.is_contradicted(&[]) && !event.is_contradicted(&Lane::ALL));
        let state = Told::while_paused("Paused: low.", &[Lane::Low]);
        assert!(!state.is_contradicted(&[Lane::Low]) && state.is_old(state.until));
        assert!(state.is_contradicted(&[]) && state.is_contradicted(&Lane::ALL));
    }
}
