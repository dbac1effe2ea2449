//! How the API uses its connections to Redis, and that no answer goes to somebody else's request.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::BTreeMap;

use e2e::Api;
use serde_json::json;
use testkit::RedisServer;
use tokio::task::JoinSet;

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

/// A number that `INFO` gives.
fn info(redis: &RedisServer, name: &str) -> u64 {
    let info: String = redis::cmd("INFO").arg("stats").query(&mut redis.connection()).unwrap();
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok()).unwrap()
}

/// How often each command was called, those inside scripts included.
fn calls(redis: &RedisServer) -> BTreeMap<String, u64> {
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut redis.connection()).unwrap();
    let line = |line: &str| {
        let (name, stats) = line.strip_prefix("cmdstat_")?.split_once(':')?;
        Some((name.to_owned(), stats.strip_prefix("calls=")?.split(',').next()?.parse().ok()?))
    };
    info.lines().filter_map(line).collect()
}

/// Accepts an email with this subject, and reads it again.
async fn post_and_read(api: &Api, subject: &str) {
    let id = api.accept(&json!({"to": "a@b.example", "subject": subject, "text": "hi"})).await;
    let read = api.get(&id).await;
    assert_eq!(
        (read.status, read.json["id"].as_str(), read.json["subject"].as_str()),
        (200, Some(&*id), Some(subject))
    );
}

#[tokio::test]
async fn every_one_of_many_requests_at_once_gets_its_own_answer() {
    let redis = redis();
    let api = std::sync::Arc::new(Api::start(&redis).await);
    let mut clients = JoinSet::new();
    for client in 0..20 {
        let api = api.clone();
        clients.spawn(async move {
            for nth in 0..15 {
                post_and_read(&api, &format!("number {nth} of {client}")).await;
            }
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap();
    }
}

#[tokio::test]
async fn accepting_an_email_costs_one_command_and_at_the_most_one_connection() {
    const REQUESTS: u64 = 300;
    let redis = redis();
    let api = Api::start(&redis).await;
    // Redis gets to know the script.
    post_and_read(&api, "first").await;
    let (connections, before) = (info(&redis, "total_connections_received"), calls(&redis));
    for _ in 0..REQUESTS {
        api.accept(&json!({"to": "a@b.example", "message": "hi"})).await;
    }
    // Asking costs connections of our own: one for each question, the last one included.
    let connections = info(&redis, "total_connections_received") - connections - 2;
    let after = calls(&redis);
    assert_eq!(after["evalsha"] - before["evalsha"], REQUESTS);
    for greeting in ["hello", "auth", "select", "ping", "client|setinfo", "client|setname", "eval"] {
        assert_eq!(after.get(greeting), before.get(greeting), "{greeting}");
    }
    if Api::keeps_connections() {
        assert!(connections <= REQUESTS / 10, "{connections} connections for {REQUESTS} requests");
    } else {
        assert_eq!(connections, REQUESTS);
    }
}

#[tokio::test]
async fn a_connection_that_redis_closes_costs_no_request() {
    let redis = redis();
    let api = Api::start(&redis).await;
    for round in 0..20 {
        post_and_read(&api, &format!("round {round}")).await;
        let () = redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]).query(&mut redis.connection()).unwrap();
    }
}
