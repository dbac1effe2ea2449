//! How long to wait before trying again.

use std::time::Duration;

/// Exponential back-off: the pause doubles with every failure up to a limit, and half of it is random, so that emails
/// that failed together are not retried together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure, before the random part is taken off.
    pub base: Duration,
    /// No pause is longer.
    pub max: Duration,
}

impl Backoff {
    /// The pause after so many failures in a row, of which there is at least one: between half of
    /// `base * 2^(failures - 1)` and all of it, `max` at the most.
    #[must_use]
    pub fn delay(&self, failures: u32) -> Duration {
        let longest = self.longest(failures);
        longest / 2 + longest.mul_f64(fastrand::f64() / 2.0)
    }

    fn longest(&self, failures: u32) -> Duration {
        // After 30 doublings a pause of one second is 34 years long.
        let doublings = failures.saturating_sub(1).min(30);
        self.base.saturating_mul(1 << doublings).min(self.max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { base: Duration::from_secs(30), max: Duration::from_secs(3600) };

    #[test]
    fn each_failure_doubles_the_pause_up_to_the_limit() {
        for (failures, longest) in [(1, 30), (2, 60), (3, 120), (7, 1920), (8, 3600), (9, 3600), (u32::MAX, 3600)] {
            let longest = Duration::from_secs(longest);
            for _ in 0..100 {
                let delay = BACKOFF.delay(failures);
                assert!(delay >= longest / 2 && delay <= longest, "{delay:?} after {failures}");
            }
        }
    }

    #[test]
    fn pauses_differ_from_one_another() {
        let first = BACKOFF.delay(1);
        assert!((0..100).any(|_| BACKOFF.delay(1) != first));
    }

    #[test]
    fn the_longest_base_does_not_overflow() {
        let backoff = Backoff { base: Duration::MAX, max: Duration::MAX };
        assert!(backoff.delay(u32::MAX) >= Duration::MAX / 2);
    }
}
