use email_queue::{Submission, transition::Idempotency};
use http::HeaderMap;

use crate::{access::Caller, error::ApiError};

const HEADER: &str = "idempotency-key";
const MAX_LENGTH: usize = 256;

/// The `Idempotency-Key` of a request. It is valid within the caller's API key.
pub(super) fn of<'a>(
    headers: &HeaderMap,
    caller: &Caller,
    submissions: impl IntoIterator<Item = &'a Submission>,
) -> Result<Option<Idempotency>, ApiError> {
    let mut keys = headers.get_all(HEADER).iter();
    let Some(given) = keys.next() else { return Ok(None) };
    if keys.next().is_some() {
        return Err(ApiError::several_idempotency_keys());
    }
    let key = given.to_str().map_err(|_| ApiError::invalid_idempotency_key())?;
    if key.is_empty() || key.len() > MAX_LENGTH {
        return Err(ApiError::invalid_idempotency_key());
    }
    let digests: Vec<_> = submissions.into_iter().map(Submission::digest).collect();
    Ok(Some(Idempotency::new(&caller.key, key, &digests)))
}
