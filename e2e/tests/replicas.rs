//! `require_replicas`: an email is accepted once replicas have it.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::net::SocketAddr;

use e2e::{Answer, Api, Arrivals, Load, Records, Worker};
use redis::Commands;
use serde_json::{Value, json};
use testkit::{DEADLINE, RedisServer, SmtpServer, TcpProxy, eventually};

fn primary() -> RedisServer {
    RedisServer::builder().setting("repl-diskless-sync-delay", "0").start()
}

/// A replica that has caught up.
async fn replica_of(primary: &RedisServer) -> RedisServer {
    replica_through(primary, primary.address()).await
}

/// A replica that reaches its primary at an address: that of a proxy.
async fn replica_through(primary: &RedisServer, address: SocketAddr) -> RedisServer {
    let replica = RedisServer::builder().setting("replicaof", format!("{} {}", address.ip(), address.port())).start();
    eventually(DEADLINE, "a connected replica", async || {
        let replicated: usize = redis::cmd("WAIT").arg(1).arg(1).query(&mut primary.connection()).unwrap();
        replicated == 1 && replica.connection().ping::<String>().is_ok()
    })
    .await;
    replica
}

fn email() -> Value {
    json!({"to": "a@b.example", "message": "hi"})
}

async fn post_with_key(api: &Api, key: &str) -> Answer {
    let headers = [("content-type", "application/json"), ("idempotency-key", key)];
    api.request("POST", "/emails", &headers, email().to_string()).await
}

fn assert_unknown(answer: &Answer) {
    let message = answer.text("message");
    assert_eq!(answer.status, 503, "{message}");
    for part in ["in the queue", "not known", "`Idempotency-Key`"] {
        assert!(message.contains(part), "{message}");
    }
}

fn knows_waitaof(redis: &RedisServer) -> bool {
    let found: Vec<redis::Value> =
        redis::cmd("COMMAND").arg("INFO").arg("WAITAOF").query(&mut redis.connection()).unwrap();
    found != [redis::Value::Nil]
}

#[tokio::test]
async fn an_email_is_accepted_once_a_replica_has_it() {
    let primary = primary();
    let replica = replica_of(&primary).await;
    let api = Api::start_with(&primary.url(), &[("require_replicas", "1")]).await;
    assert_eq!(api.request("GET", "/readyz", &[], "").await.status, 200);
    for nth in 0..20 {
        let answer = if nth % 2 == 0 { api.post(&email()).await } else { post_with_key(&api, &nth.to_string()).await };
        assert_eq!(answer.status, 200, "{}", answer.json);
        let record = format!("emails:email:{}", answer.text("id"));
        assert!(replica.connection().exists::<_, bool>(record).unwrap());
    }
}

#[tokio::test]
async fn an_email_that_no_replica_confirms_stays_in_the_queue_and_its_post_is_a_503_also_when_repeated() {
    let primary = primary();
    let replica = replica_of(&primary).await;
    let (api, server) =
        (Api::start_with(&primary.url(), &[("require_replicas", "1")]).await, SmtpServer::start().await);
    assert_eq!(api.post(&email()).await.status, 200);
    replica.freeze();
    assert_unknown(&post_with_key(&api, "again").await);
    // The email is there already, so this call writes none; the replica lacks it all the same.
    assert_unknown(&post_with_key(&api, "again").await);
    assert_unknown(&api.post(&email()).await);
    assert_eq!(Records::of(&primary).entries(), 3);
    // What is refused needs no replica.
    let other = json!({"to": "other@b.example", "message": "hi"}).to_string();
    let headers = [("content-type", "application/json"), ("idempotency-key", "again")];
    assert_eq!(api.request("POST", "/emails", &headers, other).await.status, 409);
    // What needs no replica is served meanwhile.
    assert_eq!(api.request("GET", "/emails", &[], "").await.status, 200);

    replica.thaw();
    let answer = post_with_key(&api, "again").await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let _worker = Worker::ready(&primary.url(), &server.url(), &[]).await;
    let arrivals = Arrivals::new(server.wait_for(3).await);
    arrivals.assert_once(&[answer.text("id")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fail_over_to_a_replica_that_lagged_loses_no_email_that_was_accepted() {
    let mut primary = primary();
    let proxy = TcpProxy::start(primary.address()).await;
    let replica = replica_through(&primary, proxy.address()).await;
    let (api, server) =
        (Api::start_with(&primary.url(), &[("require_replicas", "1")]).await, SmtpServer::start().await);
    let load = Load::start(&api);
    load.wait_for_more(100).await;
    // What the primary takes from here on, the replica never gets: it is lost, and was not accepted.
    proxy.silence();
    let waiting = Records::of(&primary).entries();
    eventually(DEADLINE, "emails that only the primary has", async || Records::of(&primary).entries() > waiting).await;
    primary.kill_now();
    let told = load.stop().await;
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut replica.connection()).unwrap();
    let _worker = Worker::ready(&replica.url(), &server.url(), &[]).await;
    Records::of(&replica).wait_until_sent().await;
    Arrivals::new(server.received()).assert_once(&told.accepted);
}

#[tokio::test]
async fn an_api_without_its_replicas_is_not_ready() {
    let primary = primary();
    let api = Api::start_with(&primary.url(), &[("require_replicas", "1")]).await;
    let answer = api.request("GET", "/readyz", &[], "").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text("message").contains("require_replicas"), "{}", answer.json);
}

#[tokio::test]
async fn an_email_may_have_to_be_on_disk() {
    let primary = primary();
    let replica = replica_of(&primary).await;
    let api = Api::start_with(&primary.url(), &[("require_replicas", "1:aof")]).await;
    if !knows_waitaof(&primary) {
        // Before Redis 7.2. The email is in the queue, and nobody knows on which disks.
        let answer = api.post(&email()).await;
        assert_eq!(answer.status, 503, "{}", answer.json);
        api.process.wait_for_line(|line| line.contains("WAITAOF")).await;
        return;
    }
    assert_eq!(api.post(&email()).await.status, 200);
    let _: () = redis::cmd("CONFIG").arg("SET").arg("appendonly").arg("no").query(&mut replica.connection()).unwrap();
    assert_unknown(&api.post(&email()).await);
}
