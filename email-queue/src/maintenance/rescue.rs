use crate::{Queue, call::Call, script::RESCUE};

/// The answer to [`rescue`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Rescued {
    pub(super) recovered: u64,
    pub(super) dead_lettered: u64,
    pub(super) more: bool,
}

/// Requeues emails of workers whose lease has expired. After more than `max_recoveries` recoveries an email becomes a
/// dead letter.
pub(super) fn rescue(queue: &Queue, batch: usize, max_recoveries: u32) -> Call<Rescued> {
    let call = Call::script(&RESCUE, queue, |answer| {
        Ok(Rescued { recovered: answer.number()?, dead_lettered: answer.number()?, more: answer.flag()? })
    });
    call.number(batch).number(max_recoveries)
}
