//! A value that is read again once it is a second old.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// How old a value may become: a change by the operator takes effect that soon in every instance.
const TTL: Duration = Duration::from_secs(1);

/// A value that expires a second after it was asked for.
#[derive(Debug)]
pub struct TtlCell<T>(RefCell<Option<(Instant, T)>>);

impl<T: Clone> TtlCell<T> {
    /// Empty.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// The value, unless it has expired at this moment.
    pub fn get(&self, now: Instant) -> Option<T> {
        let cell = self.0.borrow();
        let (read, value) = cell.as_ref()?;
        (now.saturating_duration_since(*read) < TTL).then(|| value.clone())
    }

    /// Replaces the value by one that was asked for at this moment.
    pub fn set(&self, read: Instant, value: T) {
        *self.0.borrow_mut() = Some((read, value));
    }
}

impl<T: Clone> Default for TtlCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_expires_after_a_second() {
        let cell = TtlCell::new();
        let now = Instant::now();
        assert_eq!(cell.get(now), None);
        cell.set(now, 1);
        assert_eq!(cell.get(now + Duration::from_millis(999)), Some(1));
        assert_eq!(cell.get(now + Duration::from_secs(1)), None);
        cell.set(now + Duration::from_secs(1), 2);
        assert_eq!(cell.get(now + Duration::from_secs(1)), Some(2));
    }
}
