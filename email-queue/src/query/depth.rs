use crate::{Lane, Queue, call::Call, script::DEPTH};

/// The number of emails in each state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Waiting, per lane, most urgent first.
    pub waiting: [u64; 3],
    /// Entries on the lists of lanes that are not paused, including entries pushed by other programs and stale duplicates.
    pub entries: u64,
    /// Claimed by workers.
    pub sending: u64,
    /// For later, retries included.
    pub scheduled: u64,
    /// Dead letters.
    pub failed: u64,
    /// Whether each lane is paused, most urgent first.
    pub paused: [bool; 3],
    /// Entries on the lists of lanes that are paused.
    pub paused_entries: u64,
}

impl Depth {
    /// Whether nothing waits and nothing is in flight, apart from what waits in lanes that are paused.
    #[must_use]
    pub fn is_drained(&self) -> bool {
        let waits = Lane::ALL.iter().any(|lane| self.waiting[*lane as usize] > 0 && !self.paused[*lane as usize]);
        !waits && self.entries == 0 && self.sending == 0
    }

    /// How many emails wait in lanes that are paused, those included that other programs have pushed.
    #[must_use]
    pub fn waiting_paused(&self) -> u64 {
        let waiting = self.waiting.iter().zip(self.paused).filter(|(_, paused)| *paused).map(|(waiting, _)| waiting);
        waiting.sum::<u64>().max(self.paused_entries)
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
            paused: [answer.flag()?, answer.flag()?, answer.flag()?],
            paused_entries: answer.number()?,
        })
    })
}
