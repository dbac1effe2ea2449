//! Whether Redis can be reached, so that a change is logged once, however many connections notice it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// Whether Redis can be reached, by all connections together.
#[derive(Debug, Default)]
pub(crate) struct Reachability(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    unreachable_since: Option<Instant>,
    /// When it was last reachable again. A failing older connection is not logged again.
    reachable_since: Option<Instant>,
}

impl Reachability {
    /// Records that a connection opened at this time has failed, or failed to open. True if this should be logged.
    pub(crate) fn failed(&self, opened: Instant) -> bool {
        let mut state = self.state();
        let is_old = state.reachable_since.is_some_and(|since| opened < since);
        let is_news = !is_old && state.unreachable_since.is_none();
        if is_news {
            state.unreachable_since = Some(Instant::now());
        }
        is_news
    }

    /// Records that Redis has replied to what it was asked at this time. True if this should be logged: not if the reply is from
    /// before another connection failed, and was only read after that.
    pub(crate) fn answered(&self, asked: Instant) -> bool {
        let mut state = self.state();
        let is_news = state.unreachable_since.is_some_and(|since| since <= asked);
        if is_news {
            (state.unreachable_since, state.reachable_since) = (None, Some(Instant::now()));
        }
        is_news
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn going_and_coming_are_news_once_and_what_broke_by_it_is_none() {
        let (redis, opened) = (Reachability::default(), Instant::now());
        assert!(!redis.answered(Instant::now()));
        assert!(redis.failed(opened));
        assert!(!redis.failed(Instant::now()));
        assert!(!redis.answered(opened), "it replied before it went");
        assert!(!redis.failed(Instant::now()));
        assert!(redis.answered(Instant::now()));
        assert!(!redis.failed(opened), "it broke when Redis went");
        assert!(redis.failed(Instant::now()));
    }
}
