use crate::{EmailId, Queue, call::Call};

/// The newest dead letters, up to so many, by when they became that
/// ([`ZRANGE`](https://redis.io/docs/latest/commands/zrange/)): found at once, however many other emails there are.
pub fn newest_failed(queue: &Queue, limit: usize) -> Call<Vec<EmailId>> {
    let call = Call::plain("ZRANGE", |answer| {
        let mut ids = Vec::new();
        while !answer.is_empty() {
            // Something else may have written there.
            ids.extend(answer.prose()?.and_then(|id| id.parse::<EmailId>().ok()));
        }
        Ok(ids)
    });
    call.argument(queue.failed()).number(0).number(limit.max(1) - 1).argument("REV")
}
