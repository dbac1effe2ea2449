//! Waiting for a condition, with a deadline and a name.

use std::time::{Duration, Instant};

/// How long to wait unless told otherwise. Long, because a shared machine may stall for many seconds; what succeeds never
/// waits this long.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The pause between two looks at a condition.
pub const PAUSE: Duration = Duration::from_millis(5);

/// What a polled condition returns: `bool` (true: it holds) or `Option<T>` (`Some`: it holds, with a value).
pub trait Answer {
    /// What the wait returns in the end.
    type Value;

    /// The value, if the condition holds.
    fn value(self) -> Option<Self::Value>;
}

impl Answer for bool {
    type Value = ();

    fn value(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Answer for Option<T> {
    type Value = T;

    fn value(self) -> Option<T> {
        self
    }
}

/// Calls `condition` every few milliseconds until it holds, and returns its value. Blocks the thread.
///
/// # Panics
/// Naming `what`, when `deadline` has passed. It looks at the clock only between two calls.
pub fn eventually<A: Answer>(deadline: Duration, what: &str, mut condition: impl FnMut() -> A) -> A::Value {
    let start = Instant::now();
    loop {
        if let Some(value) = condition().value() {
            return value;
        }
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        std::thread::sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "in vain for pigs to fly")]
    fn a_condition_that_never_holds_is_named() {
        eventually(Duration::from_millis(20), "pigs to fly", || false);
    }
}
