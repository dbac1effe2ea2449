//! Bodies of requests that come slowly, or stop coming.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::{Duration, Instant};

use e2e::{Answer, Api, HttpConnection};
use testkit::RedisServer;
use tokio::{task::JoinSet, time::sleep};

/// How long a body may be silent, and how long one that trickles may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// More than a machine that is busy adds to it.
const PROMPT: Duration = Duration::from_secs(8);

const JSON: &str = "Content-Type: application/json";

/// A request whose body has begun.
async fn begin(api: &Api, path: &str, length: &str, body: &str) -> HttpConnection {
    let mut connection = HttpConnection::open(api).await;
    connection.send_head("POST", path, &[JSON, length]).await;
    connection.send(body).await;
    connection
}

/// The answer to a request that is given up, and after what time it comes.
async fn given_up(mut connection: HttpConnection, began: Instant) -> (Answer, Duration) {
    // Most of the time passes here: an answer is only waited for as long as one takes that is due.
    sleep((TIMEOUT - Duration::from_secs(1)).saturating_sub(began.elapsed())).await;
    (connection.answer().await, began.elapsed())
}

#[tokio::test]
async fn a_body_that_stops_coming_is_a_408_after_30_s_and_the_api_serves_others() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let began = Instant::now();
    let mut stalled = JoinSet::new();
    for (path, length, body) in [
        ("/emails", "Content-Length: 10000000", ""),
        ("/emails", "Content-Length: 10000000", "{"),
        ("/emails/batch", "Content-Length: 3", "[{"),
        ("/emails", "Transfer-Encoding: chunked", "1\r\n{\r\n"),
        ("/emails", "Transfer-Encoding: chunked", ""),
    ] {
        stalled.spawn(given_up(begin(&api, path, length, body).await, began));
    }
    assert_eq!(api.request("GET", "/readyz", &[], "").await.status, 200);
    while let Some(answer) = stalled.join_next().await {
        let (refused, after) = answer.unwrap();
        refused.assert_refused("stalled", 408, "request_timeout", "in time");
        assert!(after >= TIMEOUT && after < TIMEOUT + PROMPT, "{after:?}");
    }
    assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut redis.connection()).unwrap(), 0);
}

#[tokio::test]
async fn a_body_that_trickles_is_a_408_and_one_that_is_only_slow_is_accepted() {
    const HONEST: usize = 12 * 1024;
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let began = Instant::now();
    let mut trickles = begin(&api, "/emails", "Content-Length: 10000000", "").await;
    let end = r#""to": "a@b.example", "message": "hi"}"#;
    let length = format!("Content-Length: {}", 1 + 32 * HONEST + end.len());
    let mut slow = begin(&api, "/emails", &length, "{").await;
    // Longer than a silence may be: each second brings it a byte, or as many as it needs.
    for _ in 0..32 {
        sleep(Duration::from_secs(1)).await;
        if began.elapsed() < TIMEOUT - Duration::from_secs(1) {
            trickles.send(" ").await;
        }
        slow.send(" ".repeat(HONEST)).await;
    }
    slow.send(end).await;
    assert_eq!(slow.answer().await.status, 200);
    let refused = trickles.answer().await;
    refused.assert_refused("a trickle", 408, "request_timeout", "in time");
}
