//! What a worker does with lanes that are paused.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use common::{Queue, short, wait_for_heartbeat};
use redis::Commands;
use testkit::{DEADLINE, SmtpServer, eventually};

/// As `POST /queue/pause` does it.
fn pause(queue: &Queue, lane: &str) {
    let _: () = queue.redis.connection().hset("emails:paused", lane, 1).unwrap();
}

fn entries(queue: &Queue, list: &str) -> Vec<String> {
    queue.redis.connection().lrange(list, 0, -1).unwrap()
}

#[tokio::test]
async fn what_comes_while_it_waits_goes_back_and_what_is_not_paused_is_sent() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let worker = queue.worker(&smtp.url(), &[]);
    wait_for_heartbeat(&queue).await;
    let waits_for = async |lists: usize| {
        eventually(DEADLINE, "the worker to wait in BRPOP", async || {
            let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut queue.redis.connection()).unwrap();
            let waits = clients.lines().find(|client| client.contains("cmd=brpop") && client.contains("flags=b"))?;
            // The name of the command, the lists, the timeout: a list less has fewer bytes.
            let bytes = waits.split(' ').find_map(|field| field.strip_prefix("argv-mem="))?;
            Some((lists, bytes.parse::<usize>().unwrap()))
        })
        .await
    };
    let (_, with_all) = waits_for(3).await;
    pause(&queue, "normal");
    for n in 0..3 {
        queue.push(&short(&format!("{n}@b.example"), "hi"));
    }
    // One was popped and is an email now; the others were not touched.
    worker.wait_for_line(|line| line.contains("lanes are paused") && line.contains("normal")).await;
    let (_, with_less) = waits_for(2).await;
    assert!(with_less < with_all, "{with_less} of {with_all}");
    queue.push_to("emails:high", &short("high@b.example", "hi"));
    smtp.wait_for(1).await;
    assert_eq!(entries(&queue, "emails").len(), 3);
    let _: () = queue.redis.connection().del("emails:paused").unwrap();
    smtp.wait_for(4).await;
    let to: Vec<_> = smtp.received().into_iter().flat_map(|received| received.recipients).collect();
    assert_eq!(to[0], "high@b.example");
    worker.wait_for_line(|line| line.contains("no lane is paused any more")).await;
}

#[tokio::test]
async fn with_all_lanes_paused_it_takes_nothing_stops_at_once_and_goes_on_when_they_are_resumed() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    for lane in ["high", "normal", "low"] {
        pause(&queue, lane);
    }
    queue.push(&short("a@b.example", "hi"));
    let mut worker = queue.worker(&smtp.url(), &[]);
    worker.wait_for_line(|line| line.contains("lanes are paused")).await;
    worker.terminate();
    assert!(worker.wait(DEADLINE).await.success());
    assert_eq!(entries(&queue, "emails").len(), 1);
    let worker = queue.worker(&smtp.url(), &[]);
    worker.wait_for_line(|line| line.contains("lanes are paused")).await;
    let _: () = queue.redis.connection().del("emails:paused").unwrap();
    smtp.wait_for(1).await;
}

#[tokio::test]
async fn draining_ends_with_75_when_what_is_left_is_paused() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    pause(&queue, "low");
    queue.push_to("emails:low", &short("low@b.example", "hi"));
    queue.push(&short("a@b.example", "hi"));
    let mut worker = queue.worker(&smtp.url(), &["--drain"]);
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(75));
    assert!(worker.lines().iter().any(|line| line.contains("lanes that are paused") && line.contains("waiting=1")));
    assert_eq!(smtp.received().len(), 1);
    let _: () = queue.redis.connection().del("emails:paused").unwrap();
    let mut worker = queue.worker(&smtp.url(), &["--drain"]);
    assert!(worker.wait(DEADLINE).await.success());
    assert_eq!(smtp.received().len(), 2);
}
