use crate::{Queue, call::Call, script::RECOUNT};

/// Counts anew how many bytes the records of all emails have, where that is due: `batch` of them.
pub(super) fn recount(queue: &Queue, batch: usize) -> Call<()> {
    Call::script(&RECOUNT, queue, |_| Ok(())).number(batch)
}
