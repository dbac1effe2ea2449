//! Reads the body of a request, without ever holding more of it than is allowed.

use std::{
    future::{Future, ready},
    time::{Duration, Instant},
};

use http::{HeaderMap, header};

use crate::{
    budget::SMALL,
    error::ApiError,
    gzip::{self, GzipError},
};

/// For so long a body may be silent: at its beginning, and between any two of its bytes.
const SILENCE: Duration = Duration::from_secs(30);

/// How many bytes of a body have to come in a second, on average after the first [`SILENCE`]. A body that trickles would
/// otherwise hold an instance for days. As [`RequestReadTimeout`](https://httpd.apache.org/docs/2.4/mod/mod_reqtimeout.html)
/// of Apache does it: what has come gives time for more.
const LEAST_PER_SECOND: u32 = 8 * 1024;

/// The body of a request as it comes in.
pub trait Body {
    /// The next piece; `None` at the end. Waits no longer than `patience`.
    ///
    /// # Errors
    /// When the rest cannot be read, or does not come.
    fn chunk(&mut self, patience: Duration) -> impl Future<Output = Result<Option<Vec<u8>>, Interrupted>>;

    /// Waits until there is room to take in so many bytes, where requests that are served at the same time have no more than
    /// `most` together. Asked for once, and not for a [small](SMALL) body. Says whether there is. There always is where an
    /// instance has one request.
    fn reserve(&mut self, _bytes: usize, _most: usize) -> impl Future<Output = bool> {
        ready(true)
    }

    /// Gives back all but so many bytes of what was [reserved](Self::reserve). What is left goes back with the body.
    fn keep(&mut self, _bytes: usize) {}
}

impl<B: Body> Body for &mut B {
    async fn chunk(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
        (**self).chunk(patience).await
    }

    async fn reserve(&mut self, bytes: usize, most: usize) -> bool {
        (**self).reserve(bytes, most).await
    }

    fn keep(&mut self, bytes: usize) {
        (**self).keep(bytes);
    }
}

/// Why the rest of a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    /// The client went away, or sent less than it had announced.
    CutOff,
    /// Nothing came for as long as the reader waited.
    Silent,
}

impl From<Interrupted> for ApiError {
    fn from(interrupted: Interrupted) -> Self {
        match interrupted {
            Interrupted::CutOff => Self::body_cut_off(),
            Interrupted::Silent => Self::body_timed_out(),
        }
    }
}

/// So many of the largest bodies are taken in at the same time. One that is being read, checked and stored takes up to five
/// times its bytes, and the least that hosts give an instance is 128 MiB, with bodies of up to 10 MiB.
const LARGEST_AT_ONCE: usize = 2;

/// Reads a JSON body to its end, or to the limit: what lies behind is not read.
pub(crate) async fn read_json(headers: &HeaderMap, mut body: impl Body, limit: usize) -> Result<Vec<u8>, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::unsupported_media_type());
    }
    let is_gzip = is_gzip(headers)?;
    let announced = announced(headers).map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    if announced.is_some_and(|announced| announced > limit) {
        return Err(ApiError::body_too_large(limit));
    }
    let mut room = Room { body: &mut body, limit, is_taken: false };
    // What it comes to with what is unpacked of it.
    let in_all = |bytes: usize| if is_gzip { bytes.saturating_add(limit) } else { bytes };
    if let Some(announced) = announced.filter(|announced| *announced > SMALL) {
        room.take(in_all(announced)).await?;
    }
    let mut read = Vec::with_capacity(announced.unwrap_or_default());
    let began = Instant::now();
    let mut now = began;
    while let Some(chunk) = room.body.chunk(patience(now - began, read.len())).await? {
        now = Instant::now();
        if read.len() + chunk.len() > limit {
            return Err(ApiError::body_too_large(limit));
        }
        if read.len() + chunk.len() > SMALL && !room.is_taken {
            room.take(in_all(limit)).await?;
            // At once, because to double it each time takes three times as much.
            read.reserve_exact(limit - read.len());
            now = Instant::now();
        }
        read.extend_from_slice(&chunk);
    }
    if is_gzip {
        if !room.is_taken {
            match gzip::inflate(&read, limit.min(SMALL)) {
                Err(GzipError::TooLarge) if limit > SMALL => room.take(limit).await?,
                inflated => return inflated.map_err(|error| error.refusal(limit)),
            }
        }
        read = gzip::inflate(&read, limit).map_err(|error| error.refusal(limit))?;
    }
    if room.is_taken {
        read.shrink_to_fit();
        room.body.keep(read.len());
    }
    Ok(read)
}

/// What there is to take a large body in.
struct Room<'a, B> {
    body: &'a mut B,
    limit: usize,
    is_taken: bool,
}

impl<B: Body> Room<'_, B> {
    async fn take(&mut self, bytes: usize) -> Result<(), ApiError> {
        self.is_taken = true;
        let most = self.limit.saturating_mul(LARGEST_AT_ONCE);
        if self.body.reserve(bytes, most).await { Ok(()) } else { Err(ApiError::no_room_for_body()) }
    }
}

/// How many bytes a body has, where the request says so. As wide as any length that can be announced; `usize` has 32 bits in
/// Wasm.
pub fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Whether all of a body may be large, packed or not. To read one that is not costs next to nothing.
pub(crate) fn may_be_large(headers: &HeaderMap) -> bool {
    headers.contains_key(header::CONTENT_ENCODING) || announced(headers).is_none_or(|bytes| bytes > SMALL as u64)
}

/// Whether the body is compressed. No other way is read than gzip (RFC 9110 section 8.4.1.3).
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

/// How long to wait for more of a body of which so many bytes have come since it began.
fn patience(since: Duration, read: usize) -> Duration {
    let earned = Duration::from_secs(1) * u32::try_from(read).unwrap_or(u32::MAX) / LEAST_PER_SECOND;
    SILENCE.min((SILENCE + earned).saturating_sub(since))
}

/// Also what keeps web pages out: a browser lets a page of another origin send anything but this type unasked.
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
