//! Stopping workers: deliveries in flight end, the rest is requeued, and nothing is lost.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::{Duration, Instant};

use e2e::{Api, Arrivals, Load, Mail, Records, Worker};
use serde_json::{Value, json};
use testkit::{Action, DEADLINE, Process, RedisServer, Rules, SmtpServer, Stage};

/// How soon a worker ends that has nothing to wait for: less than the 5 s that a `BRPOP` waits.
const PROMPT: Duration = Duration::from_secs(3);

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

fn email(subject: &str) -> Value {
    json!({"to": "to@b.example", "subject": subject, "text": "hi"})
}

/// Asks a worker to stop by the signal that this function sends, and checks that it ends with success in time.
async fn assert_stops(worker: &mut Worker, signal: fn(&mut Process), within: Duration) {
    let asked = Instant::now();
    signal(&mut worker.process);
    assert_ends(worker, asked, within).await;
}

async fn assert_ends(worker: &mut Worker, since: Instant, within: Duration) {
    let status = worker.process.wait(DEADLINE).await;
    assert_eq!(status.code(), Some(0));
    assert!(since.elapsed() < within, "it took {:?}", since.elapsed());
}

#[tokio::test]
async fn a_worker_idle_in_brpop_ends_at_once_on_either_signal() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    for signal in [Process::terminate, Process::interrupt] {
        let mut worker = Worker::ready(&redis.url(), &server.url(), &[]).await;
        Records::of(&redis).wait_for_blocked(1).await;
        assert_stops(&mut worker, signal, PROMPT).await;
    }
}

#[tokio::test]
async fn a_worker_that_still_waits_for_redis_ends_at_once() {
    let (mut redis, server) = (redis(), SmtpServer::start().await);
    redis.kill_now();
    let mut worker = Worker::start(&redis.url(), &server.url(), &[]);
    worker.process.wait_for_line(|line| line.contains("Redis is unreachable")).await;
    assert_stops(&mut worker, Process::terminate, PROMPT).await;
}

#[tokio::test]
async fn deliveries_in_flight_end_within_the_grace_and_nothing_new_is_begun() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    server.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let mut worker = Worker::ready(&redis.url(), &server.url(), &["--concurrency", "5"]).await;
    let mut ids = Vec::new();
    for n in 0..8 {
        ids.push(api.accept(&email(&n.to_string())).await);
    }
    server.wait_for_stage(Stage::EndOfData, 5).await;
    worker.process.terminate();
    worker.process.wait_for_line(|line| line.contains("stopping")).await;
    assert!(worker.process.is_running(), "it waits for what is in flight");
    server.release();
    assert_ends(&mut worker, Instant::now(), PROMPT).await;
    Arrivals::new(server.received()).assert_once(&ids[..5]);
    let mut records = Records::of(&redis);
    assert_eq!(records.states(), [("queued".to_owned(), 3), ("sent".to_owned(), 5)].into());

    server.rules(Rules::new());
    let _other = Worker::ready(&redis.url(), &server.url(), &[]).await;
    records.wait_until_finished().await;
    records.assert_all_sent();
    Arrivals::new(server.received()).assert_once(&ids);
}

#[tokio::test]
async fn what_is_not_begun_when_the_grace_is_over_is_given_back_at_once() {
    let (redis, stuck, well) = (redis(), SmtpServer::start().await, SmtpServer::start().await);
    let api = Api::start(&redis).await;
    stuck.rules(Rules::new().at(Stage::Rcpt, Action::Hang));
    // With this lease only emails that were released can arrive before the test's deadline.
    let flags = ["--grace", "500ms", "--lease", "10m", "--smtp-timeout", "10m"];
    let mut worker = Worker::ready(&redis.url(), &stuck.url(), &flags).await;
    let mut ids = Vec::new();
    for n in 0..5 {
        ids.push(api.accept(&email(&n.to_string())).await);
    }
    stuck.wait_for_stage(Stage::Rcpt, 5).await;
    assert_stops(&mut worker, Process::terminate, PROMPT).await;
    let mut records = Records::of(&redis);
    assert_eq!(records.states(), [("queued".to_owned(), 5)].into());
    assert_eq!(records.field(&ids[0], "attempts"), None, "an attempt that was not made is not counted");

    let _other = Worker::ready(&redis.url(), &well.url(), &["--concurrency", "1"]).await;
    records.wait_until_finished().await;
    let arrivals = Arrivals::new(well.received());
    arrivals.assert_once(&ids);
    let order: Vec<_> = well.received().into_iter().map(|message| Mail::new(message).id().to_owned()).collect();
    assert_eq!(order, ids);
}

