//! The time by the clock of Redis, which the queue goes by.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;

/// How far the clock of Redis is ahead of this machine's, by its last reply.
#[derive(Default)]
pub(crate) struct Clock {
    ahead_ms: AtomicI64,
}

impl Clock {
    /// Sets the time of Redis.
    pub(crate) fn set(&self, redis: Timestamp) {
        let ahead = redis.as_millisecond() - Timestamp::now().as_millisecond();
        self.ahead_ms.store(ahead, Ordering::Relaxed);
    }

    /// The present time of Redis.
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
