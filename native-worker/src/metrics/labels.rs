//! The labels of metrics, with closed lists of values.

use email_queue::{Class, transition::Outcome};
use prometheus_client::encoding::EncodeLabelSet;

/// How a claim has ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Ended {
    pub(super) outcome: &'static str,
    /// Of the failure; `none` where there was none.
    pub(super) class: &'static str,
}

/// All outcomes, and whether they have a class.
pub(super) const OUTCOMES: [(&str, bool); 6] = [
    ("sent", false),
    ("scheduled", false),
    ("delayed", true),
    ("postponed", true),
    ("returned", true),
    ("failed", true),
];

pub(super) fn outcome_of(outcome: &Outcome) -> Ended {
    Ended { outcome: outcome.as_str(), class: outcome.class().map_or("none", Class::as_str) }
}

/// How a command to Redis has failed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct ErrorKind {
    kind: &'static str,
}

impl ErrorKind {
    pub(super) const UNREACHABLE: Self = Self { kind: "unreachable" };
    pub(super) const REFUSED: Self = Self { kind: "refused" };
    pub(super) const ALL: [Self; 2] = [Self::UNREACHABLE, Self::REFUSED];
}

/// Why an email was requeued that others had.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Reason {
    reason: &'static str,
}

impl Reason {
    /// It was in flight when its worker died.
    pub(super) const DEAD_WORKER: Self = Self { reason: "dead_worker" };
    /// It was popped, and not claimed.
    pub(super) const NOT_CLAIMED: Self = Self { reason: "not_claimed" };
    pub(super) const ALL: [Self; 2] = [Self::DEAD_WORKER, Self::NOT_CLAIMED];
}
