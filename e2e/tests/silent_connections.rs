//! Redis connections that break, go silent or are closed: the worker continues by itself, nothing is lost, and nothing
//! is sent twice.
//!
//! A worker that runs but no longer consumes is the most common complaint about such queues.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::{Duration, Instant};

use e2e::{Api, Arrivals, Load, Records, Worker};
use serde_json::{Value, json};
use testkit::{RedisServer, SmtpServer, TcpProxy, proxy::contains};
use tokio::time::sleep;

/// `BRPOP` waits for 5 s and is given 2 s more; maintenance and the grace of a popped email come on top, and some time for a
/// machine that is busy.
const NOTICED: Duration = Duration::from_secs(15);

/// How soon an email arrives when all is well.
const PROMPT: Duration = Duration::from_secs(3);

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

fn email(subject: &str) -> Value {
    json!({"to": "to@b.example", "subject": subject, "text": "hi"})
}

/// An email pushed now arrives in time, and no worker was started for it.
async fn assert_consumes(api: &Api, server: &SmtpServer, deadline: Duration) {
    let pushed = Instant::now();
    let id = api.accept(&email("after all")).await;
    server.wait_until(|received| received.iter().any(|message| contains(&message.data, id.as_bytes()))).await;
    assert!(pushed.elapsed() < deadline, "it took {:?}", pushed.elapsed());
}

#[tokio::test]
async fn a_brpop_on_a_connection_gone_silent_is_noticed_and_the_email_it_took_is_recovered() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let proxy = TcpProxy::start(redis.address()).await;
    let api = Api::start(&redis).await;
    let worker = Worker::ready(&redis.url_through(proxy.address()), &server.url(), &[]).await;
    let mut records = Records::of(&redis);
    records.wait_for_blocked(1).await;
    proxy.silence_existing();
    let silenced = Instant::now();
    let id = api.accept(&email("into the void")).await;
    records.wait_for_blocked(0).await;
    assert_eq!(records.entries(), 0, "Redis has given it to the connection that is silent");
    assert_eq!(records.field(&id, "state").as_deref(), Some("queued"));

    server.wait_for(1).await;
    assert!(silenced.elapsed() < NOTICED, "it took {:?}", silenced.elapsed());
    worker.process.wait_for_line(|line| line.contains("BRPOP was not answered in time")).await;
    assert_consumes(&api, &server, PROMPT).await;
    records.wait_until_finished().await;
    Arrivals::new(server.received()).assert_once(&[id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_kill_of_every_connection_again_and_again_loses_and_repeats_nothing() {
    const CONCURRENCY: usize = 20;
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--lease", "5s", "--concurrency", "20"]).await;
    let load = Load::start(&api);
    let mut connection = redis.connection();
    for _ in 0..20 {
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]).exec(&mut connection).unwrap();
        // More than were in flight: the worker has connections again, for the next round to kill.
        server.wait_for(server.received().len() + CONCURRENCY + 1).await;
    }
    let answers = load.stop().await;
    assert_eq!(answers.unanswered, 0);
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    records.assert_all_sent();
    Arrivals::new(server.received()).assert_once(&answers.accepted);
    assert_consumes(&api, &server, PROMPT).await;
}

#[tokio::test]
async fn an_idle_worker_whose_connections_are_killed_consumes_again_at_once() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let mut records = Records::of(&redis);
    for _ in 0..3 {
        records.wait_for_blocked(1).await;
        redis::cmd("CLIENT").arg(&["KILL", "TYPE", "normal"]).exec(&mut redis.connection()).unwrap();
        records = Records::of(&redis);
        assert_consumes(&api, &server, PROMPT).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_blackhole_of_all_connections_is_outlived() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let proxy = TcpProxy::start(redis.address()).await;
    let api = Api::start(&redis).await;
    let worker = Worker::ready(&redis.url_through(proxy.address()), &server.url(), &[]).await;
    let load = Load::start(&api);
    load.wait_for_more(100).await;
    proxy.silence();
    worker.process.wait_for_line(|line| line.contains("Redis is unreachable")).await;
    // Some new connections fall into the hole as well.
    proxy.wait_for_connections(proxy.connections() + 1).await;
    proxy.heal();
    let healed = Instant::now();
    worker.process.wait_for_line(|line| line.contains("Redis is reachable again")).await;
    let answers = load.stop().await;
    assert_eq!((answers.refused, answers.unanswered), (0, 0), "the API does not go through the hole");
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    assert!(healed.elapsed() < NOTICED, "it took {:?}", healed.elapsed());
    records.assert_all_sent();
    Arrivals::new(server.received()).assert_once(&answers.accepted);
    // `BRPOP` may only now find that its connection has been silent since.
    assert_consumes(&api, &server, NOTICED).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_freezes_under_load_and_thaws_is_outlived() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    let worker = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let load = Load::start(&api);
    load.wait_for_more(100).await;
    redis.freeze();
    if !Api::waits_for_redis() {
        load.wait_until("refused emails", |answers| answers.refused > 0).await;
    }
    worker.process.wait_for_line(|line| line.contains("Redis is unreachable")).await;
    redis.thaw();
    let thawed = Instant::now();
    load.wait_for_more(100).await;
    let answers = load.stop().await;
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    assert!(thawed.elapsed() < NOTICED, "it took {:?}", thawed.elapsed());
    records.assert_all_sent();
    Arrivals::new(server.received()).assert_once(&answers.accepted);
}

#[tokio::test]
async fn an_outcome_lost_on_the_way_is_reported_again_and_not_sent_again() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let proxy = TcpProxy::start(redis.address()).await;
    let api = Api::start(&redis).await;
    let _worker = Worker::ready(&redis.url_through(proxy.address()), &server.url(), &[]).await;
    proxy.silence_when_client_sends(|piece| contains(piece, b"\r\n$4\r\nsent\r\n"));
    let id = api.accept(&email("reported late")).await;
    proxy.silenced().await;
    // Long enough that the lease is over before the outcome comes.
    sleep(Duration::from_secs(3)).await;
    proxy.heal();
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    records.assert_all_sent();
    assert_consumes(&api, &server, NOTICED).await;
    Arrivals::new(server.received()).assert_once(&[id]);
}

#[tokio::test]
async fn an_email_pushed_by_another_program_survives_a_claim_lost_on_the_way() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let proxy = TcpProxy::start(redis.address()).await;
    let _worker = Worker::ready(&redis.url_through(proxy.address()), &server.url(), &[]).await;
    let mut records = Records::of(&redis);
    records.wait_for_blocked(1).await;
    let pushed = r#"{"to": "a@b.c", "message": "only here"}"#;
    proxy.silence_when_client_sends(move |piece| contains(piece, pushed.as_bytes()));
    redis::cmd("LPUSH").arg("emails").arg(pushed).exec(&mut redis.connection()).unwrap();
    proxy.silenced().await;
    assert_eq!(records.entries(), 0, "only the worker has it");
    proxy.heal();
    server.wait_for(1).await;
    records.wait_until_finished().await;
    records.assert_all_sent();
    assert_eq!(server.received().len(), 1);
}