#[tokio::test]
async fn what_may_have_been_sent_when_the_grace_is_over_is_left_to_the_end_of_its_lease() {
    let (redis, stuck, well) = (redis(), SmtpServer::start().await, SmtpServer::start().await);
    let api = Api::start(&redis).await;
    stuck.rules(Rules::new().at(Stage::EndOfData, Action::Hang));
    let mut worker = Worker::ready(&redis.url(), &stuck.url(), &["--grace", "500ms"]).await;
    let id = api.accept(&email("uncertain")).await;
    stuck.wait_for_stage(Stage::EndOfData, 1).await;
    assert_stops(&mut worker, Process::terminate, PROMPT).await;
    worker.process.wait_for_line(|line| line.contains("may have been sent")).await;
    let mut records = Records::of(&redis);
    assert_eq!(records.states(), [("sending".to_owned(), 1)].into());

    let _other = Worker::ready(&redis.url(), &well.url(), &[]).await;
    records.wait_until_finished().await;
    Arrivals::new(well.received()).assert_once(&[id]);
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_at_once_and_its_emails_are_sent_after_their_lease() {
    let (redis, stuck, well) = (redis(), SmtpServer::start().await, SmtpServer::start().await);
    let api = Api::start(&redis).await;
    stuck.rules(Rules::new().at(Stage::Data, Action::Hang));
    let signals = [(Process::terminate as fn(&mut Process), 143), (Process::interrupt, 130)];
    for (nth, (signal, code)) in signals.into_iter().enumerate() {
        let mut worker = Worker::ready(&redis.url(), &stuck.url(), &[]).await;
        let id = api.accept(&email("impatient")).await;
        stuck.wait_for_stage(Stage::Data, nth + 1).await;
        signal(&mut worker.process);
        worker.process.wait_for_line(|line| line.contains("stopping")).await;
        let asked = Instant::now();
        signal(&mut worker.process);
        assert_eq!(worker.process.wait(DEADLINE).await.code(), Some(code));
        assert!(asked.elapsed() < PROMPT);

        let mut other = Worker::ready(&redis.url(), &well.url(), &[]).await;
        Records::of(&redis).wait_until_finished().await;
        assert_eq!(Arrivals::new(well.received()).of(&id).len(), 1);
        other.process.kill_now();
    }
}

#[tokio::test]
async fn a_worker_ends_in_time_though_redis_is_frozen() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    server.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let mut worker = Worker::ready(&redis.url(), &server.url(), &["--grace", "1s"]).await;
    let id = api.accept(&email("unrecorded")).await;
    server.wait_for_stage(Stage::EndOfData, 1).await;
    redis.freeze();
    server.release();
    server.wait_for(1).await;
    // The grace, 2 s for the last outcomes and 1 s for each of the last three steps.
    assert_stops(&mut worker, Process::terminate, Duration::from_secs(8)).await;
    redis.thaw();

    // Redis may have heard of the outcome and may not: then it comes twice.
    server.rules(Rules::new());
    let _other = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    records.assert_all_sent();
    Arrivals::new(server.received()).assert_all(&[id]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rolling_restart_under_load_loses_and_repeats_nothing() {
    let redis = redis();
    let slow = Rules::new().at(Stage::EndOfData, Action::accept_after(Duration::from_millis(20)));
    let server = SmtpServer::builder().rules(slow).start().await;
    let api = Api::start(&redis).await;
    let start = async || Worker::ready(&redis.url(), &server.url(), &["--concurrency", "10", "--lease", "10s"]).await;
    let mut workers = [start().await, start().await];
    let load = Load::start(&api);
    for _ in 0..4 {
        for worker in &mut workers {
            load.wait_for_more(30).await;
            worker.process.terminate();
            // Its successor is there before it is gone.
            let mut old = std::mem::replace(worker, start().await);
            assert_eq!(old.process.wait(DEADLINE).await.code(), Some(0));
        }
    }
    let answers = load.stop().await;
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    records.assert_all_sent();
    Arrivals::new(server.received()).assert_once(&answers.accepted);
}

#[tokio::test]
async fn drain_ends_when_the_queue_is_empty_and_says_what_is_left_for_later() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    let mut ids = Vec::new();
    for n in 0..50 {
        ids.push(api.accept(&email(&n.to_string())).await);
    }
    let mut later = email("later");
    later["scheduled_at"] = "in 1 hour".into();
    let later = api.accept(&later).await;
    let mut worker = Worker::start(&redis.url(), &server.url(), &["--drain"]);
    assert_eq!(worker.process.wait(DEADLINE).await.code(), Some(0));
    Arrivals::new(server.received()).assert_once(&ids);
    assert_eq!(api.last_event(&later).await, "scheduled");
    worker.process.wait_for_line(|line| line.contains("the queue is empty") && line.contains("scheduled=1")).await;
}

#[tokio::test]
async fn drain_of_an_empty_queue_ends_at_once() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let begun = Instant::now();
    let mut worker = Worker::start(&redis.url(), &server.url(), &["--drain"]);
    assert_ends(&mut worker, begun, PROMPT).await;
}

#[tokio::test]
async fn drain_waits_for_what_a_dead_worker_had_in_flight() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    server.rules(Rules::new().nth(Stage::Data, 1, Action::Hang));
    let mut dead = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let id = api.accept(&email("orphan")).await;
    server.wait_for_stage(Stage::Data, 1).await;
    dead.process.kill_now();
    let mut worker = Worker::start(&redis.url(), &server.url(), &["--drain"]);
    assert_eq!(worker.process.wait(DEADLINE).await.code(), Some(0));
    Arrivals::new(server.received()).assert_once(&[id]);
}
