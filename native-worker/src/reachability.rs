//! Whether Redis can be reached, as the log tells it: its going and its coming once each, however many connections notice.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

/// What the connections to one Redis have noticed of it.
#[derive(Debug, Default)]
pub(crate) struct Reachability(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    is_away: bool,
    /// When it was last back. A connection from before that breaks by what has been said.
    back: Option<Instant>,
}

impl Reachability {
    /// Notes that a connection that was opened then has failed, or now failed to open. True when that is news.
    pub(crate) fn failed(&self, opened: Instant) -> bool {
        let mut state = self.state();
        let is_old = state.back.is_some_and(|back| opened < back);
        !is_old && !std::mem::replace(&mut state.is_away, true)
    }

    /// Notes that Redis has answered. True when that is news.
    pub(crate) fn answered(&self) -> bool {
        let mut state = self.state();
        let is_news = std::mem::take(&mut state.is_away);
        if is_news {
            state.back = Some(Instant::now());
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
        assert!(!redis.answered());
        assert!(redis.failed(opened));
        assert!(!redis.failed(Instant::now()));
        assert!(redis.answered());
        assert!(!redis.failed(opened), "it broke when Redis went");
        assert!(redis.failed(Instant::now()));
    }
}
