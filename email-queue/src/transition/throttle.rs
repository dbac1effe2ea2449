use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{THROTTLE, hex};
use crate::{Queue, redis::Call};

/// How a client stands with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Throttled {
    /// Whether this request is within the limit.
    pub allowed: bool,
    /// How many more are, in the present second.
    pub remaining: u64,
    /// When the present second is over.
    pub reset: Duration,
}

/// Counts a request of a client against its limit per second. Counted in Redis, so that it holds over all instances of
/// the API. `client` is its API key; Redis sees a hash of it. A request that is sent once more because its answer was lost
/// is not counted twice.
pub fn throttle(queue: &Queue, client: &str, limit: u32) -> Call<Throttled> {
    let client = hex(&Sha256::digest(client)[..16]);
    let call = Call::script(&THROTTLE, queue, |answer| {
        Ok(Throttled {
            allowed: answer.flag()?,
            remaining: answer.number()?,
            reset: Duration::from_millis(answer.number()?),
        })
    });
    call.argument(client).number(limit).tells_again()
}
