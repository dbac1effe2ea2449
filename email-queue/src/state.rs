use std::{fmt, str::FromStr};

/// The state of an email. Each state names who moves it on; there are no other moves.
///
/// ```text
///  enqueue ─▶ queued ── claim ─▶ sending ── finish ─▶ sent or failed
///               ▲ ▲               │   │
///               │ └ release,      │   └── finish ─▶ delayed ──┐
///               │   rescue ───────┘                           │
///               └── push_due ◀──── scheduled ◀─ enqueue       │
///                       ▲─────────────────────────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// On the list of its lane; a worker claims it.
    Queued,
    /// Waits for its due time; maintenance requeues it then.
    Scheduled,
    /// Claimed by a worker under a lease; the worker finishes it, or maintenance requeues it when the lease has expired.
    Sending,
    /// The transport took it. It is deleted after the retention.
    Sent,
    /// An attempt failed for now; maintenance requeues it when its back-off is over.
    Delayed,
    /// A dead letter: it cannot be delivered, or was retried for too long. Kept until an operator decides.
    Failed,
    /// A client canceled it before it was claimed.
    Canceled,
}

impl State {
    const ALL: [State; 7] =
        [State::Queued, State::Scheduled, State::Sending, State::Sent, State::Delayed, State::Failed, State::Canceled];

    /// The name in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Scheduled => "scheduled",
            State::Sending => "sending",
            State::Sent => "sent",
            State::Delayed => "delayed",
            State::Failed => "failed",
            State::Canceled => "canceled",
        }
    }

    /// The state as `last_event` of Resend's API, which has no word for `sending`.
    #[must_use]
    pub const fn last_event(self) -> &'static str {
        match self {
            State::Queued | State::Sending => "queued",
            State::Scheduled => "scheduled",
            State::Sent => "sent",
            State::Delayed => "delivery_delayed",
            State::Failed => "failed",
            State::Canceled => "canceled",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for State {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        State::ALL.into_iter().find(|state| state.as_str() == text).ok_or(())
    }
}
