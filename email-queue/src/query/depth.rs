use crate::{Queue, call::Call, script::DEPTH};

/// The number of emails in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Waiting, per lane, most urgent first.
    pub waiting: [u64; 3],
    /// Entries on the lists, including entries pushed by other programs and stale duplicates.
    pub entries: u64,
    /// Claimed by workers.
    pub sending: u64,
    /// For later, retries included.
    pub scheduled: u64,
    /// Dead letters.
    pub failed: u64,
}

impl Depth {
    /// Whether nothing waits and nothing is in flight.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.waiting == [0; 3] && self.entries == 0 && self.sending == 0
    }
}

/// Counts emails by state.
pub fn depth(queue: &Queue) -> Call<Depth> {
    Call::script(&DEPTH, queue, |answer| {
        Ok(Depth {
            waiting: [answer.number()?, answer.number()?, answer.number()?],
            entries: answer.number()?,
            sending: answer.number()?,
            scheduled: answer.number()?,
            failed: answer.number()?,
        })
    })
}
