use super::batch::Batch;
use crate::{Queue, call::Call, script::RESCUE};

/// Requeues emails of workers whose lease has expired. After more than `max_recoveries` recoveries an email becomes a
/// dead letter. Returns also how many became dead letters.
pub(super) fn rescue(queue: &Queue, batch: usize, max_recoveries: u32) -> Call<(Batch, u64)> {
    let call = Call::script(&RESCUE, queue, |answer| Ok((Batch::read(answer)?, answer.number()?)));
    call.number(batch).number(max_recoveries)
}
