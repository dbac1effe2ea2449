use std::{fmt, time::Duration};

use jiff::Timestamp;

use crate::{Class, Lane, State};

/// What an email waits for.
#[derive(Debug, Clone, PartialEq)]
pub struct Why {
    /// Its state.
    pub state: State,
    /// Its lane.
    pub lane: Lane,
    /// The reason, for programs.
    pub reason: Reason,
    /// The reason, for people, with what stops it besides. It names no command and no endpoint: those are [`action`](Self::action).
    pub sentence: String,
    /// What can be done about it with the queue itself.
    pub action: Option<Action>,
    /// What stops it besides: it does when the reason is gone, in this order.
    pub also: Vec<Reason>,
    /// Its place among all that wait and are sent no later, from 1 on; only while it is queued. Not exact beyond ten thousand.
    pub place: Option<u64>,
    /// When it is due, if that is later.
    pub due: Option<Timestamp>,
    /// When what it waits for ends, if that is known.
    pub until: Option<Timestamp>,
    /// The relay that is held off.
    pub relay: Option<String>,
    /// What kind of failure it is for which it waits, or has failed.
    pub class: Option<Class>,
    /// The worker that has it in flight.
    pub worker: Option<String>,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// When it will be sent, by the rate at which its queue was emptied of late; `None` where nothing tells.
    pub estimated: Option<Timestamp>,
    /// How long that is from now.
    pub estimated_in: Option<Duration>,
}

/// What can be done for an email. Each front has its own words for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Resume its lane.
    Resume,
    /// Set another time.
    Reschedule,
    /// Retry it at once.
    Retry,
    /// Retry it when the cause is gone, or discard it.
    RetryOrDiscard,
    /// Move it to the most urgent lane.
    MoveToHigh,
}

impl Action {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Action::Resume => "resume",
            Action::Reschedule => "reschedule",
            Action::Retry => "retry",
            Action::RetryOrDiscard => "retry_or_discard",
            Action::MoveToHigh => "move_to_high",
        }
    }
}

/// Why an email has not been sent, or that it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Others of its lane, or of more urgent ones, are before it.
    WaitingInLane,
    /// Its lane is paused.
    Paused,
    /// It is for later.
    Scheduled,
    /// Its last attempt failed.
    BackOff,
    /// The relay fails; no emails are sent to it.
    RelayHeldOff,
    /// The relay refuses its sender for now.
    SenderHeldOff,
    /// The relay takes no more for now.
    RateLimited,
    /// No worker lives, or none that serves the email's shard.
    NoWorker,
    /// A worker is sending it.
    InFlight,
    /// It was sent.
    Sent,
    /// It is a dead letter.
    Failed,
    /// It was canceled.
    Canceled,
    /// It was discarded, and the next maintenance deletes it.
    Discarded,
}

impl Reason {
    /// All reasons.
    pub const ALL: [Reason; 13] = [
        Reason::WaitingInLane,
        Reason::Paused,
        Reason::Scheduled,
        Reason::BackOff,
        Reason::RelayHeldOff,
        Reason::SenderHeldOff,
        Reason::RateLimited,
        Reason::NoWorker,
        Reason::InFlight,
        Reason::Sent,
        Reason::Failed,
        Reason::Canceled,
        Reason::Discarded,
    ];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::WaitingInLane => "waiting_in_lane",
            Reason::Paused => "paused",
            Reason::Scheduled => "scheduled",
            Reason::BackOff => "back_off",
            Reason::RelayHeldOff => "relay_held_off",
            Reason::SenderHeldOff => "sender_held_off",
            Reason::RateLimited => "rate_limited",
            Reason::NoWorker => "no_worker",
            Reason::InFlight => "in_flight",
            Reason::Sent => "sent",
            Reason::Failed => "failed",
            Reason::Canceled => "canceled",
            Reason::Discarded => "discarded",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
