//! What time it is for the queue: by the clock of Redis, whatever this machine says.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// How far the clock of Redis is ahead of ours, as of the last time that it was heard.
#[derive(Default)]
pub(crate) struct Clock {
    ahead_ms: AtomicI64,
}

impl Clock {
    /// Notes what time Redis says it is.
    pub(crate) fn set(&self, redis: Timestamp) {
        let ahead = redis.as_millisecond() - Timestamp::now().as_millisecond();
        self.ahead_ms.store(ahead, Ordering::Relaxed);
    }

    /// What time it is there now.
    pub(crate) fn now(&self) -> Timestamp {
        let ms = Timestamp::now().as_millisecond().saturating_add(self.ahead_ms.load(Ordering::Relaxed));
        Timestamp::from_millisecond(ms).unwrap_or_else(|_| Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn it_is_as_late_as_redis_says() {
        let clock = Clock::default();
        for apart in [SignedDuration::from_hours(-3), SignedDuration::from_hours(3)] {
            clock.set(Timestamp::now() + apart);
            let off = clock.now().duration_since(Timestamp::now() + apart).abs();
            assert!(off < SignedDuration::from_secs(10), "{off}");
        }
    }
}
