//! Until when a command to Redis waits.

use std::time::{Duration, Instant};

/// Until when a command waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deadline {
    /// For a connection, if one has to be opened. Earlier than the other where something else can be done instead.
    pub connected: Instant,
    /// For the answer.
    pub answered: Instant,
}

impl Deadline {
    /// One for both.
    #[must_use]
    pub fn at(answered: Instant) -> Self {
        Self { connected: answered, answered }
    }

    /// Whether something else can be done where Redis cannot be reached.
    pub(crate) fn has_alternative(self) -> bool {
        self.connected < self.answered
    }

    /// Both so much later.
    pub(crate) fn later(self, by: Duration) -> Self {
        Self { connected: self.connected + by, answered: self.answered + by }
    }
}
