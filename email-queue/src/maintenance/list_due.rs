use crate::{Queue, call::Call, script::LIST_DUE};

/// The answer to [`list_due`].
#[derive(Debug, Clone, Copy)]
pub(super) struct DueListed {
    pub(super) listed: u64,
    pub(super) more: bool,
}

/// Lists scheduled and delayed emails whose time has come.
pub(super) fn list_due(queue: &Queue, batch: usize) -> Call<DueListed> {
    let call =
        Call::script(&LIST_DUE, queue, |answer| Ok(DueListed { listed: answer.number()?, more: answer.flag()? }));
    call.number(batch)
}
