//! Metrics and health checks over HTTP.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use common::{
    Queue,
    http::{ADMIN, address, get, send, value},
    shards::ShardClient,
    short,
};
use jiff::{SignedDuration, Timestamp};
use testkit::{Action, DEADLINE, Process, Rules, SmtpServer, Stage, eventually, prometheus::promtool};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

async fn metrics(address: &str) -> String {
    let (status, body) = get(address, "/metrics").await;
    assert_eq!(status, 200, "{body}");
    body
}

async fn wait_for(address: &str, series: &str, expected: f64) -> String {
    eventually(DEADLINE, &format!("{series} to be {expected}"), async || {
        let metrics = metrics(address).await;
        (value(&metrics, series) == Some(expected)).then_some(metrics)
    })
    .await
}

#[tokio::test]
async fn what_becomes_of_emails_is_counted_by_outcome_and_class_and_promtool_finds_no_fault() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let refuses = Rules::new()
        .recipient("unknown@b.example", Action::reply(550, "5.1.1 <unknown@b.example> no such user"))
        .recipient("busy@b.example", Action::reply(450, "4.2.1 later"));
    smtp.rules(refuses);
    for to in ["a@b.example", "c@b.example", "unknown@b.example", "busy@b.example"] {
        queue.push_to(if to.starts_with('c') { "emails:high" } else { "emails" }, &short(to, "hi"));
    }
    let flags = [&ADMIN[..], &["--retry-base", "1h", "--retry-max", "1h"]].concat();
    let worker = queue.worker(&smtp.url(), &flags);
    let (at, relay) = (address(&worker).await, smtp.url());
    let outcome = |outcome, class| {
        format!("email_queue_outcomes_total{{relay=\"{relay}\",outcome=\"{outcome}\",class=\"{class}\"}}")
    };
    wait_for(&at, &outcome("sent", "none"), 2.0).await;
    wait_for(&at, &outcome("failed", "recipient"), 1.0).await;
    wait_for(&at, &outcome("delayed", "deferred"), 1.0).await;
    let metrics = wait_for(&at, "email_queue_emails{state=\"failed\"}", 1.0).await;
    let of_relay = |name: &str| format!("email_queue_{name}{{relay=\"{relay}\"}}");
    for (series, expected) in [
        (of_relay("delivery_seconds_count"), 4.0),
        (of_relay("end_to_end_seconds_count"), 2.0),
        (of_relay("attempts_count"), 3.0),
        (of_relay("relay_held_off"), 0.0),
        ("email_queue_emails{state=\"delayed\"}".to_owned(), 1.0),
        ("email_queue_oldest_queued_seconds{lane=\"normal\"}".to_owned(), 0.0),
        ("email_queue_live_workers".to_owned(), 1.0),
        ("email_queue_queued_emails{lane=\"high\"}".to_owned(), 0.0),
        ("email_queue_in_flight_emails".to_owned(), 0.0),
        ("email_queue_redis_up".to_owned(), 1.0),
    ] {
        assert_eq!(value(&metrics, &series), Some(expected), "{series}: {metrics}");
    }
    let connections = format!("email_queue_relay_connections{{relay=\"{relay}\",state=\"idle\"}}");
    assert!(value(&metrics, &connections) >= Some(1.0), "{metrics}");
    assert!(!metrics.contains('@'), "{metrics}");
    assert_eq!(promtool(&["check", "metrics"], &metrics), "");
}

#[tokio::test]
async fn a_scheduled_email_counts_from_its_time_and_another_from_its_acceptance() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let client = &ShardClient::all(|| queue.redis.connection(), 1)[0];
    let due = Timestamp::now() - SignedDuration::from_secs(1);
    let ids = [client.enqueue_due("a@b.example", Some(due)), client.enqueue("a@b.example")];
    for id in ids {
        // The columns of the header in which it says when the email was accepted: two hours ago.
        let accepted = (Timestamp::now() - SignedDuration::from_hours(2)).as_millisecond();
        let key = client.key(&format!("email:{id}"));
        client.query::<u64>(redis::cmd("SETRANGE").arg(key).arg(45).arg(accepted));
    }
    let worker = queue.worker(&smtp.url(), &[&ADMIN[..], &["--queue", "{emails}"]].concat());
    let series = |name: &str| format!("email_queue_end_to_end_seconds_{name}{{relay=\"{}\"", smtp.url());
    let metrics = wait_for(&address(&worker).await, &(series("count") + "}"), 2.0).await;
    assert_eq!(value(&metrics, &(series("bucket") + ",le=\"1800\"}")), Some(1.0), "{metrics}");
    assert_eq!(value(&metrics, &(series("bucket") + ",le=\"43200\"}")), Some(2.0), "{metrics}");
}

#[tokio::test]
async fn an_email_that_is_given_up_is_a_dead_letter_in_the_metrics_and_in_the_log() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Rcpt, Action::reply(450, "4.2.1 later")));
    queue.push(&short("a@b.example", "hi"));
    let worker = queue.worker(&smtp.url(), &[&ADMIN[..], &["--retry-for", "0s"]].concat());
    let series =
        format!("email_queue_outcomes_total{{relay=\"{}\",outcome=\"failed\",class=\"given_up\"}}", smtp.url());
    wait_for(&address(&worker).await, &series, 1.0).await;
    let line = worker.wait_for_line(|line| line.contains("class=given_up")).await;
    assert!(line.contains("ERROR") && line.contains("id=") && line.contains("deferred"), "{line}");
}

