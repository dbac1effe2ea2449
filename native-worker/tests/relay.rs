//! A relay that fails for all emails: they wait, and nothing is used up.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::{collections::BTreeMap, time::Duration};

use common::{Queue, short};
use redis::Commands;
use testkit::{
    Action, DEADLINE, Process, Rules, SmtpServer, Stage, eventually,
    smtp_server::{Security, Step},
};

const USER: &str = "sender";
const PASSWORD: &str = "s3cret-w0rd";
const SOON: [&str; 4] = ["--retry-base", "50ms", "--retry-max", "50ms"];
/// Long enough that the test can look in between.
const SLOWLY: [&str; 4] = ["--retry-base", "500ms", "--retry-max", "500ms"];
const LATE: [&str; 4] = ["--retry-base", "1h", "--retry-max", "1h"];

fn too_busy() -> Rules {
    Rules::new().at(Stage::Connect, Action::reply(421, "4.3.2 too busy"))
}

/// A field of what is known of the only relay.
fn relay(queue: &Queue, field: &str) -> Option<String> {
    let mut redis = queue.redis.connection();
    let keys: Vec<String> = redis.keys("emails:relay:*").unwrap();
    redis.hget(keys.first()?, field).unwrap()
}

fn push_many(queue: &Queue, count: usize) {
    (0..count).for_each(|nth| queue.push(&short(&format!("user{nth}@b.example"), "hi")));
}

/// How many emails are in which state, after how many attempts.
fn states(queue: &Queue) -> BTreeMap<(String, String), usize> {
    let mut states = BTreeMap::new();
    for id in queue.ids() {
        *states.entry((queue.field(&id, "state"), queue.field(&id, "attempts"))).or_default() += 1;
    }
    states
}

/// Waits until all of these emails are sent, each at its first attempt.
async fn all_sent(queue: &Queue, count: usize) {
    let sent = BTreeMap::from([(("sent".to_owned(), "1".to_owned()), count)]);
    eventually(DEADLINE, "all to be sent at their first attempt", async || states(queue) == sent).await;
}

fn said(worker: &Process, what: &str) -> usize {
    worker.lines().iter().filter(|line| line.contains(what)).count()
}

#[tokio::test]
async fn a_relay_that_fails_is_probed_by_one_email_at_a_time_and_uses_up_no_attempt() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(too_busy());
    push_many(&queue, 100);
    let worker = queue.worker(&smtp.url(), &[SOON.as_slice(), &["--concurrency", "10"]].concat());
    let failures = || relay(&queue, "failures").and_then(|failures| failures.parse::<usize>().ok()).unwrap_or(0);
    eventually(DEADLINE, "several probes", async || failures() >= 5).await;
    // Those that were begun before the first had failed, and then one for each failure.
    let connections = smtp.connections();
    assert!(connections <= 10 + failures(), "{connections} connections");
    assert!(states(&queue).keys().all(|(state, attempts)| state != "failed" && attempts.is_empty()));
    smtp.rules(Rules::new());
    all_sent(&queue, 100).await;
    worker.wait_for_line(|line| line.contains("the relay can be used again")).await;
    assert_eq!((said(&worker, "holding off"), said(&worker, "the relay can be used again")), (1, 1), "it is said once");
}

#[tokio::test]
async fn a_redis_that_refuses_what_is_asked_about_a_relay_is_told_of_once() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(too_busy());
    push_many(&queue, 3);
    let worker = queue.worker(&smtp.url(), &SOON);
    worker.wait_for_line(|line| line.contains("holding off")).await;
    let mut redis = queue.redis.connection();
    let keys: Vec<String> = redis.keys("emails:relay:*").unwrap();
    let _: () = redis.set(&keys[0], "something else").unwrap();
    let refused = |line: &str| line.contains("WARN") && line.contains("Redis refuses") && line.contains("relay_access");
    worker.wait_for_line(refused).await;
    smtp.rules(Rules::new());
    let _: () = redis.del(&keys).unwrap();
    all_sent(&queue, 3).await;
    assert_eq!(worker.lines().iter().filter(|line| refused(line)).count(), 1);
}

