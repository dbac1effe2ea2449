//! How many emails may be in flight at once, and which shard gets the next of them.
//!
//! A shard may have all permits as long as no other waits for one. When others do, those that hold more than their share give up
//! what is above it, email by email, and the shard with the fewest gets it. A shard with nothing to send has no share. Of
//! several shards one takes half of what is free at a time, so that the next finds some while the first still claims.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The permits of a worker. No email is in flight without one.
pub(crate) struct Permits {
    all: usize,
    state: Mutex<State>,
}

struct State {
    /// None while any shard waits.
    free: usize,
    /// How many each shard has.
    held: Vec<usize>,
    /// In the order in which they began to wait.
    waiting: Vec<Waiting>,
}

struct Waiting {
    shard: usize,
    granted: oneshot::Sender<Permit>,
}

/// Some permits of a shard. They are free again when this is dropped.
pub(crate) struct Permit {
    permits: Arc<Permits>,
    shard: usize,
    count: usize,
}

impl Permits {
    /// So many permits for so many shards.
    pub(crate) fn new(all: usize, shards: usize) -> Arc<Self> {
        let state = State { free: all, held: vec![0; shards], waiting: Vec::new() };
        Arc::new(Self { all, state: Mutex::new(state) })
    }

    /// Whether none is free.
    pub(crate) fn are_taken(&self) -> bool {
        self.state().free == 0
    }

    /// Waits for a permit, and takes others that are free.
    ///
    /// When the future is dropped, nothing is taken.
    pub(crate) async fn acquire(self: &Arc<Self>, shard: usize) -> Option<Permit> {
        let granted = {
            let mut state = self.state();
            if state.free > 0 {
                return self.take(&mut state, shard);
            }
            let (granted, waits) = oneshot::channel();
            state.waiting.push(Waiting { shard, granted });
            waits
        };
        // They are never dropped while any shard waits.
        let mut permit = granted.await.ok()?;
        if let Some(others) = self.try_acquire(shard) {
            permit.merge(others);
        }
        Some(permit)
    }

    /// Takes those that are free: half of them, if there are several shards. `None` where none is.
    pub(crate) fn try_acquire(self: &Arc<Self>, shard: usize) -> Option<Permit> {
        self.take(&mut self.state(), shard)
    }

    /// How many of so many permits a shard is to give up for others: those above its share, as far as a shard waits that has
    /// less than its own.
    pub(crate) fn owed(&self, shard: usize, count: usize) -> usize {
        let state = self.state();
        if state.waiting.iter().all(|waiting| waiting.shard == shard) {
            return 0;
        }
        let waits = |shard| state.waiting.iter().any(|waiting| waiting.shard == shard);
        let active = state.held.iter().enumerate().filter(|(shard, held)| **held > 0 || waits(*shard)).count();
        let share = self.all / active.max(1);
        let others = state.waiting.iter().filter(|waiting| waiting.shard != shard);
        let missing = others.map(|waiting| share.max(1).saturating_sub(state.held[waiting.shard])).sum();
        state.held[shard].saturating_sub(share).min(missing).min(count)
    }

    fn take(self: &Arc<Self>, state: &mut State, shard: usize) -> Option<Permit> {
        let count = if state.held.len() == 1 { state.free } else { state.free.div_ceil(2) };
        state.free -= count;
        state.held[shard] += count;
        (count > 0).then(|| Permit { permits: Arc::clone(self), shard, count })
    }

