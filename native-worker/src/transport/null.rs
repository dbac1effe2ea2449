//! Discards emails, to measure everything except sending.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{
    outcome::{Delivery, Verdict},
    outgoing::Outgoing,
};

#[derive(Default)]
pub(crate) struct NullTransport {
    discarded: AtomicU64,
}

impl NullTransport {
    pub(crate) fn deliver<'a>(&self, outgoing: &Outgoing<'a>) -> Delivery<'a> {
        outgoing.handoff.begin();
        self.discarded.fetch_add(1, Ordering::Relaxed);
        Delivery::all(outgoing.recipients, &Verdict::Accepted)
    }

    /// How many emails were discarded.
    pub(crate) fn discarded(&self) -> u64 {
        self.discarded.load(Ordering::Relaxed)
    }
}
