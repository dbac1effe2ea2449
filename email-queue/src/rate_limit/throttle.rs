use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::{Queue, call::Call, hex, script::THROTTLE};

/// How many requests a client may make in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowance {
    /// The number of requests, at least one.
    pub requests: u32,
    /// The period, which begins with the first of them.
    pub within: Duration,
}

/// A client's rate limit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimitStatus {
    /// Whether these requests are within the limit.
    pub allowed: bool,
    /// How many requests are left in the present period.
    pub remaining: u64,
    /// When the present period is over.
    pub reset: Duration,
}

/// Counts `requests` of a client, made at once, against its limit. Redis counts, so that the limit holds across all
/// instances of the API. `client` identifies it, such as by its API key; Redis sees only a hash. A repetition after a
/// lost reply is not counted twice.
///
/// While one request is left, a larger batch is allowed, and the period is extended accordingly. Refused requests do
/// not count.
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

/// The client's hash in Redis.
pub(super) fn hashed(client: &str) -> String {
    hex(&Sha256::digest(client)[..16])
}
