use crate::{Queue, call::Call, script::RECOUNT};

/// Recounts the bytes of `batch` records, if a recount is due.
pub(super) fn recount(queue: &Queue, batch: usize) -> Call<()> {
    Call::script(&RECOUNT, queue, |_| Ok(())).number(batch)
}
