//! What Redis refuses, so that a refusal that lasts is logged once, and so is its end, however often the call is repeated.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

/// For how long Redis must not have refused a call before that counts as over. Meanwhile it may take some of the same calls: a `BRPOP`
/// that finds an entry before it comes to the key of a wrong type, or outcomes other than the one that it refuses, which is tried
/// again every ten seconds.
const QUIET: Duration = Duration::from_secs(15);

/// What Redis refuses of one shard, by all connections together.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    /// Whether there is any, so that calls that succeed need no lock.
    any: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    calls: HashMap<String, Refused>,
    /// The keys of a wrong type that were logged.
    keys: HashSet<String>,
}

#[derive(Debug)]
struct Refused {
    last: Instant,
    /// The last error; `None` if the call has succeeded since.
    error: Option<String>,
}

impl Refusals {
    /// Records that Redis has refused a call. True if this should be logged.
    pub(crate) fn refused(&self, call: &str, error: &str) -> bool {
        self.refused_at(call, error, Instant::now())
    }

    /// Records that Redis has carried out a call. True if this should be logged: it was refused, and is not any more.
    pub(crate) fn carried_out(&self, call: &str) -> bool {
        self.any.load(Ordering::Relaxed) && self.carried_out_at(call, Instant::now())
    }

    /// Why Redis refuses a call; `None` if it did not the last time.
    pub(crate) fn error(&self, call: &str) -> Option<String> {
        self.state().calls.get(call)?.error.clone()
    }

    /// Records that a key has a wrong type. True if this should be logged.
    pub(crate) fn is_news_of_key(&self, key: &str) -> bool {
        self.state().keys.insert(key.to_owned())
    }

    fn refused_at(&self, call: &str, error: &str, now: Instant) -> bool {
        let refused = Refused { last: now, error: Some(error.to_owned()) };
        let mut state = self.state();
        self.any.store(true, Ordering::Relaxed);
        // One that succeeded soon after its last refusal, and was not made since, is not refused without an end.
        let is_over = |before: Refused| before.error.is_none() && now.saturating_duration_since(before.last) >= QUIET;
        state.calls.insert(call.to_owned(), refused).is_none_or(is_over)
    }

    fn carried_out_at(&self, call: &str, now: Instant) -> bool {
        let mut state = self.state();
        let Some(refused) = state.calls.get_mut(call) else { return false };
        refused.error = None;
        if now.saturating_duration_since(refused.last) < QUIET {
            return false;
        }
        state.calls.remove(call);
        if state.calls.is_empty() {
            state.keys.clear();
            self.any.store(false, Ordering::Relaxed);
        }
        true
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_news_once_and_so_is_its_end_however_often_the_call_succeeds_meanwhile() {
        let (refusals, mut now) = (Refusals::default(), Instant::now());
        assert!(!refusals.carried_out_at("BRPOP", now));
        assert!(refusals.refused_at("BRPOP", "WRONGTYPE", now));
        for _ in 0..10 {
            now += QUIET / 2;
            assert!(!refusals.carried_out_at("BRPOP", now));
            assert_eq!(refusals.error("BRPOP"), None);
            assert!(!refusals.refused_at("BRPOP", "WRONGTYPE", now));
            assert_eq!(refusals.error("BRPOP").as_deref(), Some("WRONGTYPE"));
        }
        assert!(refusals.refused_at("claim", "NOPERM", now), "each call has its own");
        now += QUIET;
        assert!(refusals.carried_out_at("BRPOP", now));
        assert!(!refusals.carried_out_at("BRPOP", now));
        assert!(refusals.refused_at("BRPOP", "WRONGTYPE", now));
    }

    #[test]
    fn a_call_that_is_rarely_made_is_news_each_time() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        assert!(refusals.refused_at("hold_off", "OOM", now));
        assert!(!refusals.carried_out_at("hold_off", now + QUIET / 2));
        assert!(refusals.refused_at("hold_off", "NOPERM", now + 100 * QUIET));
        assert!(!refusals.refused_at("hold_off", "NOPERM", now + 200 * QUIET), "it was not carried out meanwhile");
    }

    #[test]
    fn a_key_is_news_again_when_nothing_is_refused_any_more() {
        let (refusals, now) = (Refusals::default(), Instant::now());
        refusals.refused_at("claim", "WRONGTYPE", now);
        refusals.refused_at("BRPOP", "WRONGTYPE", now);
        assert!(refusals.is_news_of_key("emails:low"));
        assert!(refusals.carried_out_at("claim", now + QUIET));
        assert!(!refusals.is_news_of_key("emails:low"));
        assert!(refusals.carried_out_at("BRPOP", now + QUIET));
        assert!(refusals.is_news_of_key("emails:low"));
        assert!(!refusals.any.load(Ordering::Relaxed));
    }
}
