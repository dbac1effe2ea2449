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

/// A body in pieces, in an instance that has so much room, and what was asked for and kept of it.
struct Sized {
    pieces: Vec<Vec<u8>>,
    room: usize,
    reserved: Vec<(usize, usize)>,
    kept: Option<usize>,
}

impl Sized {
    fn new(bytes: Vec<u8>, room: usize) -> Self {
        let pieces = bytes.chunks(10_000).rev().map(<[u8]>::to_vec).collect();
        Self { pieces, room, reserved: Vec::new(), kept: None }
    }
}

impl Body for Sized {
    async fn chunk(&mut self, _patience: Duration) -> Result<Option<Vec<u8>>, Interrupted> {
        Ok(self.pieces.pop())
    }

    async fn reserve(&mut self, bytes: usize, most: usize) -> bool {
        self.reserved.push((bytes, most));
        bytes <= self.room
    }

    fn keep(&mut self, bytes: usize) {
        self.kept = Some(bytes);
    }
}

const LIMIT: usize = 1_000_000;

/// Reads a body, which says how long it is or does not.
fn read(body: &mut Sized, coding: Option<&'static str>, is_announced: bool) -> Result<usize, StatusCode> {
    let mut headers = headers("application/json");
    if is_announced {
        headers.insert(header::CONTENT_LENGTH, body.pieces.concat().len().into());
    }
    if let Some(coding) = coding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
    }
    let read = pollster::block_on(read_json(&headers, body, LIMIT));
    read.map(|read| read.len()).map_err(|refused| refused.into_response().status())
}

#[test]
fn a_large_body_asks_once_for_room_for_all_that_it_may_have() {
    let most = 2 * LIMIT;
    let packed = |bytes: usize| gzip::packed(&vec![b' '; bytes]);
    let mut noise = vec![0; 200_000];
    getrandom::fill(&mut noise).unwrap();
    let packed_noise = gzip::packed(&noise);
    let packed_length = packed_noise.len();
    assert!(packed_length > SMALL);
    for (case, bytes, coding, is_announced, length, expected) in [
        ("small", vec![b' '; SMALL], None, true, SMALL, vec![]),
        ("small, not announced", vec![b' '; SMALL], None, false, SMALL, vec![]),
        ("announced", vec![b' '; SMALL + 1], None, true, SMALL + 1, vec![(SMALL + 1, most)]),
        ("not announced", vec![b' '; SMALL + 1], None, false, SMALL + 1, vec![(LIMIT, most)]),
        ("packed, small", packed(SMALL), Some("gzip"), true, SMALL, vec![]),
        ("packed, large", packed(SMALL + 1), Some("gzip"), true, SMALL + 1, vec![(LIMIT, most)]),
        ("large when packed", packed_noise.clone(), Some("gzip"), true, 200_000, vec![(packed_length + LIMIT, most)]),
        ("the same, not announced", packed_noise, Some("gzip"), false, 200_000, vec![(most, most)]),
    ] {
        let mut body = Sized::new(bytes, most);
        assert_eq!(read(&mut body, coding, is_announced), Ok(length), "{case}");
        assert_eq!(body.reserved, expected, "{case}");
        assert_eq!(body.kept.is_some(), !expected.is_empty(), "{case}");
        assert!(body.kept.is_none_or(|kept| kept == length), "{case}");
    }
}

#[test]
fn a_body_for_which_there_is_no_room_is_not_read_on() {
    let packed = gzip::packed(&vec![b' '; SMALL + 1]);
    for (bytes, coding, is_announced, left) in
        [(vec![b' '; 300_000], None, true, 30), (vec![b' '; 300_000], None, false, 23), (packed, Some("gzip"), true, 0)]
    {
        let mut body = Sized::new(bytes, 0);
        assert_eq!(read(&mut body, coding, is_announced), Err(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(body.pieces.len(), left);
    }
}
