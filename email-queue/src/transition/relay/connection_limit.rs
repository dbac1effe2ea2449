use crate::{Queue, Relay, call::Call};

/// Stores a relay's connection limit for other workers ([`HSET`](https://redis.io/docs/latest/commands/hset/)); `None`
/// removes it.
pub fn set_connection_limit(queue: &Queue, relay: &Relay, limit: Option<usize>) -> Call<()> {
    let call = Call::plain("HSET", |answer| answer.next().map(drop)).argument(queue.relay(relay));
    call.argument("limit").number(limit.unwrap_or(0))
}
