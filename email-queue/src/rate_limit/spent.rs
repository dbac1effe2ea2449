use std::time::Duration;

use super::throttle::hashed;
use crate::{Queue, call::Call};

/// The requests of a client that [`throttle`](super::throttle) has counted in the present period
/// ([`GET`](https://redis.io/docs/latest/commands/get/)). Read-only, to refuse a client that has none left before its
/// request costs anything.
pub fn requests_made(queue: &Queue, client: &str) -> Call<u64> {
    // Something else has written a value that is not a number; the next count reports it.
    let call = Call::plain("GET", |answer| Ok(answer.prose()?.and_then(|made| made.parse().ok()).unwrap_or(0)));
    call.argument(key(queue, client))
}

/// When the present period of a client ends; `None` if there is none
/// ([`PTTL`](https://redis.io/docs/latest/commands/pttl/)).
pub fn period_left(queue: &Queue, client: &str) -> Call<Option<Duration>> {
    let call = Call::plain("PTTL", |answer| Ok(u64::try_from(answer.number::<i64>()?).ok().map(Duration::from_millis)));
    call.argument(key(queue, client))
}

fn key(queue: &Queue, client: &str) -> String {
    queue.rate(&hashed(client))
}
