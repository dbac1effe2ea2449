//! How many bytes to ask for at once, by what the line has carried before.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// To begin with.
const FIRST: usize = 1024 * 1024;

/// At the most, so that many large emails do not keep Redis busy in one go.
const MOST: usize = 16 * 1024 * 1024;

/// At the least: less would not take less time.
const LEAST: usize = 64 * 1024;

/// The pace of a line: what it has carried, and what is on its way.
#[derive(Default)]
pub(crate) struct Pace(Mutex<State>);

#[derive(Default)]
struct State {
    /// In bytes a second, once something of any size has come.
    speed: Option<f64>,
    /// Those that were asked and have no answer yet, by when that was.
    asked: BTreeMap<u64, Instant>,
    next: u64,
}

/// Something that was asked. It is no longer on its way when this is dropped.
pub(crate) struct Asked<'a> {
    pace: &'a Pace,
    number: u64,
    began: Instant,
    read: u64,
}

impl Pace {
    /// Notes that something is asked when so many bytes have been read from the line.
    pub(crate) fn ask(&self, read: u64) -> Asked<'_> {
        let mut state = self.state();
        let (number, began) = (state.next, Instant::now());
        state.next += 1;
        state.asked.insert(number, began);
        Asked { pace: self, number, began, read }
    }

    /// For how long the oldest answer that is still waited for has been on its way.
    pub(crate) fn on_its_way(&self) -> Duration {
        self.state().asked.values().next().map(Instant::elapsed).unwrap_or_default()
    }

    /// How many bytes to ask for, so that they come within `time`.
    pub(crate) fn bytes_in(&self, time: Duration) -> usize {
        match self.state().speed {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
            Some(speed) => ((speed * time.as_secs_f64()) as usize).clamp(LEAST, MOST),
            None => FIRST,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked<'_> {
    /// Notes that it is answered, now that so many bytes have been read from the line. Small answers say nothing of its
    /// speed.
    pub(crate) fn answered(self, read: u64) {
        let bytes = read.saturating_sub(self.read);
        if bytes < LEAST as u64 {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "a speed needs no more than three digits")]
        let speed = bytes as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let mut state = self.pace.state();
        // A line that was quick once may only have filled a buffer: what it is trusted with at the most doubles.
        let before = state.speed.unwrap_or(speed);
        state.speed = Some(speed.min(2.0 * before));
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        self.pace.state().asked.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn carry(pace: &Pace, bytes: u64, time: Duration) {
        let asked = pace.ask(7);
        tokio::time::advance(time).await;
        asked.answered(7 + bytes);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_asked_for_than_comes_in_time() {
        let pace = Pace::default();
        assert_eq!(pace.bytes_in(SECOND), FIRST);
        carry(&pace, 3_000_000, SECOND).await;
        assert_eq!(pace.bytes_in(SECOND), 3_000_000);
        assert_eq!(pace.bytes_in(2 * SECOND), 6_000_000);
        carry(&pace, 100_000_000, SECOND).await;
        assert_eq!(pace.bytes_in(SECOND), 6_000_000);
        carry(&pace, 100_000, 10 * SECOND).await;
        assert_eq!(pace.bytes_in(SECOND), LEAST);
        carry(&pace, 10, SECOND).await;
        assert_eq!(pace.bytes_in(SECOND), LEAST, "a small answer says nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_is_on_its_way_until_it_is_answered_or_given_up() {
        let pace = Pace::default();
        let first = pace.ask(0);
        tokio::time::advance(SECOND).await;
        let second = pace.ask(0);
        assert_eq!(pace.on_its_way(), SECOND);
        first.answered(0);
        tokio::time::advance(SECOND).await;
        assert_eq!(pace.on_its_way(), SECOND);
        drop(second);
        assert_eq!(pace.on_its_way(), Duration::ZERO);
    }
}
