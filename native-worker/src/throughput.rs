//! How many bytes to request at once, by the throughput of the connection so far.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// As long as the throughput is not known.
const FIRST: usize = 1024 * 1024;

/// At the most, so that many large emails do not keep Redis busy at once.
const MAX: usize = 16 * 1024 * 1024;

/// At the least: less would not be faster.
const MIN: usize = 64 * 1024;

/// The throughput of a connection, and the transfers in progress.
#[derive(Default)]
pub(crate) struct Throughput(Mutex<State>);

#[derive(Default)]
struct State {
    /// In bytes a second, once a reply of some size has come.
    speed: Option<f64>,
    /// When each transfer in progress began, by number.
    transfers: BTreeMap<u64, Instant>,
    next: u64,
}

/// A command and its reply. The transfer has ended when this is dropped.
pub(crate) struct Transfer<'a> {
    throughput: &'a Throughput,
    number: u64,
    began: Instant,
    /// How many bytes had been read from the connection by then.
    read: u64,
}

impl Throughput {
    /// Notes that a command is sent, when so many bytes have been read from the connection.
    pub(crate) fn begin(&self, read: u64) -> Transfer<'_> {
        let mut state = self.state();
        let (number, began) = (state.next, Instant::now());
        state.next += 1;
        state.transfers.insert(number, began);
        Transfer { throughput: self, number, began, read }
    }

    /// How long ago the oldest transfer in progress began.
    pub(crate) fn oldest_transfer(&self) -> Duration {
        self.state().transfers.values().next().map(Instant::elapsed).unwrap_or_default()
    }

    /// How many bytes to request, so that they arrive within `time`.
    pub(crate) fn bytes_in(&self, time: Duration) -> usize {
        match self.state().speed {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
            Some(speed) => ((speed * time.as_secs_f64()) as usize).clamp(MIN, MAX),
            None => FIRST,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics under the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Transfer<'_> {
    /// Notes that the reply has arrived, and that so many bytes have been read from the connection by now. Small replies say
    /// nothing about the throughput.
    pub(crate) fn end(self, read: u64) {
        let bytes = read.saturating_sub(self.read);
        if bytes < MIN as u64 {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "a speed needs no more than three digits")]
        let speed = bytes as f64 / self.began.elapsed().as_secs_f64().max(0.001);
        let mut state = self.throughput.state();
        // One fast reply may only have emptied a buffer: the estimate at most doubles.
        let before = state.speed.unwrap_or(speed);
        state.speed = Some(speed.min(2.0 * before));
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        self.throughput.state().transfers.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    async fn carry(throughput: &Throughput, bytes: u64, time: Duration) {
        let transfer = throughput.begin(7);
        tokio::time::advance(time).await;
        transfer.end(7 + bytes);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_asked_for_than_comes_in_time() {
        let throughput = Throughput::default();
        assert_eq!(throughput.bytes_in(SECOND), FIRST);
        carry(&throughput, 3_000_000, SECOND).await;
        assert_eq!(throughput.bytes_in(SECOND), 3_000_000);
        assert_eq!(throughput.bytes_in(2 * SECOND), 6_000_000);
        carry(&throughput, 100_000_000, SECOND).await;
        assert_eq!(throughput.bytes_in(SECOND), 6_000_000);
        carry(&throughput, 100_000, 10 * SECOND).await;
        assert_eq!(throughput.bytes_in(SECOND), MIN);
        carry(&throughput, 10, SECOND).await;
        assert_eq!(throughput.bytes_in(SECOND), MIN, "a small answer says nothing");
    }

    #[tokio::test(start_paused = true)]
    async fn a_transfer_is_in_progress_until_its_reply_has_arrived_or_it_is_given_up() {
        let throughput = Throughput::default();
        let first = throughput.begin(0);
        tokio::time::advance(SECOND).await;
        let second = throughput.begin(0);
        assert_eq!(throughput.oldest_transfer(), SECOND);
        first.end(0);
        tokio::time::advance(SECOND).await;
        assert_eq!(throughput.oldest_transfer(), SECOND);
        drop(second);
        assert_eq!(throughput.oldest_transfer(), Duration::ZERO);
    }
}
