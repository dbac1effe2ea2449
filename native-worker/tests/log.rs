//! What is logged: a line for each outcome, and what an operator must know, once.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use common::{
    Queue,
    http::{ADMIN, address, get, value},
    short,
};
use redis::Commands;
use serde_json::Value;
use testkit::{Action, DEADLINE, Process, Rules, SmtpServer, eventually, smtp_server::Security};

/// The lines that a worker has logged as JSON.
fn lines(worker: &Process) -> Vec<Value> {
    worker.lines().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// How often the only relay has failed in a row.
fn probes(queue: &Queue) -> usize {
    let mut redis = queue.redis.connection();
    let keys: Vec<String> = redis.keys("emails:relay:*").unwrap();
    let failures: Option<usize> = keys.first().and_then(|key| redis.hget(key, "failures").unwrap());
    failures.unwrap_or_default()
}

#[tokio::test]
async fn each_outcome_is_a_line_with_id_attempt_time_class_and_relay_and_without_an_address() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let reply = |code, text: &str| Action::reply(code, text);
    smtp.rules(
        Rules::new()
            .recipient("unknown@b.example", reply(550, "5.1.1 <unknown@b.example>: no such user"))
            .recipient("busy@b.example", reply(450, "4.2.1 busy@b.example, later")),
    );
    for to in ["bob@b.example", "unknown@b.example", "busy@b.example"] {
        queue.push(&short(to, "hi"));
    }
    let flags = ["--log-format", "json", "--retry-base", "1h", "--retry-max", "1h"];
    let worker = queue.worker(&smtp.url(), &flags);
    let outcomes = eventually(DEADLINE, "three outcomes", async || {
        let outcomes: Vec<_> = lines(&worker).into_iter().filter(|line| line["outcome"].is_string()).collect();
        (outcomes.len() == 3).then_some(outcomes)
    })
    .await;
    for (outcome, class, error) in [
        ("sent", None, None),
        ("failed", Some("recipient"), Some("550 5.1.1 <address>: no such user")),
        ("delayed", Some("deferred"), Some("450 4.2.1 <address>, later")),
    ] {
        let line = outcomes.iter().find(|line| line["outcome"] == outcome).unwrap();
        assert!(queue.ids().contains(&line["id"].as_str().unwrap().to_owned()), "{line}");
        assert!(line["duration_ms"].is_u64() && line["attempt"] == 1, "{line}");
        assert_eq!((line["class"].as_str(), line["error"].as_str()), (class, error));
        assert_eq!(line["relay"], smtp.url().as_str());
        assert_eq!(line["level"], if outcome == "sent" { "INFO" } else { "WARN" });
    }
    assert!(!worker.text().contains("@b.example"), "{}", worker.text());
}

#[tokio::test]
async fn a_wrong_type_is_told_and_counted_and_its_end_is_told_however_many_emails_come_meanwhile() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let worker = queue.worker(&smtp.url(), &ADMIN);
    let at = address(&worker).await;
    let told = |part: &str| {
        let lines = worker.lines().into_iter();
        lines.filter(|line| line.contains("WARN") && line.contains(part)).collect::<Vec<_>>()
    };
    let _: () = queue.redis.connection().set("emails:low", "zzz").unwrap();
    for nth in 1..=5 {
        queue.push(&short("a@b.example", "hi"));
        smtp.wait_for(nth).await;
    }
    let refused = async || value(&get(&at, "/metrics").await.1, "email_queue_redis_errors_total{kind=\"refused\"}");
    eventually(DEADLINE, "refusals to be counted", async || refused().await >= Some(3.0)).await;
    let (begun, keys) = (told("Redis refuses"), told("this key of the queue"));
    assert_eq!((begun.len(), keys.len()), (1, 1), "{begun:?} {keys:?}");
    assert!(begun[0].contains("BRPOP") && keys[0].contains("emails:low"), "{begun:?} {keys:?}");
    assert_eq!(get(&at, "/readyz").await.0, 200, "emails of the other lanes are sent");

    let _: () = queue.redis.connection().del("emails:low").unwrap();
    let over = eventually(DEADLINE, "the end to be told", async || {
        Some(told("does not refuse this any more")).filter(|over| !over.is_empty())
    })
    .await;
    assert!(over.len() == 1 && over[0].contains("BRPOP"), "{over:?}");

    // Nothing can be claimed.
    let _: () = queue.redis.connection().del("emails:waiting").unwrap();
    let _: () = queue.redis.connection().set("emails:waiting", "zzz").unwrap();
    queue.push(&short("a@b.example", "hi"));
    eventually(DEADLINE, "/readyz to name it", async || {
        let (status, text) = get(&at, "/readyz").await;
        status == 503 && text.contains("refuses to hand out emails of emails") && text.contains("WRONGTYPE")
    })
    .await;
    let claims = || told("Redis refuses").into_iter().filter(|line| line.contains("call=\"claim\"")).count();
    let before = refused().await;
    eventually(DEADLINE, "more refusals", async || refused().await > before.map(|before| before + 10.0)).await;
    assert_eq!(claims(), 1);
    let _: () = queue.redis.connection().del("emails:waiting").unwrap();
    eventually(DEADLINE, "/readyz to be well", async || get(&at, "/readyz").await.0 == 200).await;
    smtp.wait_for(6).await;
}

#[tokio::test]
async fn a_refused_login_and_a_refused_certificate_are_told_once_each() {
    let smtp = SmtpServer::builder().security(Security::StartTls).login("ada", "s3cret-w0rd").start().await;
    let ca = smtp.ca_file();
    let soon = ["--log-format", "json", "--retry-base", "20ms", "--retry-max", "20ms"];
    let trusting = [&soon[..], &["--smtp-ca-file", ca.to_str().unwrap()]].concat();
    let wrong = smtp.url_with_login().replace("s3cret-w0rd", "wr0ng-w0rd");
    for (transport, flags, class) in
        [(wrong, trusting.as_slice(), "authentication"), (smtp.url_with_login(), &soon, "tls")]
    {
        let queue = Queue::start();
        (0..5).for_each(|nth| queue.push(&short(&format!("{nth}@b.example"), "hi")));
        let worker = queue.worker(&transport, flags);
        let of = |level: &'static str| {
            let lines = lines(&worker).into_iter();
            lines.filter(|line| line["level"] == level && line["class"] == class).collect::<Vec<_>>()
        };
        eventually(DEADLINE, "several probes", async || probes(&queue) >= 5).await;
        let warned = of("WARN");
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(warned[0]["message"].as_str().unwrap().starts_with("holding off from the relay"), "{warned:?}");
        assert!(!worker.text().contains("wr0ng-w0rd") && !worker.text().contains("s3cret-w0rd"));
    }
}
