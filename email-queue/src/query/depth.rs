use crate::{Queue, call::Call, script::DEPTH};

/// How many emails are where.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Waiting in each lane, the most urgent first.
    pub waiting: [u64; 3],
    /// Entries on the lists: like `waiting`, and what other programs have pushed, and left-over duplicates.
    pub entries: u64,
    /// Claimed by workers.
    pub sending: u64,
    /// For later, retries included.
    pub scheduled: u64,
    /// Dead letters.
    pub failed: u64,
}

impl Depth {
    /// Whether a worker has nothing left to do for now: nothing waits, and nothing is being sent.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        self.waiting == [0; 3] && self.entries == 0 && self.sending == 0
    }
}

/// Counts what is where.
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
