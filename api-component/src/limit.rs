//! How many requests a client may make in a second.

use std::fmt::Display;

use email_queue::{
    redis::Redis,
    transition::{Throttled, throttle},
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{access::Caller, error::ApiError, settings::Settings};

/// How a client stands with its limit; nothing where there is no limit.
pub(crate) struct Standing(Option<(u32, Throttled)>);

/// Counts one request of the caller.
pub(crate) async fn count<R: Redis<Error: Display>>(
    caller: &Caller,
    settings: &Settings,
    redis: &R,
) -> Result<Standing, ApiError> {
    let Some(limit) = settings.rate_limit else { return Ok(Standing(None)) };
    let throttled = throttle(&settings.queue, &caller.key, limit).run(redis).await?;
    Ok(Standing(Some((limit, throttled))))
}

impl Standing {
    /// Why the request is not served, if it is over the limit.
    pub(crate) fn refusal(&self) -> Option<ApiError> {
        let (limit, throttled) = self.0?;
        (!throttled.allowed).then(|| ApiError::rate_limit_exceeded(limit))
    }

    /// Says so in the answer, by the names of
    /// [the RateLimit draft](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06).
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        let Some((limit, throttled)) = self.0 else { return };
        let reset = throttled.reset.as_millis().div_ceil(1000).try_into().unwrap_or(1_u32);
        for (name, value) in [
            ("ratelimit-limit", limit),
            ("ratelimit-remaining", throttled.remaining.try_into().unwrap_or(u32::MAX)),
            ("ratelimit-reset", reset),
        ] {
            headers.insert(HeaderName::from_static(name), value.into());
        }
        if let Ok(policy) = HeaderValue::try_from(format!("{limit};w=1")) {
            headers.insert(HeaderName::from_static("ratelimit-policy"), policy);
        }
    }
}
