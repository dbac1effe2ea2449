use super::batch::Batch;
use crate::{Queue, call::Call, script::PUSH_DUE};

/// Pushes scheduled and delayed emails whose time has come to their lists.
pub(super) fn push_due(queue: &Queue, batch: usize) -> Call<Batch> {
    Call::script(&PUSH_DUE, queue, Batch::read).number(batch)
}
