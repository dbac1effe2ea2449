//! The signals that reach us, as one channel that all waiting is on.
//!
//! `SIGCHLD`: a child may have ended; `SIGINT`, `SIGTERM` and `SIGHUP`: a request to stop.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};

/// A second request to stop means "at once". Closer together than this, two signals are one request:
/// shells and supervisors tend to signal both the group and the process.
const SAME_REQUEST: Duration = Duration::from_millis(200);

/// Why a wait ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Wake {
    /// A request to stop: Ctrl-C, `SIGTERM`, or a closed terminal.
    Stop,
    /// A child may have ended.
    Child,
    /// The time is over.
    Timeout,
}

/// The error of a step that was interrupted by a request to stop.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stopped")
    }
}

impl std::error::Error for Interrupted {}

/// The signals that have arrived and are not yet dealt with.
pub(crate) struct Signals {
    wakes: Receiver<Wake>,
}

impl Signals {
    /// Takes over the signals of this process: from here on Ctrl-C does only what the caller does.
    pub(crate) fn install() -> anyhow::Result<Signals> {
        let mut caught = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP, SIGCHLD])
            .context("cannot install signal handlers")?;
        let (sender, wakes) = mpsc::channel();
        thread::spawn(move || {
            let mut stops = Stops::default();
            for signal in caught.forever() {
                let wake = match signal {
                    SIGCHLD => Wake::Child,
                    _ if stops.counts(signal, Instant::now()) => Wake::Stop,
                    _ => continue,
                };
                if sender.send(wake).is_err() {
                    return;
                }
            }
        });
        Ok(Signals { wakes })
    }

    /// Waits for the next signal.
    pub(crate) fn wait(&self) -> Wake {
        self.wakes.recv().unwrap_or(Wake::Stop)
    }

    /// Waits for the next signal until `deadline` at most.
    pub(crate) fn wait_until(&self, deadline: Instant) -> Wake {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.wakes.recv_timeout(left) {
            Ok(wake) => wake,
            Err(RecvTimeoutError::Timeout) => Wake::Timeout,
            Err(RecvTimeoutError::Disconnected) => Wake::Stop,
        }
    }
}

/// Recognises requests to stop among the signals.
#[derive(Default)]
struct Stops {
    last: Option<Instant>,
}

impl Stops {
    /// Whether this signal is a new request. A closed terminal counts only once.
    fn counts(&mut self, signal: i32, now: Instant) -> bool {
        let again = self.last.is_some_and(|last| signal == SIGHUP || now - last < SAME_REQUEST);
        if !again {
            self.last = Some(now);
        }
        !again
    }
}

#[cfg(test)]
impl Signals {
    /// Signals that bring so many requests to stop and no other, and `SIGCHLD` as it really comes.
    pub(crate) fn with_stops(stops: usize) -> Signals {
        let mut caught = signal_hook::iterator::Signals::new([SIGCHLD]).unwrap();
        let (sender, wakes) = mpsc::channel();
        for _ in 0..stops {
            sender.send(Wake::Stop).unwrap();
        }
        thread::spawn(move || {
            for _ in caught.forever() {
                if sender.send(Wake::Child).is_err() {
                    return;
                }
            }
        });
        Signals { wakes }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_signals_at_nearly_the_same_time_are_one_request() {
        let (mut stops, start) = (Stops::default(), Instant::now());
        assert!(stops.counts(SIGTERM, start));
        assert!(!stops.counts(SIGINT, start + Duration::from_millis(20)));
        assert!(stops.counts(SIGINT, start + Duration::from_secs(1)));
    }

    #[test]
    fn a_closed_terminal_asks_to_stop_and_never_to_hurry() {
        let (mut stops, start) = (Stops::default(), Instant::now());
        assert!(stops.counts(SIGHUP, start));
        assert!(!stops.counts(SIGHUP, start + Duration::from_secs(5)));
    }
}
