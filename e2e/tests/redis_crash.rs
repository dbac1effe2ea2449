//! Redis killed, emptied or full: accepted emails arrive, and the worker continues by itself.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::{Duration, Instant};

use e2e::{Api, Arrivals, Load, Records, Worker};
use serde_json::json;
use testkit::{Action, DEADLINE, RedisServer, Rules, SmtpServer, Stage, eventually};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_email_that_got_a_2xx_arrives_however_often_redis_is_killed() {
    const ROUNDS: usize = 5;
    let mut redis = RedisServer::start();
    let server = SmtpServer::start().await;
    let api = Api::start(&redis).await;
    let worker = Worker::ready(&redis.url(), &server.url(), &["--lease", "3s"]).await;
    let load = Load::start(&api);
    for _ in 0..ROUNDS {
        load.wait_for_more(80).await;
        redis.kill_now();
        let asked = Instant::now();
        let refused = api.post(&json!({"to": "a@b.example", "message": "hi"})).await;
        refused.assert_refused("Redis is killed", 503, "service_unavailable", "queue");
        assert!(asked.elapsed() < Duration::from_secs(5), "it took {:?}", asked.elapsed());
        let refused = load.answers().refused;
        load.wait_until("refused emails", |told| told.refused > refused).await;
        redis.start_again();
    }
    // API and worker recover by themselves.
    load.wait_for_more(80).await;
    let told = load.stop().await;
    assert_eq!(told.unanswered, 0, "the API answers whatever happens to Redis");
    Records::of(&redis).wait_until_sent().await;
    Arrivals::new(server.received()).assert_once(&told.accepted);
    let lines = worker.process.lines();
    assert!(lines.iter().any(|line| line.contains("Redis is reachable again")), "{lines:?}");
}

#[tokio::test]
async fn a_worker_started_before_redis_waits_for_it() {
    let mut redis = RedisServer::start();
    let (api, server) = (Api::start(&redis).await, SmtpServer::start().await);
    let id = api.accept(&json!({"to": "a@b.example", "message": "hi"})).await;
    redis.kill_now();
    let worker = Worker::start(&redis.url(), &server.url(), &[]);
    worker.process.wait_for_line(|line| line.contains("Redis is unreachable")).await;
    redis.start_again();
    let arrivals = Arrivals::new(server.wait_for(1).await);
    arrivals.assert_once(&[id]);
}

#[tokio::test]
async fn a_redis_that_lost_everything_is_no_reason_to_stop() {
    let redis = RedisServer::builder().without_persistence().start();
    let (api, server) = (Api::start(&redis).await, SmtpServer::start().await);
    let worker = Worker::ready(&redis.url(), &server.url(), &["--concurrency", "1"]).await;
    server.rules(Rules::new().nth(Stage::EndOfData, 1, Action::Hold));
    let forgotten = api.accept(&json!({"to": "a@b.example", "message": "hi"})).await;
    server.wait_for_stage(Stage::EndOfData, 1).await;
    for command in ["FLUSHALL", "SCRIPT FLUSH"] {
        let words: Vec<&str> = command.split(' ').collect();
        redis::cmd(words[0]).arg(&words[1..]).exec(&mut redis.connection()).unwrap();
    }
    server.release();
    worker.process.wait_for_line(|line| line.contains("came too late") && line.contains(&forgotten)).await;
    let next = api.accept(&json!({"to": "a@b.example", "message": "hi"})).await;
    Arrivals::new(server.wait_for(2).await).assert_once(&[forgotten, next]);
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    records.assert_all_sent();
}

#[tokio::test]
async fn a_redis_that_is_full_is_emptied_by_the_worker() {
    let redis = RedisServer::builder().without_persistence().setting("maxmemory-policy", "noeviction").start();
    let (api, server) = (Api::start(&redis).await, SmtpServer::start().await);
    // One must be tried again, which needs maintenance.
    server.rules(Rules::new().nth(Stage::Mail, 1, Action::reply(451, "4.3.0 not now")));
    for _ in 0..5 {
        api.accept(&json!({"to": "a@b.example", "message": "hi"})).await;
    }
    let mut connection = redis.connection();
    let pushed = r#"{"to": "a@b.example", "message": "pushed"}"#;
    redis::cmd("LPUSH").arg("emails").arg(pushed).exec(&mut connection).unwrap();
    redis::cmd("CONFIG").arg(&["SET", "maxmemory", "1"]).exec(&mut connection).unwrap();
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--retention", "1s"]).await;
    server.wait_for(6).await;
    eventually(DEADLINE, "an end of all records", async || {
        redis::cmd("ZCARD").arg("emails:index").query::<usize>(&mut connection).unwrap() == 0
    })
    .await;
    assert_eq!(server.received().len(), 6);
}
