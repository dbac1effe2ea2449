use std::time::Duration;

use crate::{Queue, call::Call, script::REQUEUE};

/// Requeues emails that were popped and not claimed within `grace`. Returns how many.
pub(super) fn requeue(queue: &Queue, batch: usize, grace: Duration) -> Call<u64> {
    Call::script(&REQUEUE, queue, |answer| answer.number()).number(batch).milliseconds(grace)
}
