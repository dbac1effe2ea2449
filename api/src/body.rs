//! Reads a request's body within a size limit.

use std::{
    future::{Future, ready},
    time::{Duration, Instant},
};

use http::{HeaderMap, header};

use crate::{
    error::ApiError,
    gzip::{self, GzipError},
};

/// A body of up to so many bytes reserves no memory, so that no small email waits for a large one. As many as an instance has
/// requests take 1 MiB.
pub(crate) const SMALL_BODY: usize = 64 * 1024;

/// How long the API waits for the first bytes of a body, and between any two chunks.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// How many bytes a second a body must have on average, after the first [`IDLE_TIMEOUT`]. A body that trickles would otherwise
/// occupy an instance for days. As in [`RequestReadTimeout`](https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html) of Apache,
/// bytes that have come extend the time.
const MIN_BYTES_PER_SECOND: u32 = 8 * 1024;

/// How many bodies of the largest size are read at the same time. One that is read, checked and stored takes up to five times its
/// bytes; the smallest instances have 128 MiB, and take bodies of up to 10 MiB.
const MAX_LARGEST: usize = 2;

/// The body of a request, as the handlers read it.
pub trait Body {
    /// A piece of a body.
    type Chunk: AsRef<[u8]>;

    /// The next piece; `None` at the end. Waits no longer than `timeout`. Not called again after the end or an error.
    ///
    /// # Errors
    /// [`BodyError::Incomplete`] if the rest cannot be read, [`BodyError::TimedOut`] if nothing comes in time.
    fn chunk(&mut self, timeout: Duration) -> impl Future<Output = Result<Option<Self::Chunk>, BodyError>>;

    /// Reserves memory for so many bytes, where the requests that are served at the same time have no more than `limit` together.
    /// Waits for it, and returns whether there is enough. Called at most once, and not for a body of up to 64 KiB.
    ///
    /// By default there always is: that is for a host whose instances serve one request.
    fn reserve(&mut self, _bytes: usize, _limit: usize) -> impl Future<Output = bool> {
        ready(true)
    }

    /// Returns all but so many bytes of what was [reserved](Self::reserve). The rest is returned when the body is dropped.
    fn shrink(&mut self, _bytes: usize) {}
}

impl<B: Body> Body for &mut B {
    type Chunk = B::Chunk;

    async fn chunk(&mut self, timeout: Duration) -> Result<Option<B::Chunk>, BodyError> {
        (**self).chunk(timeout).await
    }

    async fn reserve(&mut self, bytes: usize, limit: usize) -> bool {
        (**self).reserve(bytes, limit).await
    }

    fn shrink(&mut self, bytes: usize) {
        (**self).shrink(bytes);
    }
}

/// Why the rest of a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyError {
    /// The client closed the connection, or sent less than `Content-Length`.
    Incomplete,
    /// The client sent nothing for too long.
    TimedOut,
}

impl From<BodyError> for ApiError {
    fn from(error: BodyError) -> Self {
        match error {
            BodyError::Incomplete => Self::body_incomplete(),
            BodyError::TimedOut => Self::body_timed_out(),
        }
    }
}

