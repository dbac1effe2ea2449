//! Reads the body of a request, without ever holding more of it than is allowed.

use std::{
    future::Future,
    time::{Duration, Instant},
};

use http::{HeaderMap, header};

use crate::{error::ApiError, gzip};

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
}

impl<B: Body> Body for &mut B {
    async fn chunk(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
        (**self).chunk(patience).await
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

/// Reads a JSON body to its end, or to the limit: what lies behind is not read.
pub(crate) async fn read_json(headers: &HeaderMap, mut body: impl Body, limit: usize) -> Result<Vec<u8>, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::unsupported_media_type());
    }
    let is_gzip = is_gzip(headers)?;
    // As wide as any length that can be announced; `usize` has 32 bits in Wasm.
    let announced: u64 =
        headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    let announced = usize::try_from(announced).ok().filter(|announced| *announced <= limit);
    let mut read = Vec::with_capacity(announced.ok_or_else(|| ApiError::body_too_large(limit))?);
    let began = Instant::now();
    let mut now = began;
    while let Some(chunk) = body.chunk(patience(now - began, read.len())).await? {
        now = Instant::now();
        if read.len() + chunk.len() > limit {
            return Err(ApiError::body_too_large(limit));
        }
        read.extend_from_slice(&chunk);
    }
    if is_gzip { gzip::inflate(&read, limit) } else { Ok(read) }
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
mod tests {
    use http::{HeaderValue, StatusCode};

    use super::*;

    /// A body that never ends, and counts what is taken of it.
    struct Endless(usize);

    impl Body for Endless {
        async fn chunk(&mut self, _patience: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
            self.0 += 1000;
            Ok(Some(vec![b' '; 1000]))
        }
    }

    fn headers(content_type: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(content_type))])
    }

    #[test]
    fn a_body_is_not_read_past_the_limit() {
        let mut body = Endless(0);
        let refused = pollster::block_on(read_json(&headers("application/json"), &mut body, 10_000)).unwrap_err();
        assert_eq!(refused.into_response().status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(body.0, 11_000);
    }

    #[test]
    fn a_body_that_announces_too_much_is_not_read_at_all() {
        let mut headers = headers("application/json");
        headers.insert(header::CONTENT_LENGTH, 10_001.into());
        let mut body = Endless(0);
        assert!(pollster::block_on(read_json(&headers, &mut body, 10_000)).is_err());
        assert_eq!(body.0, 0);
    }

    #[test]
    fn a_body_may_be_silent_for_30_s_and_slow_but_not_trickle() {
        let seconds = Duration::from_secs;
        assert_eq!(patience(seconds(0), 0), seconds(30));
        // A quick one is waited for no longer than a slow one.
        assert_eq!(patience(seconds(1), 10 << 20), seconds(30));
        // 10 MiB at 10 KiB a second.
        for passed in 0..1024 {
            assert_eq!(patience(seconds(passed), usize::try_from(passed).unwrap() * 10 * 1024), seconds(30));
        }
        // A byte a second.
        assert_eq!(patience(seconds(20), 20), seconds(10) + seconds(20) / LEAST_PER_SECOND);
        assert_eq!(patience(seconds(31), 31), seconds(0));
        // At exactly the least rate nothing more is earned.
        assert_eq!(patience(seconds(1280), 10 << 20), seconds(30));
    }

    #[test]
    fn a_body_that_does_not_come_is_a_time_out() {
        struct Stalled;
        impl Body for Stalled {
            async fn chunk(&mut self, patience: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
                assert_eq!(patience, SILENCE);
                Err(Interrupted::Silent)
            }
        }
        let refused = pollster::block_on(read_json(&headers("application/json"), Stalled, 10_000)).unwrap_err();
        assert_eq!(refused.into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn a_body_may_be_gzip_and_compressed_in_no_other_way() {
        let coded = |codings: &[&'static str]| {
            let codings = codings.iter().map(|coding| (header::CONTENT_ENCODING, HeaderValue::from_static(coding)));
            is_gzip(&codings.collect())
        };
        for (codings, expected) in [(&[][..], false), (&["identity"], false), (&["gzip"], true), (&["X-GZIP"], true)] {
            assert_eq!(coded(codings).unwrap(), expected, "{codings:?}");
        }
        for codings in [&["br"][..], &["gzip, gzip"], &["deflate"]] {
            let refused = coded(codings).unwrap_err().into_response();
            assert_eq!(refused.status(), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{codings:?}");
            assert_eq!(refused.headers()[header::ACCEPT_ENCODING], "gzip");
        }
    }

    #[test]
    fn only_json_is_json() {
        for given in [
            "application/json",
            "Application/JSON; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/json; charset=utf8",
            "application/ld+json",
        ] {
            assert!(is_json(&headers(given)), "{given}");
        }
        for given in
            ["", "text/plain", "text/json", "application/x-www-form-urlencoded", "application/json; charset=latin1"]
        {
            assert!(!is_json(&headers(given)), "{given}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