    fn release(self: &Arc<Self>, shard: usize, count: usize) {
        let mut state = self.state();
        state.free += count;
        state.held[shard] -= count;
        while state.free > 0
            && let Some(next) = state.next()
        {
            let Waiting { shard, granted } = state.waiting.remove(next);
            state.free -= 1;
            state.held[shard] += 1;
            if let Err(mut unwanted) = granted.send(Permit { permits: Arc::clone(self), shard, count: 1 }) {
                // Who waited has stopped to wait.
                unwanted.count = 0;
                state.free += 1;
                state.held[shard] -= 1;
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Who is next: of those with the fewest permits, the first that began to wait.
    fn next(&self) -> Option<usize> {
        let fewest = self.waiting.iter().enumerate().min_by_key(|(_, waiting)| self.held[waiting.shard]);
        fewest.map(|(index, _)| index)
    }
}

impl Permit {
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Takes one permit off. `None` when none is left.
    pub(crate) fn split(&mut self) -> Option<Self> {
        self.count = self.count.checked_sub(1)?;
        Some(Self { permits: Arc::clone(&self.permits), shard: self.shard, count: 1 })
    }

    /// Adds permits of the same shard.
    pub(crate) fn merge(&mut self, mut other: Self) {
        self.count += std::mem::take(&mut other.count);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.count > 0 {
            self.permits.release(self.shard, self.count);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{pin::Pin, task::Poll};

    use futures_util::{FutureExt, poll};

    use super::*;

    type Waits<'a> = Pin<Box<dyn Future<Output = Option<Permit>> + 'a>>;

    /// A shard that waits for a permit.
    async fn waits(permits: &Arc<Permits>, shard: usize) -> Waits<'_> {
        let mut waits: Waits<'_> = Box::pin(permits.acquire(shard));
        assert!(poll!(waits.as_mut()).is_pending(), "none is free");
        waits
    }

    /// All permits, for one shard.
    async fn all_of(permits: &Arc<Permits>, shard: usize) -> Permit {
        let mut all = permits.acquire(shard).await.unwrap();
        while let Some(more) = permits.try_acquire(shard) {
            all.merge(more);
        }
        all
    }

    fn got(waits: Waits<'_>) -> usize {
        waits.now_or_never().flatten().map_or(0, |permit| {
            let count = permit.count();
            std::mem::forget(permit);
            count
        })
    }

    #[tokio::test]
    async fn one_shard_has_all_permits_and_gives_up_none() {
        let permits = Permits::new(3, 1);
        let mut all = permits.acquire(0).await.unwrap();
        assert_eq!(all.count(), 3);
        let (one, _two) = (all.split().unwrap(), all.split().unwrap());
        let waits = waits(&permits, 0).await;
        assert_eq!(permits.owed(0, 3), 0);
        drop(one);
        assert_eq!(got(waits), 1);
        drop(all);
        assert_eq!(permits.try_acquire(0).unwrap().count(), 1);
    }

    #[tokio::test]
    async fn a_shard_gives_up_what_is_above_its_share_to_the_one_with_the_fewest() {
        let permits = Permits::new(4, 3);
        let mut busy = all_of(&permits, 0).await;
        assert_eq!((busy.count(), permits.owed(0, 4)), (4, 0), "the others are idle");
        let (own, second) = (waits(&permits, 0).await, waits(&permits, 1).await);
        // It is active beside one other: two for each.
        assert_eq!((permits.owed(0, 4), permits.owed(0, 1)), (2, 1));
        drop(busy.split());
        assert_eq!(got(second), 1, "not to itself, though it began to wait earlier");
        let (second, third) = (waits(&permits, 1).await, waits(&permits, 2).await);
        // Three of them: one for each, and the third has none.
        assert_eq!((permits.owed(0, 3), permits.owed(1, 1)), (1, 0));
        drop(busy.split());
        assert_eq!(got(third), 1);
        assert_eq!(permits.owed(0, 2), 0, "whoever has a share waits for no more of others");
        drop((own, second));
    }

    #[tokio::test]
    async fn with_fewer_permits_than_shards_each_has_its_turn() {
        let permits = Permits::new(1, 3);
        let mut turn = permits.acquire(0).await.unwrap();
        let mut order = Vec::new();
        let mut waiting = vec![(1, waits(&permits, 1).await), (2, waits(&permits, 2).await)];
        for _ in 0..6 {
            let shard = turn.shard;
            assert_eq!(permits.owed(shard, 1), 1);
            waiting.push((shard, waits(&permits, shard).await));
            drop(turn);
            let (next, waits) = waiting.remove(0);
            turn = waits.now_or_never().flatten().unwrap();
            order.push(next);
        }
        assert_eq!(order, [1, 2, 0, 1, 2, 0]);
    }

    #[tokio::test]
    async fn who_has_stopped_to_wait_gets_none() {
        let permits = Permits::new(1, 2);
        let held = permits.acquire(0).await.unwrap();
        let gone = waits(&permits, 0).await;
        let mut other = waits(&permits, 1).await;
        drop(gone);
        drop(held);
        assert!(matches!(poll!(other.as_mut()), Poll::Ready(Some(permit)) if permit.count() == 1));
        assert!(!permits.are_taken());
    }
}
