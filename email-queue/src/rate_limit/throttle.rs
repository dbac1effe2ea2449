use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{Queue, call::Call, hex, script::THROTTLE};

/// How many requests a client may make in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// So many, and at least one.
    pub requests: u32,
    /// In this time, which begins with the first of them.
    pub within: Duration,
}

/// How a client stands with its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Whether these requests are within the limit.
    pub allowed: bool,
    /// How many more are, in the present period.
    pub remaining: u64,
    /// When the present period is over.
    pub reset: Duration,
}

/// Counts `requests` of a client, made at once, against its limit. Counted in Redis, so that it holds over all instances
/// of the API. `client` is what it is known by, such as its API key; Redis sees a hash of it. A call that is sent once more
/// because its answer was lost is not counted twice.
///
/// As long as one request is left, more at once are allowed, and the period is then as many times longer as it takes. What is
/// refused is not counted.
pub fn throttle(queue: &Queue, client: &str, allowance: Allowance, requests: u32) -> Call<RateLimitStatus> {
    let call = Call::script(&THROTTLE, queue, |answer| {
        Ok(RateLimitStatus {
            allowed: answer.flag()?,
            remaining: answer.number()?,
            reset: Duration::from_millis(answer.number()?),
        })
    });
    let call = call.argument(hashed(client)).number(allowance.requests).milliseconds(allowance.within);
    call.number(requests).marked_when_resent()
}

/// What Redis sees of a client.
pub(super) fn hashed(client: &str) -> String {
    hex(&Sha256::digest(client)[..16])
}
