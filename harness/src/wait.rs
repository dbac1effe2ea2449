//! Waiting for a condition, with a deadline and a name.

use std::time::{Duration, Instant};

/// How long to wait by default. Long, because a shared machine may stall for many seconds; what succeeds never
/// waits this long.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The pause between two looks at a condition.
pub const PAUSE: Duration = Duration::from_millis(5);

/// What a polled condition returns: `bool` (true: it holds), `Option<T>` (`Some`: it holds, with a value), or
/// `Result<T, String>` (`Ok`: it holds; `Err`: what is still missing, for the panic).
pub trait Answer {
    /// What the wait returns in the end.
    type Value;

    /// The value, if the condition holds; otherwise what is missing, or nothing.
    ///
    /// # Errors
    /// The condition does not hold.
    fn value(self) -> Result<Self::Value, String>;
}

impl Answer for bool {
    type Value = ();

    fn value(self) -> Result<(), String> {
        self.then_some(()).value()
    }
}

impl<T> Answer for Option<T> {
    type Value = T;

    fn value(self) -> Result<T, String> {
        self.ok_or_else(String::new)
    }
}

impl<T> Answer for Result<T, String> {
    type Value = T;

    fn value(self) -> Result<T, String> {
        self.map_err(|missing| format!(": {missing}"))
    }
}

/// Calls `condition` every few milliseconds until it holds, and returns its value. Blocks the thread.
///
/// # Panics
/// Naming `what`, when `deadline` has passed. It looks at the clock only between two calls.
pub fn eventually<A: Answer>(deadline: Duration, what: &str, mut condition: impl FnMut() -> A) -> A::Value {
    let start = Instant::now();
    loop {
        match condition().value() {
            Ok(value) => return value,
            Err(missing) if start.elapsed() >= deadline => panic!("waited {deadline:?} in vain for {what}{missing}"),
            Err(_) => std::thread::sleep(PAUSE),
        }
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

    #[test]
    #[should_panic(expected = "in vain for three: there are two")]
    fn what_is_missing_is_named() {
        eventually(Duration::from_millis(20), "three", || Err::<(), _>("there are two".to_owned()));
    }
}
