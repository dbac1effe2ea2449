//! Workers killed at random and at critical moments: nothing is lost, and only emails in flight at a dead worker are
//! sent twice.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use e2e::{Api, Arrivals, Load, Records, Worker};
use serde_json::{Value, json};
use testkit::{Action, RedisServer, Rules, SmtpServer, Stage, TcpProxy, proxy::contains};
use tokio::time::sleep;

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

fn email(sender: &str) -> Value {
    json!({"from": format!("{sender}@a.example"), "to": format!("{sender}@b.example"), "subject": sender, "text": "hi"})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn workers_killed_at_random_moments_lose_nothing_and_repeat_only_what_they_had_in_flight() {
    const KILLS: usize = 14;
    // E2E_SEED repeats the random choices of a failed run, though not the machine's timing.
    let seed = std::env::var("E2E_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    println!("E2E_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);

    let redis = redis();
    let api = Api::start(&redis).await;
    // Slow enough that something is in flight at most moments.
    let slow = Rules::new().at(Stage::EndOfData, Action::accept_after(Duration::from_millis(20)));
    let server = SmtpServer::builder().rules(slow).start().await;
    let start = || Worker::start(&redis.url(), &server.url(), &["--concurrency", "20", "--lease", "3s"]);
    let mut workers = [start(), start()];
    let load = Load::start(&api);
    let mut records = Records::of(&redis);
    let mut in_flight: HashMap<String, usize> = HashMap::new();
    for _ in 0..KILLS {
        load.wait_for_more(random.usize(20..120)).await;
        // The moment of a crash is no condition that could be waited for.
        sleep(Duration::from_micros(random.u64(..100_000))).await;
        let victim = &mut workers[random.usize(..2)];
        victim.process.kill_now();
        for id in records.in_flight_at(victim) {
            *in_flight.entry(id).or_default() += 1;
        }
        *victim = start();
    }
    let answers = load.stop().await;
    assert_eq!((answers.refused, answers.unanswered), (0, 0), "only workers were killed");
    records.wait_until_finished().await;
    records.assert_all_sent();

    let arrivals = Arrivals::new(server.received());
    arrivals.assert_all(&answers.accepted);
    assert_eq!(arrivals.emails(), answers.accepted.len());
    assert!(!in_flight.is_empty(), "no kill hit a worker with anything in flight");
    for (id, repeats) in arrivals.repeated() {
        let deaths = in_flight.get(&id).copied().unwrap_or_default();
        assert!(repeats <= deaths, "{id} came {repeats} times too often, and {deaths} workers died with it");
    }
    println!(
        "{} emails, {} in flight at a kill, {} of them sent again",
        answers.accepted.len(),
        in_flight.len(),
        arrivals.repeated().len()
    );
}

#[tokio::test]
async fn an_email_whose_worker_died_between_brpop_and_the_claim_is_delivered_by_another() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let proxy = TcpProxy::start(redis.address()).await;
    let api = Api::start(&redis).await;
    let mut worker = Worker::ready(&redis.url_through(proxy.address()), &server.url(), &[]).await;
    let mut records = Records::of(&redis);
    records.wait_for_blocked(1).await;
    // Only the claim of a popped entry names a list and an id, one after the other.
    proxy.silence_when_client_sends(|piece| contains(piece, b"$6\r\nemails\r\n$36\r\n"));
    let popped = api.accept(&email("popped")).await;
    proxy.silenced().await;
    worker.process.kill_now();
    assert_eq!(records.entries(), 0, "BRPOP has taken it");
    assert_eq!(records.field(&popped, "state").as_deref(), Some("queued"));
    assert_eq!(records.field(&popped, "claims"), None);
    let later = api.accept(&email("later")).await;

    let _other = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let arrivals = Arrivals::new(server.wait_for(2).await);
    arrivals.assert_once(&[popped, later]);
    records.wait_until_finished().await;
    records.assert_all_sent();
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn what_a_worker_was_sending_when_it_was_killed_is_sent_by_another_whatever_it_had_said_already() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    let stages = [
        ("mail", Stage::Mail),
        ("rcpt", Stage::Rcpt),
        ("data", Stage::Data),
        ("body", Stage::Body),
        ("dot", Stage::EndOfData),
    ];
    let hanging = Arc::new(AtomicBool::new(true));
    server.script({
        let hanging = Arc::clone(&hanging);
        move |step| {
            let (name, _) = step.sender.split_once('@').unwrap_or_default();
            let here = stages.contains(&(name, step.stage)) && hanging.load(Ordering::Relaxed);
            if here { Action::Hang } else { Action::Accept }
        }
    });
    let mut worker = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let mut ids = Vec::new();
    for (name, _) in stages {
        ids.push(api.accept(&email(name)).await);
    }
    // Each comes to its own stage, and to those before it.
    for (nth, (_, stage)) in stages.into_iter().enumerate() {
        server.wait_for_stage(stage, ids.len() - nth).await;
    }
    let mut records = Records::of(&redis);
    assert_eq!(records.in_flight_at(&worker).len(), ids.len());
    worker.process.kill_now();
    hanging.store(false, Ordering::Relaxed);

    let _other = Worker::ready(&redis.url(), &server.url(), &[]).await;
    Arrivals::new(server.wait_for(ids.len()).await).assert_once(&ids);
    records.wait_until_finished().await;
    records.assert_all_sent();
    assert_eq!(server.received().len(), ids.len());
}

#[tokio::test]
async fn an_email_that_was_taken_and_not_recorded_comes_twice_with_the_same_message_id() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let proxy = TcpProxy::start(redis.address()).await;
    let api = Api::start(&redis).await;
    let mut worker = Worker::ready(&redis.url_through(proxy.address()), &server.url(), &[]).await;
    proxy.silence_when_client_sends(|piece| contains(piece, b"\r\n$4\r\nsent\r\n"));
    let id = api.accept(&email("unrecorded")).await;
    proxy.silenced().await;
    worker.process.kill_now();
    assert_eq!(server.received().len(), 1);

    let _other = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let arrivals = Arrivals::new(server.wait_for(2).await);
    let [first, second] = arrivals.of(&id) else { panic!("{arrivals:?}") };
    assert_eq!(first.message_id(), second.message_id());
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    records.assert_all_sent();
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_worker_that_slept_through_its_lease_cannot_undo_what_another_has_recorded() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    let refuse_other = Rules::new().nth(Stage::EndOfData, 1, Action::reply(550, "5.7.1 no"));
    server.rules(refuse_other.nth(Stage::Data, 1, Action::Hold));
    let mut sleeper = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let id = api.accept(&email("twice")).await;
    server.wait_for_stage(Stage::Data, 1).await;
    sleeper.process.freeze();

    // The other one is the first to come to the end of a message: it is refused, and that is what is recorded.
    let _other = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    assert_eq!(api.last_event(&id).await, "failed");
    server.release();
    sleeper.process.thaw();
    sleeper.process.wait_for_line(|line| line.contains("came too late")).await;
    assert_eq!(server.received().len(), 1, "the sleeper had begun and went on");
    assert_eq!(api.last_event(&id).await, "failed");
    assert_eq!(records.field(&id, "attempts").as_deref(), Some("1"));

    // It works as before.
    let next = api.accept(&email("next")).await;
    server.wait_until(|received| received.len() == 2).await;
    records.wait_until_finished().await;
    assert_eq!(api.last_event(&next).await, "sent");
}
