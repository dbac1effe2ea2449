use crate::{Queue, call::Call, script::IN_USE};

/// Who uses a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InUse {
    /// Whether it has emails, those included that are kept for their retention.
    pub has_emails: bool,
    /// Whether a live worker serves it.
    pub has_workers: bool,
}

/// Whether a shard is in use. Asked of [the one behind the last](crate::Shards::beyond), it tells of a number of shards that is too
/// low: emails are spread over all alike.
pub fn in_use(queue: &Queue) -> Call<InUse> {
    Call::script(&IN_USE, queue, |answer| Ok(InUse { has_emails: answer.flag()?, has_workers: answer.flag()? }))
}
