//! A connection to Redis that goes silent, or is closed.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use common::{Queue, short, wait_for_heartbeat};
use testkit::{Action, DEADLINE, Rules, SmtpServer, Stage, TcpProxy, eventually, proxy::contains};

/// The connections that wait in BRPOP, by the numbers that Redis gives them.
fn waiting(queue: &Queue) -> Vec<String> {
    let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut queue.redis.connection()).unwrap();
    let waiting = clients.lines().filter(|client| client.contains("cmd=brpop"));
    waiting.filter_map(|client| client.split(' ').next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_brpop_on_a_connection_that_has_gone_silent_is_noticed_and_the_email_it_took_is_sent() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let proxy = TcpProxy::start(queue.redis.address()).await;
    let worker = queue.worker_through(&proxy, &smtp.url(), &["--pop-grace", "1s"]);
    eventually(DEADLINE, "a worker to wait in BRPOP", async || waiting(&queue).len() == 1).await;
    proxy.silence_existing();
    // An id, as the API lists it: what the silent BRPOP takes off the list is then still in the record.
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let mut redis = queue.redis.connection();
    let record = format!("queued    5000000000001 00000 0000 00 normal 1764000000000\n{}", short("a@b.example", "hi"));
    redis::pipe()
        .atomic()
        .set(format!("emails:email:{id}"), record)
        .hset_multiple("emails:waiting", &[("normal", 1), ("normal:last", 1)])
        .zadd("emails:waiting:normal", "50000000000", 50_000_000_000_u64)
        .hset("emails:waiting:normal:50000000000", "01", id)
        .lpush("emails", id)
        .del("emails:sweep")
        .exec(&mut redis)
        .unwrap();
    queue.wait_for_state(id, "sent").await;
    assert_eq!(smtp.received().len(), 1);
    worker.wait_for_line(|line| line.contains("BRPOP was not answered in time")).await;
}

#[tokio::test]
async fn when_all_connections_go_silent_for_a_while_the_worker_consumes_again_by_itself() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let proxy = TcpProxy::start(queue.redis.address()).await;
    let worker = queue.worker_through(&proxy, &smtp.url(), &[]);
    wait_for_heartbeat(&queue).await;
    proxy.silence();
    worker.wait_for_line(|line| line.contains("Redis is unreachable")).await;
    proxy.heal();
    worker.wait_for_line(|line| line.contains("Redis is reachable again")).await;
    // The silent connections are still open: Redis may hand the first to one of them, where it would be lost. And it may
    // take a moment to see that those of before are gone.
    let before = waiting(&queue);
    proxy.cut();
    eventually(
        DEADLINE,
        "only a new connection to wait in BRPOP",
        async || matches!(waiting(&queue).as_slice(), [one] if !before.contains(one)),
    )
    .await;
    queue.push(&short("a@b.example", "hi"));
    smtp.wait_for(1).await;
}

#[tokio::test]
async fn when_redis_closes_all_connections_the_worker_consumes_again_by_itself() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let _worker = queue.worker(&smtp.url(), &[]);
    for to in ["a@b.example", "b@b.example"] {
        eventually(DEADLINE, "a worker to wait in BRPOP", async || waiting(&queue).len() == 1).await;
        let kill = ["KILL", "TYPE", "normal", "SKIPME", "yes"];
        redis::cmd("CLIENT").arg(&kill).exec(&mut queue.redis.connection()).unwrap();
        queue.push(&short(to, "hi"));
    }
    smtp.wait_for(2).await;
}

#[tokio::test]
async fn an_outcome_that_reaches_redis_twice_is_recorded_once() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let proxy = TcpProxy::start(queue.redis.address()).await;
    let worker = queue.worker_through(&proxy, &smtp.url(), &[]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    // The first try is held back until the worker has given it up, and then reaches Redis beside the second.
    let expected = id.clone();
    proxy.silence_when_client_sends(move |bytes| {
        contains(bytes, expected.as_bytes()) && contains(bytes, b"$4\r\nsent\r\n")
    });
    smtp.rules(Rules::new());
    smtp.release();
    proxy.silenced().await;
    worker.wait_for_line(|line| line.contains("Redis is unreachable")).await;
    proxy.resume();
    queue.wait_for_state(&id, "sent").await;
    worker.wait_for_line(|line| line.contains("Redis is reachable again")).await;
    queue.push(&short("b@b.example", "hi"));
    smtp.wait_for(2).await;
    assert_eq!(queue.field(&id, "attempts"), "1");
    assert!(!worker.lines().join("\n").contains("came too late"));
}

#[tokio::test]
async fn a_worker_that_cannot_reach_redis_still_stops_when_asked_to() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let proxy = TcpProxy::start(queue.redis.address()).await;
    let mut worker = queue.worker_through(&proxy, &smtp.url(), &["--grace", "1s"]);
    queue.push(&short("a@b.example", "hi"));
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    proxy.silence();
    smtp.release();
    worker.wait_for_line(|line| line.contains("email sent")).await;
    worker.terminate();
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    worker.wait_for_line(|line| line.contains("not recorded") || line.contains("may have been sent")).await;
}
