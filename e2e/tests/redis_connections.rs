//! How the API uses its Redis connections; no reply goes to another request.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use e2e::{Answer, Api};
use serde_json::{Value, json};
use testkit::{DEADLINE, RedisServer, TcpProxy, eventually};
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
    // Each question about Redis costs a connection of our own.
    const OURS: u64 = 2;
    let redis = redis();
    let api = Api::start(&redis).await;
    // Loads the script into Redis.
    post_and_read(&api, "first").await;
    let (connections, before) = (info(&redis, "total_connections_received"), calls(&redis));
    for _ in 0..REQUESTS {
        api.accept(&json!({"to": "a@b.example", "message": "hi"})).await;
    }
    let connections = info(&redis, "total_connections_received") - connections - OURS;
    let after = calls(&redis);
    assert_eq!(after["evalsha"] - before["evalsha"], REQUESTS);
    for greeting in ["hello", "auth", "select", "ping", "client|setname", "eval"] {
        assert_eq!(after.get(greeting), before.get(greeting), "{greeting}");
    }
    // With each connection the host's client, as ours, sends its name and version (CLIENT SETINFO, Redis 7.2).
    let greetings = |calls: &BTreeMap<String, u64>| calls.get("client|setinfo").copied().unwrap_or_default();
    assert!(greetings(&after) - greetings(&before) <= 2 * (connections + OURS));
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

#[tokio::test]
async fn an_instance_without_requests_is_dropped_with_its_connection() {
    if !Api::is_component() {
        return;
    }
    let redis = redis();
    let api = Api::start(&redis).await;
    let mut operator = redis.connection();
    let mut clients = || {
        let list: String = redis::cmd("CLIENT").arg("LIST").query(&mut operator).unwrap();
        list.lines().count()
    };
    for _ in 0..2 {
        post_and_read(&api, "one of many").await;
        eventually(DEADLINE, "only the operator to be connected", async || clients() == 1).await;
    }
}

/// An API whose connection to Redis leads through a proxy, and has been used.
async fn behind_a_proxy(redis: &RedisServer, variables: &[(&str, &str)]) -> (Api, TcpProxy) {
    let proxy = TcpProxy::start(redis.address()).await;
    let api = Api::start_with(&redis.url_through(proxy.address()), variables).await;
    (api, proxy)
}

/// Sends a request whose answer from Redis is lost, with the connection on which it was to come. What else the same
/// request asks of Redis is answered.
async fn with_a_lost_answer(api: &Api, proxy: &TcpProxy, request: impl Future<Output = Answer>) -> Answer {
    // The scripts that it takes are known to Redis, and the connection is there.
    assert_eq!(api.request("GET", "/readyz", &[], "").await.status, 200);
    // The list that a script replies with, and not what a new connection begins with.
    proxy.silence_when_server_sends(|piece| piece.starts_with(b"*"));
    let lose = async {
        proxy.silenced().await;
        proxy.heal();
        proxy.cut();
    };
    tokio::join!(request, lose).0
}

/// Under WASI 0.2 each request has its own connection, and the command that it is opened for is not sent again: the client gets
/// the error and repeats the request.
#[tokio::test]
async fn an_answer_lost_with_a_connection_that_is_not_kept_is_a_503() {
    if Api::keeps_connections() {
        return;
    }
    let redis = redis();
    let (api, proxy) = behind_a_proxy(&redis, &[]).await;
    // Redis gets to know the script by it.
    assert_eq!(cancel(&api, &api.accept(&later()).await).await.status, 200);
    let id = api.accept(&later()).await;
    let lost = with_a_lost_answer(&api, &proxy, cancel(&api, &id)).await;
    lost.assert_refused("cancel", 503, "service_unavailable", "queue");
    assert_eq!(api.last_event(&id).await, "canceled");
}

#[tokio::test]
async fn a_command_whose_answer_was_lost_is_sent_again_and_answers_as_the_first() {
    if !Api::keeps_connections() {
        return;
    }
    let redis = redis();
    let (api, proxy) = behind_a_proxy(&redis, &[("backlog_limit", "3")]).await;

    let canceled = api.accept(&later()).await;
    let answer = with_a_lost_answer(&api, &proxy, cancel(&api, &canceled)).await;
    assert_eq!((answer.status, answer.text("id")), (200, &*canceled));
    // A client's second request is refused as too late.
    cancel(&api, &canceled).await.assert_refused("anew", 422, "validation_error", "canceled");

    let moved = api.accept(&later()).await;
    let answer = with_a_lost_answer(&api, &proxy, reschedule(&api, &moved, "in 2 hours")).await;
    assert_eq!((answer.status, answer.text("id")), (200, &*moved));

    // The third has filled the backlog.
    api.accept(&later()).await;
    let answer = with_a_lost_answer(&api, &proxy, api.post(&later())).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(api.last_event(answer.text("id")).await, "scheduled");
    api.post(&later()).await.assert_refused("full", 429, "rate_limit_exceeded", "waiting");

    let key = [("content-type", "application/json"), ("idempotency-key", "k")];
    cancel(&api, &moved).await;
    let post = || api.request("POST", "/emails", &key, later().to_string());
    let first = with_a_lost_answer(&api, &proxy, post()).await;
    assert_eq!((first.status, post().await.text("id")), (200, first.text("id")));
}

