//! The handlers on a small host that serves many requests at the same time: tokio on one thread, and redis-rs.
//!
//! - [`host`]: the host;
//! - [`redis_client`]: its connections to Redis.

#![recursion_limit = "256"]
#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod host;
mod redis_client;

use std::collections::HashSet;

use http::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::RedisServer;

use crate::host::{Answer, Server, on_one_thread};

fn email() -> Value {
    json!({"from": "a@example.com", "to": "b@example.com", "subject": "hello", "text": "hi"})
}

fn id(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.body["id"].as_str().unwrap().to_owned()
}

#[test]
fn an_email_is_accepted_read_back_and_canceled() {
    let redis = RedisServer::builder().without_persistence().start();
    on_one_thread(async {
        let server = Server::new(&redis.url());
        let id = id(&server.post("/emails", email()).await);

        let read = server.send(Method::GET, &format!("/emails/{id}"), Vec::new()).await;
        assert_eq!((read.status, &read.body["subject"]), (StatusCode::OK, &json!("hello")));
        assert_eq!(read.body["last_event"], "queued");

        let canceled = server.send(Method::POST, &format!("/emails/{id}/cancel"), Vec::new()).await;
        assert_eq!((canceled.status, &canceled.body["id"]), (StatusCode::OK, &json!(id)));
        let read = server.send(Method::GET, &format!("/emails/{id}"), Vec::new()).await;
        assert_eq!(read.body["last_event"], "canceled");
    });
}

#[test]
fn requests_at_the_same_time_share_a_connection_and_calls() {
    const REQUESTS: usize = 20;
    let redis = RedisServer::builder().without_persistence().start();
    let mut observer = redis.connection();
    on_one_thread(async {
        let server = Server::new(&redis.url());
        id(&server.post("/emails", email()).await);
        let before = Counts::read(&mut observer);

        let requests: Vec<_> = (0..REQUESTS)
            .map(|_| {
                let server = server.clone();
                tokio::task::spawn_local(async move { server.post("/emails", email()).await })
            })
            .collect();
        let mut ids = HashSet::new();
        for request in requests {
            ids.insert(id(&request.await.unwrap()));
        }
        assert_eq!(ids.len(), REQUESTS);

        let after = Counts::read(&mut observer);
        assert_eq!(after.connections, before.connections);
        assert!(after.script_calls - before.script_calls < REQUESTS / 2, "{before:?} {after:?}");
    });
}

#[test]
fn a_large_body_in_many_pieces_is_accepted() {
    let redis = RedisServer::builder().without_persistence().start();
    on_one_thread(async {
        let server = Server::new(&redis.url());
        let mut large = email();
        large["text"] = "x".repeat(1_000_000).into();
        let id = id(&server.post("/emails", large).await);
        let read = server.send(Method::GET, &format!("/emails/{id}"), Vec::new()).await;
        assert_eq!(read.body["text"].as_str().map(str::len), Some(1_000_000));
    });
}

#[test]
fn a_redis_that_cannot_be_reached_is_a_503_and_the_next_request_connects_again() {
    let mut redis = RedisServer::builder().start();
    on_one_thread(async {
        let server = Server::new(&redis.url());
        id(&server.post("/emails", email()).await);
        redis.kill_now();
        assert_eq!(server.post("/emails", email()).await.status, StatusCode::SERVICE_UNAVAILABLE);
        redis.start_again();
        id(&server.post("/emails", email()).await);
    });
}

#[test]
fn a_silent_redis_is_a_503_for_all_who_wait_for_it_and_the_next_request_connects_again() {
    let redis = RedisServer::builder().without_persistence().start();
    on_one_thread(async {
        let server = Server::new(&redis.url());
        id(&server.post("/emails", email()).await);
        redis.freeze();
        let (first, second) = tokio::join!(server.post("/emails", email()), server.post("/emails", email()));
        for answer in [first, second] {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
            assert!(
                answer.body["message"].as_str().unwrap().contains("not known whether this was accepted"),
                "{answer:?}"
            );
        }
        redis.thaw();
        id(&server.post("/emails", email()).await);
    });
}

/// What Redis counts.
#[derive(Debug)]
struct Counts {
    connections: usize,
    script_calls: usize,
}

impl Counts {
    fn read(observer: &mut redis::Connection) -> Self {
        let info: redis::InfoDict = redis::cmd("INFO").arg("everything").query(observer).unwrap();
        let evalsha: String = info.get("cmdstat_evalsha").unwrap();
        let calls = evalsha.split(',').find_map(|part| part.strip_prefix("calls=")).unwrap();
        Self { connections: info.get("total_connections_received").unwrap(), script_calls: calls.parse().unwrap() }
    }
}
