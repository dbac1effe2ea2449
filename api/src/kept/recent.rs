use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

/// How old a value may become.
const FRESH: Duration = Duration::from_secs(1);

/// A value that is read again once it is a second old: a change by the operator is in force that soon everywhere.
#[derive(Debug)]
pub struct Recent<T>(RefCell<Option<(Instant, T)>>);

impl<T: Clone> Recent<T> {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(RefCell::new(None))
    }

    /// The value, if it is fresh at this moment.
    pub fn get(&self, now: Instant) -> Option<T> {
        let kept = self.0.borrow();
        let (read, value) = kept.as_ref()?;
        (now.saturating_duration_since(*read) < FRESH).then(|| value.clone())
    }

    /// Keeps a value that was asked for at this moment.
    pub fn keep(&self, read: Instant, value: T) {
        *self.0.borrow_mut() = Some((read, value));
    }
}

impl<T: Clone> Default for Recent<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_fresh_for_a_second() {
        let recent = Recent::new();
        let now = Instant::now();
        assert_eq!(recent.get(now), None);
        recent.keep(now, 1);
        assert_eq!(recent.get(now + Duration::from_millis(999)), Some(1));
        assert_eq!(recent.get(now + Duration::from_secs(1)), None);
        recent.keep(now + Duration::from_secs(1), 2);
        assert_eq!(recent.get(now + Duration::from_secs(1)), Some(2));
    }
}