#[tokio::test]
async fn emails_go_out_in_their_order_when_the_relay_works_again() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(too_busy());
    push_many(&queue, 20);
    let _worker = queue.worker(&smtp.url(), &[SLOWLY.as_slice(), &["--concurrency", "1"]].concat());
    eventually(DEADLINE, "several probes", async || relay(&queue, "failures").as_deref() == Some("3")).await;
    let behind = relay(&queue, "behind").unwrap();
    smtp.rules(Rules::new());
    all_sent(&queue, 20).await;
    let received: Vec<_> = smtp.received().into_iter().flat_map(|received| received.recipients).collect();
    let nth = |recipient: &String| -> usize {
        recipient.trim_start_matches("user").trim_end_matches("@b.example").parse().unwrap()
    };
    // Those that met the failure come behind the probe that passed: all others keep their order.
    let behind: Vec<String> = behind.split_whitespace().map(|id| queue.recipient(id)).collect();
    let others: Vec<_> = received.iter().filter(|recipient| !behind.contains(recipient)).map(nth).collect();
    assert!(others.is_sorted() && others.len() + behind.len() == 20, "{received:?}");
}

#[tokio::test]
async fn a_mended_password_sends_all_at_once_however_long_the_back_off_was() {
    let smtp = SmtpServer::builder().security(Security::StartTls).login(USER, PASSWORD).start().await;
    let ca = smtp.ca_file();
    let flags = [LATE.as_slice(), &["--smtp-ca-file", ca.to_str().unwrap()]].concat();
    for count in [1, 50] {
        let queue = Queue::start();
        push_many(&queue, count);
        let mut wrong = queue.worker(&smtp.url_with_login().replace(PASSWORD, "wr0ng"), &flags);
        wrong.wait_for_line(|line| line.contains("holding off")).await;
        let in_flight = async || states(&queue).keys().all(|(state, _)| state != "sending");
        eventually(DEADLINE, "the emails in flight to be back", in_flight).await;
        assert!(states(&queue).keys().all(|(state, attempts)| state != "failed" && attempts.is_empty()));
        for id in queue.ids() {
            assert!(queue.field(&id, "error").contains("535"), "{}", queue.field(&id, "error"));
            assert_eq!(queue.field(&id, "class"), "authentication");
        }
        wrong.terminate();
        assert_eq!(wrong.wait(DEADLINE).await.code(), Some(0));
        assert_eq!(said(&wrong, "holding off"), 1, "it is said once");

        let _mended = queue.worker(&smtp.url_with_login(), &flags);
        all_sent(&queue, count).await;
    }
}

#[tokio::test]
async fn other_workers_hold_off_without_having_tried_the_relay_and_all_go_on_together() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(too_busy());
    let workers = [queue.worker(&smtp.url(), &LATE), queue.worker(&smtp.url(), &LATE)];
    for worker in &workers {
        worker.wait_for_line(|line| line.contains("ready")).await;
    }
    push_many(&queue, 1);
    for said in ["holding off from the relay", "another worker holds off"] {
        let workers = async || workers.iter().any(|worker| worker.lines().iter().any(|line| line.contains(said)));
        eventually(DEADLINE, said, workers).await;
    }
    push_many(&queue, 20);
    assert_eq!(smtp.connections(), 1, "all workers together make one attempt");
    smtp.rules(Rules::new());
    // The back-off of an hour does not count for one that begins; its probe is the others' as well.
    let _begun = queue.worker(&smtp.url(), &[LATE.as_slice(), &["--concurrency", "1"]].concat());
    all_sent(&queue, 21).await;
    for worker in &workers {
        worker.wait_for_line(|line| line.contains("the relay can be used again")).await;
    }
}

fn from(sender: &str, to: &str) -> String {
    serde_json::json!({"from": sender, "to": to, "subject": "s", "text": "t"}).to_string()
}

fn not_yours(step: &Step<'_>) -> bool {
    step.stage == Stage::Mail && step.sender == "a@x.example"
}

#[tokio::test]
async fn what_a_relay_has_against_one_sender_holds_up_that_senders_emails_only() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let refusal = Action::reply(553, "5.7.1 <a@x.example>: Sender address rejected: not owned by user");
    smtp.rules(Rules::new().when(not_yours, refusal));
    for nth in 0..5 {
        queue.push(&from("a@x.example", &format!("a{nth}@b.example")));
        queue.push(&from("b@x.example", &format!("b{nth}@b.example")));
    }
    let worker = queue.worker(&smtp.url(), &[LATE.as_slice(), &["--concurrency", "1"]].concat());
    let expected =
        BTreeMap::from([(("sent".to_owned(), "1".to_owned()), 5), (("delayed".to_owned(), String::new()), 5)]);
    eventually(DEADLINE, "those of one sender to wait and the others to be sent", async || states(&queue) == expected)
        .await;
    assert!(smtp.count(Stage::Mail) <= 5 + 2, "the sender was tried once, in a used session and a new one");
    assert_eq!((said(&worker, "one sender's emails"), said(&worker, "holding off from the relay")), (1, 0));
    for id in queue.ids().iter().filter(|id| queue.field(id, "state") == "delayed") {
        assert_eq!(queue.field(id, "class"), "sender");
        assert!(queue.field(id, "error").contains("not owned by user"));
    }
}

