use http::{HeaderValue, StatusCode};

use super::*;

/// A body that never ends, and counts what is taken of it.
struct Endless(usize);

impl Body for Endless {
    type Chunk = Vec<u8>;

    async fn chunk(&mut self, _timeout: Duration) -> Result<Option<Vec<u8>>, BodyError> {
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
fn a_body_with_too_large_a_length_is_not_read_at_all() {
    let mut headers = headers("application/json");
    headers.insert(header::CONTENT_LENGTH, 10_001.into());
    let mut body = Endless(0);
    assert!(pollster::block_on(read_json(&headers, &mut body, 10_000)).is_err());
    assert_eq!(body.0, 0);
}

#[test]
fn a_body_may_be_silent_for_30_s_and_slow_but_not_trickle() {
    let seconds = Duration::from_secs;
    assert_eq!(timeout(seconds(0), 0), seconds(30));
    // A quick one does not get more.
    assert_eq!(timeout(seconds(1), 10 << 20), seconds(30));
    // 10 MiB at 10 KiB a second.
    for passed in 0..1024 {
        assert_eq!(timeout(seconds(passed), usize::try_from(passed).unwrap() * 10 * 1024), seconds(30));
    }
    // A byte a second.
    assert_eq!(timeout(seconds(20), 20), seconds(10) + seconds(20) / MIN_BYTES_PER_SECOND);
    assert_eq!(timeout(seconds(31), 31), seconds(0));
    // At exactly the minimum rate.
    assert_eq!(timeout(seconds(1280), 10 << 20), seconds(30));
}

#[test]
fn a_body_that_does_not_come_is_a_time_out() {
    struct Stalled;
    impl Body for Stalled {
        type Chunk = Vec<u8>;

        async fn chunk(&mut self, timeout: Duration) -> Result<Option<Vec<u8>>, BodyError> {
            assert_eq!(timeout, IDLE_TIMEOUT);
            Err(BodyError::TimedOut)
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

/// A body in pieces, in an instance with so much free memory; and what was reserved for it.
struct Sized {
    pieces: Vec<Vec<u8>>,
    free: usize,
    reserved: Vec<(usize, usize)>,
    shrunk_to: Option<usize>,
}

impl Sized {
    fn new(bytes: Vec<u8>, free: usize) -> Self {
        let pieces = bytes.chunks(10_000).rev().map(<[u8]>::to_vec).collect();
        Self { pieces, free, reserved: Vec::new(), shrunk_to: None }
    }
}

impl Body for Sized {
    type Chunk = Vec<u8>;

    async fn chunk(&mut self, _timeout: Duration) -> Result<Option<Vec<u8>>, BodyError> {
        Ok(self.pieces.pop())
    }

    async fn reserve(&mut self, bytes: usize, limit: usize) -> bool {
        self.reserved.push((bytes, limit));
        bytes <= self.free
    }

    fn shrink(&mut self, bytes: usize) {
        self.shrunk_to = Some(bytes);
    }
}

const LIMIT: usize = 1_000_000;

/// Reads a body, which says how long it is or does not.
fn read(body: &mut Sized, coding: Option<&'static str>, has_length: bool) -> Result<usize, StatusCode> {
    let mut headers = headers("application/json");
    if has_length {
        headers.insert(header::CONTENT_LENGTH, body.pieces.concat().len().into());
    }
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let read = pollster::block_on(read_json(&headers, body, LIMIT));
    read.map(|read| read.len()).map_err(|refused| refused.into_response().status())
}

#[test]
fn a_large_body_reserves_once_for_all_that_it_may_have() {
    let most = 2 * LIMIT;
    let packed = |bytes: usize| gzip::packed(&vec![b' '; bytes]);
    let mut noise = vec![0; 200_000];
    getrandom::fill(&mut noise).unwrap();
    let packed_noise = gzip::packed(&noise);
    let packed_length = packed_noise.len();
    assert!(packed_length > SMALL_BODY);
    for (case, bytes, coding, has_length, length, expected) in [
        ("small", vec![b' '; SMALL_BODY], None, true, SMALL_BODY, vec![]),
        ("small, without length", vec![b' '; SMALL_BODY], None, false, SMALL_BODY, vec![]),
        ("with length", vec![b' '; SMALL_BODY + 1], None, true, SMALL_BODY + 1, vec![(SMALL_BODY + 1, most)]),
        ("without length", vec![b' '; SMALL_BODY + 1], None, false, SMALL_BODY + 1, vec![(LIMIT, most)]),
        ("packed, small", packed(SMALL_BODY), Some("gzip"), true, SMALL_BODY, vec![]),
        ("packed, large", packed(SMALL_BODY + 1), Some("gzip"), true, SMALL_BODY + 1, vec![(LIMIT, most)]),
        ("large when packed", packed_noise.clone(), Some("gzip"), true, 200_000, vec![(packed_length + LIMIT, most)]),
        ("the same, without length", packed_noise, Some("gzip"), false, 200_000, vec![(most, most)]),
    ] {
        let mut body = Sized::new(bytes, most);
        assert_eq!(read(&mut body, coding, has_length), Ok(length), "{case}");
        assert_eq!(body.reserved, expected, "{case}");
        assert_eq!(body.shrunk_to.is_some(), !expected.is_empty(), "{case}");
        assert!(body.shrunk_to.is_none_or(|bytes| bytes == length), "{case}");
    }
}

#[test]
fn a_body_for_which_there_is_no_memory_is_not_read_on() {
    let packed = gzip::packed(&vec![b' '; SMALL_BODY + 1]);
    for (bytes, coding, has_length, left) in
        [(vec![b' '; 300_000], None, true, 30), (vec![b' '; 300_000], None, false, 23), (packed, Some("gzip"), true, 0)]
    {
        let mut body = Sized::new(bytes, 0);
        assert_eq!(read(&mut body, coding, has_length), Err(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(body.pieces.len(), left);
    }
}