#[tokio::test]
async fn a_worker_is_alive_whatever_is_down_and_ready_when_it_can_deliver() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    queue.redis.freeze();
    let flags = [&ADMIN[..], &["--retry-base", "1h", "--retry-max", "1h", "--grace", "1m"]].concat();
    let mut worker = queue.worker(&smtp.url(), &flags);
    let at = address(&worker).await;
    let ready = async |expected: u16, word: &str| {
        eventually(DEADLINE, &format!("/readyz to say {word}"), async || {
            let (status, text) = get(&at, "/readyz").await;
            status == expected && text.contains(word)
        })
        .await;
        assert_eq!(get(&at, "/healthz").await, (200, "ok\n".to_owned()), "{word}");
    };
    ready(503, "starting").await;
    queue.redis.thaw();
    ready(200, "ready").await;
    queue.redis.freeze();
    ready(503, "redis").await;
    let without_redis = metrics(&at).await;
    assert_eq!(value(&without_redis, "email_queue_redis_up"), Some(0.0));
    assert!(!without_redis.contains("email_queue_emails{"), "{without_redis}");
    queue.redis.thaw();
    ready(200, "ready").await;
    // One that is delivered for as long as the server likes keeps the worker that stops.
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    queue.push(&short("a@b.example", "hi"));
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    worker.terminate();
    ready(503, "stopping").await;
    smtp.release();
    assert!(worker.wait(DEADLINE).await.success());
    assert!(TcpStream::connect(&at).await.is_err());
}

#[tokio::test]
async fn a_worker_that_holds_off_from_its_relay_says_why_it_is_not_ready() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Connect, Action::reply(554, "5.3.2 go away")));
    queue.push(&short("a@b.example", "hi"));
    let worker = queue.worker(&smtp.url(), &[&ADMIN[..], &["--retry-base", "1h", "--retry-max", "1h"]].concat());
    let at = address(&worker).await;
    wait_for(&at, &format!("email_queue_relay_held_off{{relay=\"{}\"}}", smtp.url()), 1.0).await;
    let (status, text) = get(&at, "/readyz").await;
    assert_eq!((status, text.trim_end()), (503, "relay: held off, connection"));
}

#[tokio::test]
async fn clients_that_hold_connections_or_send_without_end_are_cut_and_keep_nobody_out() {
    let queue = Queue::start();
    let worker = queue.worker("null:", &ADMIN);
    let at = address(&worker).await;
    worker.wait_for_line(|line| line.contains("ready")).await;
    let mut idle = Vec::new();
    for _ in 0..200 {
        let mut stream = TcpStream::connect(&at).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nX: ").await.unwrap();
        idle.push(stream);
    }
    assert_eq!(get(&at, "/healthz").await.0, 200);
    queue.push(&short("a@b.example", "hi"));
    worker.wait_for_line(|line| line.contains("email sent")).await;
    let all_cut = async {
        for mut stream in idle {
            // A head that is too slow may get an answer before the end.
            let mut rest = Vec::new();
            let _ = stream.read_to_end(&mut rest).await;
        }
    };
    timeout(DEADLINE, all_cut).await.unwrap();
    let mut endless = TcpStream::connect(&at).await.unwrap();
    let sent = async {
        let mut sent = 0;
        while endless.write_all(&[b'x'; 1024]).await.is_ok() {
            sent += 1024;
        }
        sent
    };
    let sent = timeout(DEADLINE, sent).await.unwrap();
    assert!(sent < 16 * 1024 * 1024, "{sent}");
    metrics(&at).await;
}

#[tokio::test]
async fn only_what_there_is_can_be_read() {
    let queue = Queue::start();
    let worker = queue.worker("null:", &ADMIN);
    let at = address(&worker).await;
    assert_eq!(get(&at, "/").await.0, 404);
    assert_eq!(get(&at, "/metrics/x").await.0, 404);
    let posted = send(&at, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi").await;
    assert!(posted.starts_with("HTTP/1.1 405") && posted.to_lowercase().contains("allow: get, head"), "{posted}");
    let head = send(&at, "HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 200") && head.ends_with("\r\n\r\n"), "{head}");
    let nonsense = send(&at, "\u{0}\u{1}nonsense\r\n\r\n").await;
    assert!(nonsense.is_empty() || nonsense.starts_with("HTTP/1.1 400"), "{nonsense}");
}

#[tokio::test]
async fn an_address_that_is_taken_is_an_error_at_the_start_and_no_address_is_a_wrong_setting() {
    let queue = Queue::start();
    let first = queue.worker("null:", &ADMIN);
    let taken = address(&first).await;
    let end = async |listen: &str| {
        let mut worker: Process = queue.worker("null:", &["--admin-listen", listen]);
        (worker.wait(DEADLINE).await.code(), worker.text())
    };
    let (code, said) = end(&taken).await;
    assert!(code == Some(1) && said.contains(&format!("cannot listen at {taken}")), "{code:?} {said}");
    let (code, said) = end("localhost").await;
    assert!(code == Some(64) && said.contains("--admin-listen is an IP address and a port"), "{code:?} {said}");
}
