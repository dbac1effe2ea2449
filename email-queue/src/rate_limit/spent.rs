use std::time::Duration;

use super::throttle::hashed;
use crate::{Queue, call::Call};

/// How many requests of a client are counted in the present period, by [`throttle`](super::throttle)
/// ([`GET`](https://redis.io/docs/latest/commands/get/)). Counts nothing: by it a client that has none left can be refused before
/// its request costs anything.
pub fn requests_made(queue: &Queue, client: &str) -> Call<u64> {
    // What is no number is put there by somebody else, and is the next count's trouble.
    let call = Call::plain("GET", |answer| Ok(answer.prose()?.and_then(|made| made.parse().ok()).unwrap_or(0)));
    call.argument(key(queue, client))
}

/// When the present period of a client is over; `None` where there is none
/// ([`PTTL`](https://redis.io/docs/latest/commands/pttl/)).
pub fn period_left(queue: &Queue, client: &str) -> Call<Option<Duration>> {
    let call = Call::plain("PTTL", |answer| Ok(u64::try_from(answer.number::<i64>()?).ok().map(Duration::from_millis)));
    call.argument(key(queue, client))
}

fn key(queue: &Queue, client: &str) -> String {
    queue.rate(&hashed(client))
}