#[tokio::test]
async fn a_sender_that_is_accepted_again_loses_no_email_and_no_attempt() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().when(not_yours, Action::reply(550, "5.7.1 Sender address rejected: not owned")));
    (0..10).for_each(|nth| queue.push(&from("a@x.example", &format!("a{nth}@b.example"))));
    let worker = queue.worker(&smtp.url(), &SOON);
    let told = |lines: &[&str]| lines.iter().filter(|line| line.contains("one sender's emails")).count() >= 3;
    worker.wait_for_output(told).await;
    smtp.rules(Rules::new());
    all_sent(&queue, 10).await;
}

#[tokio::test]
async fn an_email_that_a_relay_fails_on_while_others_pass_has_a_failure_of_its_own() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().recipient("odd@b.example", Action::reply(421, "4.3.0 closing")));
    let worker = queue.worker(&smtp.url(), &[SOON.as_slice(), &["--concurrency", "2"]].concat());
    let odd = queue.import(&short("odd@b.example", "hi")).await;
    let mut others = 0;
    eventually(DEADLINE, "an attempt of its own", async || {
        queue.push(&short("user@b.example", "hi"));
        others += 1;
        queue.field(&odd, "attempts") == "1"
    })
    .await;
    worker.wait_for_line(|line| line.contains(&odd) && line.contains("delayed") && line.contains("deferred")).await;
    assert!(queue.field(&odd, "error").contains("421 4.3.0 closing"));
    eventually(DEADLINE, "all others to be sent", async || smtp.received().len() == others).await;
}

#[tokio::test]
async fn draining_ends_with_75_when_what_is_left_waits_for_a_relay() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(too_busy());
    for count in [1, 20] {
        push_many(&queue, count);
        let mut worker = queue.worker(&smtp.url(), &[LATE.as_slice(), &["--drain"]].concat());
        assert_eq!(worker.wait(DEADLINE).await.code(), Some(75));
        assert_eq!(said(&worker, "the remaining emails wait for it"), 1);
    }
    smtp.rules(Rules::new());
    let mut worker = queue.worker(&smtp.url(), &[LATE.as_slice(), &["--drain"]].concat());
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    all_sent(&queue, 21).await;
}

#[tokio::test]
async fn an_email_that_never_reaches_the_relay_is_no_probe() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(too_busy());
    push_many(&queue, 1);
    let mut worker = queue.worker(&smtp.url(), &LATE);
    worker.wait_for_line(|line| line.contains("holding off")).await;
    worker.terminate();
    assert!(worker.wait(DEADLINE).await.success());
    for raw in ["no email", r#"{"to": "a@b.example", "message": "later", "scheduled_at": "in 1 hour"}"#] {
        queue.push_to("emails:high", raw);
    }
    smtp.rules(Rules::new());
    let _worker = queue.worker(&smtp.url(), &LATE);
    push_many(&queue, 10);
    eventually(DEADLINE, "all others to be sent", async || smtp.received().len() == 11).await;
    let states = states(&queue);
    assert_eq!(states[&("failed".to_owned(), "1".to_owned())], 1, "{states:?}");
    assert_eq!(states[&("scheduled".to_owned(), String::new())], 1, "{states:?}");
}

#[tokio::test]
async fn a_worker_stops_in_time_when_neither_the_relay_nor_redis_answers() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Mail, Action::Hang));
    let proxy = testkit::TcpProxy::start(queue.redis.address()).await;
    let mut worker = queue.worker_through(&proxy, &smtp.url(), &["--grace", "500ms"]);
    queue.push(&short("a@b.example", "hi"));
    smtp.wait_for_stage(Stage::Mail, 1).await;
    proxy.silence();
    worker.terminate();
    // The grace and five seconds, and what the machine takes.
    let status = worker.wait(Duration::from_millis(500 + 5000 + 1500)).await;
    assert_eq!(status.code(), Some(0));
}

#[tokio::test]
async fn a_delivery_that_takes_longer_than_30_s_is_said_to_and_the_email_says_so_itself() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let worker = queue.worker(&smtp.url(), &["--smtp-timeout", "120s"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    eventually(Duration::from_secs(60), "the email to say so", async || {
        queue.field(&id, "slow").contains("in progress for longer than 30 s")
    })
    .await;
    let line = worker.wait_for_line(|line| line.contains("longer than 30s") && line.contains(&id)).await;
    assert!(!line.contains("a@b.example"), "{line}");
    smtp.release();
    queue.wait_for_state(&id, "sent").await;
}
