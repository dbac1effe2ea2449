use super::batch::Batch;
use crate::{Queue, call::Call, script::EXPIRE};

/// Deletes emails that have ended and are past their retention.
pub(super) fn expire(queue: &Queue, batch: usize) -> Call<Batch> {
    Call::script(&EXPIRE, queue, Batch::read).number(batch)
}
