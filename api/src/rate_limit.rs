//! Rate limits: how many requests a client may make in a second.

use std::time::Duration;

use email_queue::{
    call::Redis,
    rate_limit::{Allowance, RateLimitStatus, period_left, requests_made, throttle},
};
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    backend::Failure,
    context::Context,
    error::{ApiError, whole_seconds},
    response::Response,
};

const SECOND: Duration = Duration::from_secs(1);

/// Counts so many requests of the caller, made at once, and serves them if they are within its limit. Every answer then has the
/// headers of the limit.
pub(crate) async fn within<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
    requests: usize,
    serve: impl AsyncFnOnce() -> Result<Response, ApiError>,
) -> Result<Response, ApiError> {
    let Some(limit) = context.settings.rate_limit else { return serve().await };
    let requests = u32::try_from(requests).unwrap_or(u32::MAX);
    let allowance = Allowance { requests: limit, within: SECOND };
    let call = throttle(context.settings.shards.first(), &context.caller.key, allowance, requests);
    let status = call.run(context.redis).await?;
    let served = if status.allowed { serve().await } else { Err(ApiError::rate_limit_exceeded(limit, status.reset)) };
    let mut response = served.unwrap_or_else(ApiError::into_response);
    write(response.headers_mut(), limit, status);
    Ok(response)
}

/// The answer to a caller that has no request left in this second. It counts nothing: a request that passes still has to be
/// [counted](within).
pub(crate) async fn refuse_spent<R: Redis<Error: Failure>>(
    context: &Context<'_, R>,
) -> Result<Option<Response>, ApiError> {
    let Some(limit) = context.settings.rate_limit else { return Ok(None) };
    let (queue, client) = (context.settings.shards.first(), &context.caller.key);
    if requests_made(queue, client).run(context.redis).await? < u64::from(limit) {
        return Ok(None);
    }
    // The second may have ended between the two commands.
    let Some(reset) = period_left(queue, client).run(context.redis).await? else { return Ok(None) };
    let mut response = ApiError::rate_limit_exceeded(limit, reset).into_response();
    write(response.headers_mut(), limit, RateLimitStatus { allowed: false, remaining: 0, reset });
    Ok(Some(response))
}

/// Writes the headers of [the RateLimit draft](https://datatracker.ietf.org/doc/html/draft-ietf-httpapi-ratelimit-headers-06).
fn write(headers: &mut HeaderMap, limit: u32, status: RateLimitStatus) {
    for (name, value) in [
        ("ratelimit-limit", limit),
        ("ratelimit-remaining", status.remaining.try_into().unwrap_or(u32::MAX)),
        ("ratelimit-reset", whole_seconds(status.reset)),
    ] {
        headers.insert(HeaderName::from_static(name), value.into());
    }
    if let Ok(policy) = HeaderValue::try_from(format!("{limit};w=1")) {
        headers.insert(HeaderName::from_static("ratelimit-policy"), policy);
    }
}
