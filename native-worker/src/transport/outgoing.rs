//! What a transport is given.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use email_queue::{Email, EmailId, email::Mailbox};

/// An email to be handed over.
pub(crate) struct Outgoing<'a> {
    pub(crate) id: EmailId,
    pub(crate) email: &'a Email,
    /// Those who do not have it yet and were not refused for good: one or more.
    pub(crate) recipients: &'a [&'a Mailbox],
    /// Begins right before anything that may reach a recipient.
    pub(crate) handoff: &'a Handoff,
}

/// Whether a delivery may have reached a recipient: from then on no other worker may start it at the same time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Handoff(Arc<AtomicBool>);

impl Handoff {
    pub(crate) fn begin(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub(crate) fn has_begun(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
