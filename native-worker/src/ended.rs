//! The end of the worker's loop.

/// Why the worker's loop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The worker is to stop.
    Stopped,
    /// The queue is empty, and the worker was to drain it.
    Drained,
    /// The same, but for emails that wait because the relay fails.
    HeldOff,
}
