use crate::{Queue, call::Call, script::PUSH_DUE};

/// The answer to [`push_due`].
#[derive(Debug, Clone, Copy)]
pub(super) struct Pushed {
    pub(super) pushed: u64,
    pub(super) more: bool,
}

/// Pushes scheduled and delayed emails whose time has come to their lists.
pub(super) fn push_due(queue: &Queue, batch: usize) -> Call<Pushed> {
    let call = Call::script(&PUSH_DUE, queue, |answer| Ok(Pushed { pushed: answer.number()?, more: answer.flag()? }));
    call.number(batch)
}
