//! Large bodies that come at the same time, to an instance that has no memory for all of them.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use e2e::{Answer, Api, HttpConnection};
use flate2::{Compression, write::GzEncoder};
use testkit::RedisServer;
use tokio::task::JoinSet;

/// What hosts such as Fermyon Cloud and Akamai Functions give an instance.
const MEMORY: usize = 128 * 1024 * 1024;

/// The largest body that is taken by default.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// More than fit, and fewer than the 16 requests that Spin gives an instance at the same time.
const AT_ONCE: usize = 8;

const SMALL: &str = r#"{"to":"a@b.example","message":"hi"}"#;
const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

async fn start() -> (RedisServer, Arc<Api>) {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_within(MEMORY, &redis.url(), &[("backlog_bytes", "0")]).await;
    (redis, Arc::new(api))
}

/// The largest body there may be, whose content is this piece again and again.
fn largest(before: &str, piece: &str, behind: &str) -> Vec<u8> {
    let before = format!(r#"{{"from":"a@b.example","to":"a@b.example","subject":"s",{before}"#);
    let times = (LARGEST_BODY - before.len() - behind.len()) / piece.len();
    format!("{before}{}{behind}", piece.repeat(times)).into_bytes()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The refusal of a body for which there is no memory: nothing was accepted.
fn assert_busy(answer: &Answer) {
    answer.assert_refused("a large one", 503, "service_unavailable", "busy");
    assert!(answer.text("message").contains("Nothing was accepted"), "{}", answer.json);
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test]
async fn large_bodies_at_the_same_time_end_no_instance_and_keep_no_small_one() {
    let (_redis, api) = start().await;
    let html = largest(r#""html":""#, "x", r#""}"#);
    for (case, body, headers) in [
        ("html", html.clone(), &[JSON][..]),
        ("escapes", largest(r#""text":""#, "\\n", r#""}"#), &[JSON]),
        ("bytes", largest(r#""text":"t","attachments":[{"content":["#, "1,", "1]}]}"), &[JSON]),
        ("idempotent", html.clone(), &[JSON, ("idempotency-key", "k")]),
        ("compressed", gzip(&html), &[JSON, GZIP]),
        ("small when compressed", gzip(&largest(r#""text":""#, " ", r#"x"}"#)), &[JSON, GZIP]),
    ] {
        let is_over = Arc::new(AtomicBool::new(false));
        let (small_ones, others) = (Arc::clone(&api), Arc::clone(&is_over));
        let small = tokio::spawn(async move {
            while !others.load(Relaxed) {
                let answer = small_ones.request("POST", "/emails", &[JSON], SMALL).await;
                // A machine that is busy may keep it waiting for Redis, but no large body for room.
                assert!(answer.status == 200 || answer.text("message").contains("did not answer"), "{case}");
            }
        });
        let mut large = JoinSet::new();
        for _ in 0..AT_ONCE {
            let (api, body) = (Arc::clone(&api), body.clone());
            large.spawn(async move { api.request("POST", "/emails", headers, body).await });
        }
        let answers = large.join_all().await;
        is_over.store(true, Relaxed);
        small.await.unwrap();
        // On a slow machine the last ones may have waited for too long.
        answers.iter().filter(|answer| answer.status != 200).for_each(assert_busy);
        assert!(answers.iter().any(|answer| answer.status == 200), "{case}");
    }
}

#[tokio::test]
async fn large_bodies_that_stop_coming_keep_no_small_one_and_others_only_for_a_time() {
    let (_redis, api) = start().await;
    let json = "Content-Type: application/json";
    let mut slow = Vec::new();
    let announced = format!("Content-Length: {LARGEST_BODY}");
    for length in [&announced, "Transfer-Encoding: chunked"].repeat(3) {
        let mut connection = HttpConnection::open(&api).await;
        connection.send_head("POST", "/emails", &[json, length]).await;
        // More than a small one may have, of which no more follows.
        let begun = "x".repeat(100_000);
        if length.starts_with("Content") {
            connection.send(begun).await;
        } else {
            connection.send_chunk(begun.as_bytes()).await;
        }
        slow.push(connection);
    }
    let body = largest(r#""html":""#, "x", r#""}"#);
    let (large, small) = tokio::join!(
        api.request("POST", "/emails", &[JSON], body.clone()),
        api.request("POST", "/emails", &[JSON], SMALL),
    );
    assert_eq!(small.status, 200, "{}", small.json);
    // An instance of its own has room for it.
    if large.status != 200 {
        assert_busy(&large);
    }
    // When the slow ones have gone, it finds room.
    let waiting = Arc::clone(&api);
    let waits = tokio::spawn(async move { waiting.request("POST", "/emails", &[JSON], body).await });
    drop(slow);
    assert_eq!(waits.await.unwrap().status, 200);
}
