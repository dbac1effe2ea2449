use super::enqueue::Idempotency;
use crate::{Queue, call::Call, script::MOVE_KEY};

/// Moves an idempotency key to another shard of the queue, unless a request was accepted under it in this one. The answer says
/// whether one was, so that [`enqueue`](super::enqueue) in this shard is to answer the repetition.
///
/// It is for the 24 hours after the number of shards was changed. An instance of the API that still has the former number asks
/// this shard: it then answers with [a conflict](super::Enqueued::Conflict) what the new shard of the key may have accepted.
pub fn move_key(queue: &Queue, idempotency: &Idempotency) -> Call<bool> {
    Call::script(&MOVE_KEY, queue, |answer| answer.flag()).argument(idempotency.key())
}
