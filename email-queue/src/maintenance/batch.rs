use crate::call::{Answer, UnexpectedAnswer};

/// The reply of a script that does at most so much per call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    /// How many emails it has moved or deleted.
    pub(super) emails: u64,
    /// Whether there may be more to do at once.
    pub(super) more: bool,
}

impl Batch {
    pub(super) fn read(answer: &mut Answer) -> Result<Self, UnexpectedAnswer> {
        Ok(Self { emails: answer.number()?, more: answer.flag()? })
    }
}
