//! The end of the worker's loop.

/// Why the worker's loop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The worker was asked to stop.
    Stopped,
    /// The queue is empty, and the worker was to drain it.
    Drained,
    /// The worker was to drain the queue, and the emails that are left wait for a failing relay.
    HeldOff,
    /// The worker was to drain the queue, and the emails that are left wait in lanes that are paused.
    Paused,
}
