//! How long emails took to be sent, from their acceptance, or from their time if they were scheduled.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use email_queue::Histogram;
use jiff::Timestamp;

/// What the history of the queue has of it. Older minutes are dropped, if Redis was not there for so long.
const MINUTES: usize = 61;

/// Histograms of what this worker has sent, which are added to the queue's history from time to time.
#[derive(Default)]
pub(crate) struct Latencies {
    by_minute: Mutex<BTreeMap<i64, Histogram>>,
    /// Whether deliveries have ended since this was asked last.
    any_ended: AtomicBool,
}

impl Latencies {
    /// Adds deliveries that have ended now: of those that were sent, how long the emails took.
    pub(crate) fn add(&self, now: Timestamp, sent: impl Iterator<Item = Duration>) {
        self.any_ended.store(true, Ordering::Relaxed);
        let mut sent = sent.peekable();
        if sent.peek().is_none() {
            return;
        }
        let mut by_minute = self.by_minute();
        let histogram = by_minute.entry(now.as_second().div_euclid(60)).or_default();
        sent.for_each(|took| histogram.add(took));
    }

    /// Whether deliveries have ended since the last call.
    pub(crate) fn any_ended(&self) -> bool {
        self.any_ended.swap(false, Ordering::Relaxed)
    }

    /// Takes all, by minutes since 1970.
    pub(crate) fn take(&self) -> BTreeMap<i64, Histogram> {
        std::mem::take(&mut *self.by_minute())
    }

    /// Puts back what could not be stored.
    pub(crate) fn put_back(&self, taken: BTreeMap<i64, Histogram>) {
        let mut by_minute = self.by_minute();
        for (minute, histogram) in taken {
            by_minute.entry(minute).or_default().merge(&histogram);
        }
        while by_minute.len() > MINUTES {
            by_minute.pop_first();
        }
    }

    fn by_minute(&self) -> MutexGuard<'_, BTreeMap<i64, Histogram>> {
        // A panic under the lock leaves no change half-done.
        self.by_minute.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_stored_is_stored_with_what_follows_but_not_for_ever() {
        let latencies = Latencies::default();
        let at = |minute: i64| Timestamp::from_second(minute * 60).unwrap();
        latencies.add(at(1), std::iter::empty());
        assert!(latencies.take().is_empty());
        let took = [Duration::from_secs(1), Duration::ZERO];
        latencies.add(at(1), took.into_iter());
        let taken = latencies.take();
        assert_eq!(taken[&1].to_string(), "0:1 40:1");
        latencies.add(at(1), took.into_iter().take(1));
        latencies.put_back(taken);
        assert_eq!(latencies.take()[&1].to_string(), "0:1 40:2");
        for minute in 0..100 {
            latencies.add(at(minute), std::iter::once(Duration::from_secs(1)));
            let taken = latencies.take();
            latencies.put_back(taken);
        }
        assert_eq!(latencies.take().into_keys().next(), Some(39));
    }
}
