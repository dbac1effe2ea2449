//! Whether a worker that drains the queue has drained all shards.

use std::sync::{Mutex, PoisonError};

use email_queue::Shard;

/// Which shards have nothing left to send.
pub(crate) struct Drained(Mutex<Vec<bool>>);

impl Drained {
    /// None of so many.
    pub(crate) fn new(shards: usize) -> Self {
        Self(Mutex::new(vec![false; shards]))
    }

    /// Notes whether a shard is drained. Returns whether all are.
    pub(crate) fn set(&self, shard: Shard, is_drained: bool) -> bool {
        // Each change is a single one.
        let mut drained = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(entry) = drained.get_mut(usize::from(shard.number())) {
            *entry = is_drained;
        }
        drained.iter().all(|is_drained| *is_drained)
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
        assert!(drained.set(shards[0], true));
    }
}
