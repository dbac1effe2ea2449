//! A slow network to Redis, and replies that are lost on it.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::time::Duration;

use common::{Queue, short, wait_for_heartbeat};
use redis::Commands;
use testkit::{Action, Process, Rules, SmtpServer, Stage, TcpProxy, eventually, proxy::contains};

/// Longer than [`DEADLINE`], because what is waited for takes its time.
const PATIENT: Duration = Duration::from_secs(90);

fn large(to: &str, bytes: usize) -> String {
    let file = serde_json::json!({"filename": "f", "content": "A".repeat(bytes)});
    serde_json::json!({"to": to, "message": "hi", "attachments": [file]}).to_string()
}

fn total(queue: &Queue, counter: &str) -> u64 {
    queue.redis.connection().hget::<_, _, Option<u64>>("emails:totals", counter).unwrap().unwrap_or(0)
}

/// How many emails a worker has in flight.
fn in_flight(queue: &Queue) -> usize {
    let mut redis = queue.redis.connection();
    let workers: Vec<String> = redis.zrange("emails:workers", 0, -1).unwrap();
    workers.iter().map(|worker| redis.hlen::<_, usize>(format!("emails:sending:{worker}")).unwrap()).sum()
}

/// How often Redis has carried out a command.
fn calls(queue: &Queue, command: &str) -> u64 {
    let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut queue.redis.connection()).unwrap();
    let calls = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:calls=")));
    calls.map_or(0, |calls| calls.split(',').next().unwrap().parse().unwrap())
}

async fn sent(queue: &Queue, count: u64) {
    eventually(PATIENT, "all to be sent", async || total(queue, "sent") == count).await;
    assert_eq!((queue.ids().len() as u64, total(queue, "recovered"), total(queue, "failed")), (count, 0, 0));
}

#[tokio::test]
async fn an_entry_that_takes_long_to_come_and_to_go_back_is_sent_once() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let proxy = TcpProxy::start(queue.redis.address()).await;
    let worker = queue.worker_through(&proxy, &smtp.url(), &["--lease", "6s"]);
    wait_for_heartbeat(&queue).await;
    proxy.throttle(1_000_000);
    // Eight seconds each way: longer than any silence, and than the lease.
    queue.push(&large("a@b.example", 8_000_000));
    queue.push(&short("b@b.example", "behind it"));
    sent(&queue, 2).await;
    assert_eq!(smtp.received().len(), 2);
    assert!(!worker.lines().join("\n").contains("Redis is unreachable"));
}

#[tokio::test]
async fn a_backlog_over_a_slow_line_is_claimed_in_parts_that_come_in_time() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let proxy = TcpProxy::start(queue.redis.address()).await;
    proxy.throttle(2_000_000);
    for i in 0..16 {
        queue.push(&large(&format!("user{i}@x.example"), 1_000_000));
    }
    let worker = queue.worker_through(&proxy, &smtp.url(), &["--lease", "6s"]);
    sent(&queue, 16).await;
    assert_eq!(smtp.received().len(), 16);
    assert!(!worker.lines().join("\n").contains("lease expired"));
}

#[tokio::test]
async fn an_entry_whose_claim_was_answered_in_vain_is_still_one_email() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let proxy = TcpProxy::start(queue.redis.address()).await;
    let worker = queue.worker_through(&proxy, &smtp.url(), &[]);
    let idle = async || {
        let clients: String = redis::cmd("INFO").arg("clients").query(&mut queue.redis.connection()).unwrap();
        clients.contains("blocked_clients:1\r")
    };
    eventually(PATIENT, "a worker to wait in BRPOP", idle).await;
    // A claim below zero is that of an entry which the worker has popped.
    proxy.silence_when_server_sends(|bytes| contains(bytes, b"\r\n:-1\r\n"));
    queue.push(&short("a@b.example", "hi"));
    proxy.silenced().await;
    proxy.heal();
    worker.wait_for_line(|line| line.contains("Redis is unreachable")).await;
    smtp.wait_for(1).await;
    queue.push(&short("a@b.example", "hi"));
    sent(&queue, 2).await;
    assert_eq!(smtp.received().len(), 2, "pushed twice, sent twice");
}

#[tokio::test]
async fn no_more_emails_are_claimed_than_fit_into_memory() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Mail, Action::Hold));
    for i in 0..6 {
        queue.push(&large(&format!("user{i}@x.example"), 4_000_000));
    }
    let mut command = queue.command(&smtp.url(), &["--max-memory", "30MB"]);
    command.env("RUST_LOG", "debug");
    let worker = Process::start(command);
    smtp.wait_for_stage(Stage::Mail, 2).await;
    queue.push(&short("a@b.example", "small, and behind the others"));
    worker.wait_for_line(|line| line.contains("no room in memory")).await;
    assert_eq!((in_flight(&queue), queue.redis.connection().llen("emails")), (2, Ok(5)));
    smtp.rules(Rules::new());
    smtp.release();
    sent(&queue, 7).await;
}

#[tokio::test]
async fn an_email_that_found_no_room_does_not_have_the_others_claimed_one_by_one() {
    let queue = Queue::start();
    for i in 0..60 {
        queue.push(&large(&format!("user{i}@x.example"), 200_000));
    }
    let mut worker = queue.worker("null:", &["--drain"]);
    assert!(worker.wait(PATIENT).await.success());
    assert_eq!(total(&queue, "sent"), 60);
    // The first claim has room for five. Each that finds no room for the next email puts it back, by the command that has
    // also put each email into the index.
    let put_back = calls(&queue, "rpush") - 60;
    assert!((1..=15).contains(&put_back), "{put_back}");
}