/// Reads a JSON body to its end, or to the limit: nothing behind it is read.
pub(crate) async fn read_json(headers: &HeaderMap, mut body: impl Body, limit: usize) -> Result<Vec<u8>, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::unsupported_media_type());
    }
    let is_gzip = is_gzip(headers)?;
    let length = content_length(headers).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if length.is_some_and(|length| length > limit) {
        return Err(ApiError::body_too_large(limit));
    }
    let mut memory = Memory { body: &mut body, limit, is_reserved: false };
    // A compressed body is in memory together with what it is inflated to.
    let in_all = |bytes: usize| if is_gzip { bytes.saturating_add(limit) } else { bytes };
    if let Some(length) = length.filter(|length| *length > SMALL_BODY) {
        memory.reserve(in_all(length)).await?;
    }
    let mut read = Vec::with_capacity(length.unwrap_or_default());
    let began = Instant::now();
    let mut now = began;
    while let Some(chunk) = memory.body.chunk(timeout(now - began, read.len())).await? {
        let chunk = chunk.as_ref();
        now = Instant::now();
        if read.len() + chunk.len() > limit {
            return Err(ApiError::body_too_large(limit));
        }
        if read.len() + chunk.len() > SMALL_BODY && !memory.is_reserved {
            memory.reserve(in_all(limit)).await?;
            // All at once: growth by doubling takes three times as much.
            read.reserve_exact(limit - read.len());
            now = Instant::now();
        }
        read.extend_from_slice(chunk);
    }
    if is_gzip {
        if !memory.is_reserved {
            match gzip::inflate(&read, limit.min(SMALL_BODY)) {
                Err(GzipError::TooLarge) if limit > SMALL_BODY => memory.reserve(limit).await?,
                inflated => return inflated.map_err(|error| error.refusal(limit)),
            }
        }
        read = gzip::inflate(&read, limit).map_err(|error| error.refusal(limit))?;
    }
    if memory.is_reserved {
        read.shrink_to_fit();
        memory.body.shrink(read.len());
    }
    Ok(read)
}

/// The memory for a large body.
struct Memory<'a, B> {
    body: &'a mut B,
    limit: usize,
    is_reserved: bool,
}

impl<B: Body> Memory<'_, B> {
    async fn reserve(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.is_reserved = true;
        let limit = self.limit.saturating_mul(MAX_LARGEST);
        if self.body.reserve(bytes, limit).await { Ok(()) } else { Err(ApiError::no_memory_for_body()) }
    }
}

/// The `Content-Length` of a request, in bytes. `usize` has only 32 bits in Wasm.
#[must_use]
pub fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether a body may be large, compressed or not. To read a small one costs next to nothing.
pub(crate) fn may_be_large(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_ENCODING)
        || content_length(headers).is_none_or(|bytes| bytes > SMALL_BODY as u64)
}

/// Whether the body is compressed by gzip, the only coding that is read (RFC 9110 section 8.4.1.3).
fn is_gzip(headers: &HeaderMap) -> Result<bool, ApiError> {
    let mut codings = headers.get_all(header::CONTENT_ENCODING).iter();
    let (first, others) = (codings.next(), codings.next());
    match first.map(|coding| coding.as_bytes().to_ascii_lowercase()).as_deref() {
        _ if others.is_some() => Err(ApiError::unsupported_coding()),
        None | Some(b"" | b"identity") => Ok(false),
        Some(b"gzip" | b"x-gzip") => Ok(true),
        Some(_) => Err(ApiError::unsupported_coding()),
    }
}

/// How long to wait for the next chunk of a body that began `since` ago, and of which so many bytes were read.
fn timeout(since: Duration, read: usize) -> Duration {
    let earned = Duration::from_secs(1) * u32::try_from(read).unwrap_or(u32::MAX) / MIN_BYTES_PER_SECOND;
    IDLE_TIMEOUT.min((IDLE_TIMEOUT + earned).saturating_sub(since))
}

/// This also keeps out web pages of other origins: without a preflight request, a browser lets them send other types only.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(given) = headers.get(header::CONTENT_TYPE).and_then(|given| given.to_str().ok()) else {
        return false;
    };
    let mut parts = given.split(';');
    let media_type = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
    let is_utf8 = |charset: &str| ["utf-8", "utf8"].iter().any(|name| charset.eq_ignore_ascii_case(name));
    let other_charset = parts
        .filter_map(|parameter| parameter.split_once('='))
        .any(|(name, value)| name.trim().eq_ignore_ascii_case("charset") && !is_utf8(value.trim().trim_matches('"')));
    let json =
        media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"));
    json && !other_charset
}

#[cfg(test)]
mod tests;