#[tokio::test]
async fn a_request_whose_count_was_lost_is_not_counted_twice() {
    if !Api::keeps_connections() {
        return;
    }
    let redis = redis();
    let (api, proxy) = behind_a_proxy(&redis, &[("rate_limit", "1")]).await;
    let path = "/emails/01890a5d-ac96-774b-bcce-b302099a8057";
    // Loads the script into Redis.
    api.request("GET", path, &[], "").await;
    tokio::time::sleep(Duration::from_millis(1100)).await; // that second is over
    let answer = with_a_lost_answer(&api, &proxy, api.request("GET", path, &[], "")).await;
    assert_eq!((answer.status, answer.header("ratelimit-remaining")), (404, "0"));
}

/// How many connections Redis has accepted so far, this one included.
fn connections(redis: &RedisServer) -> u64 {
    info(redis, "total_connections_received")
}

#[tokio::test]
async fn what_redis_refuses_keeps_the_connection_and_a_replica_ends_it() {
    if !Api::keeps_connections() {
        return;
    }
    let redis = RedisServer::builder().without_persistence().setting("maxmemory-policy", "noeviction").start();
    let api = Api::start(&redis).await;
    let mut operator = redis.connection();
    post_and_read(&api, "first").await;
    let set_memory = |operator: &mut redis::Connection, bytes: u32| {
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(operator).unwrap();
    };
    let refuse = async || {
        let refused = api.post(&json!({"to": "a@b.example", "message": "hi"})).await;
        refused.assert_refused("refused", 503, "service_unavailable", "queue");
    };

    let before = connections(&redis);
    set_memory(&mut operator, 1);
    refuse().await;
    set_memory(&mut operator, 0);
    redis::cmd("SET").arg("emails:high").arg("no list").exec(&mut operator).unwrap();
    let high = json!({"to": "a@b.example", "message": "hi", "priority": "high"});
    api.post(&high).await.assert_refused("no list", 503, "service_unavailable", "queue");
    redis::cmd("DEL").arg("emails:high").exec(&mut operator).unwrap();
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut operator).unwrap();
    post_and_read(&api, "on the same connection").await;
    assert_eq!(connections(&redis) - before, 1, "only the one that asks");

    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec(&mut operator).unwrap();
    let before = connections(&redis);
    refuse().await;
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut operator).unwrap();
    post_and_read(&api, "on a new one").await;
    assert_eq!(connections(&redis) - before, 2, "a new one, and the one that asks");
}

#[tokio::test]
async fn a_connection_that_the_network_has_forgotten_is_a_503_in_time_and_the_next_request_opens_another() {
    if !Api::keeps_connections() {
        return;
    }
    let redis = redis();
    let (api, proxy) = behind_a_proxy(&redis, &[]).await;
    post_and_read(&api, "first").await;
    // New ones too: the host may start another instance for a request.
    proxy.silence();
    let asked = Instant::now();
    // Some lead a call, and some have joined one.
    let email = json!({"to": "a@b.example", "message": "hi"});
    let (first, second, third) = tokio::join!(api.post(&email), api.post(&email), api.post(&email));
    for refused in [first, second, third] {
        refused.assert_refused("forgotten", 503, "service_unavailable", "queue");
    }
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
    proxy.heal();
    post_and_read(&api, "after all").await;
}

/// No earlier wait of the instance has started its clock.
#[tokio::test]
async fn a_redis_that_never_answers_is_a_503_in_time_also_to_the_first_request() {
    if Api::waits_for_redis() {
        return;
    }
    let redis = redis();
    let proxy = TcpProxy::start(redis.address()).await;
    proxy.silence();
    let api = Api::start_with(&redis.url_through(proxy.address()), &[]).await;
    let asked = Instant::now();
    let refused = api.post(&json!({"to": "a@b.example", "message": "hi"})).await;
    refused.assert_refused("never", 503, "service_unavailable", "queue");
    assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
}

fn later() -> Value {
    json!({"to": "a@b.example", "message": "hi", "scheduled_at": "in 1 hour"})
}

async fn cancel(api: &Api, id: &str) -> Answer {
    api.request("POST", &format!("/emails/{id}/cancel"), &[], "").await
}

async fn reschedule(api: &Api, id: &str, scheduled_at: &str) -> Answer {
    let json = [("content-type", "application/json")];
    api.request("PATCH", &format!("/emails/{id}"), &json, json!({"scheduled_at": scheduled_at}).to_string()).await
}
