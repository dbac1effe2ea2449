use crate::{Queue, call::Call, script::EXPIRE};

/// The answer to [`expire`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Expired {
    pub(super) expired: u64,
    pub(super) more: bool,
}

/// Deletes emails that have ended and are past their retention.
pub(super) fn expire(queue: &Queue, batch: usize) -> Call<Expired> {
    let call = Call::script(&EXPIRE, queue, |answer| Ok(Expired { expired: answer.number()?, more: answer.flag()? }));
    call.number(batch)
}
