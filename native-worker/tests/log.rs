//! What is logged: a line for each outcome, and what an operator must know, once.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use common::{Queue, short};
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
