//! Whether a worker that drains the queue has drained all shards.

use std::sync::{Mutex, MutexGuard, PoisonError};

use email_queue::Shard;

/// Which shards have nothing left to send.
pub(crate) struct Drained(Mutex<State>);

struct State {
    shards: Vec<bool>,
    /// Whether at some time all were drained: the worker ends, and claims no more of any.
    is_over: bool,
}

impl Drained {
    /// None of so many.
    pub(crate) fn new(shards: usize) -> Self {
        Self(Mutex::new(State { shards: vec![false; shards], is_over: false }))
    }

    /// Notes whether a shard is drained. Returns whether all are, or were at some time.
    pub(crate) fn set(&self, shard: Shard, is_drained: bool) -> bool {
        let mut state = self.state();
        if let Some(entry) = state.shards.get_mut(usize::from(shard.number())) {
            *entry = is_drained;
        }
        state.is_over |= state.shards.iter().all(|is_drained| *is_drained);
        state.is_over
    }

    /// Whether all shards were drained at some time.
    pub(crate) fn is_over(&self) -> bool {
        self.state().is_over
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No change is left half-done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use email_queue::Shards;

    use super::*;

    #[test]
    fn a_queue_is_drained_when_no_shard_has_anything_left_at_once() {
        let shards: Vec<_> = Shards::new("{emails}".parse().unwrap(), 2).unwrap().all().collect();
        let drained = Drained::new(2);
        assert!(!drained.set(shards[0], true));
        assert!(!drained.set(shards[0], false), "an email has come meanwhile");
        assert!(!drained.set(shards[1], true));
        assert!(!drained.is_over());
        assert!(drained.set(shards[0], true));
        assert!(drained.set(shards[1], false) && drained.is_over(), "the worker ends");
    }
}
