//! Each fault of a set-up is named, with what to do.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
    time::{Duration, SystemTime},
};

use email_queue::{
    Class, Lane, Relay,
    transition::{
        self,
        relay::{HoldOffFor, RelayFailure},
    },
};
use serde_json::Value;
use testkit::{RedisServer, SmtpServer, ports::free_port, smtp_server::Security};

use crate::{
    nameserver,
    program::{emailq, emailq_with, failed},
    queue::{LONG, TestQueue},
};

/// The level of a check that has found something; `None` if it is not in the report.
fn level<'a>(report: &'a Value, check: &str) -> Option<&'a str> {
    let found: Vec<_> = report["data"].as_array().unwrap().iter().filter(|found| found["check"] == check).collect();
    let worst = found.iter().find(|found| found["level"] == "fault").or(found.first())?;
    assert_eq!(worst["way_out"].is_null(), worst["level"] == "good", "{worst}");
    worst["level"].as_str()
}

fn report(url: &str, arguments: &[&str]) -> Value {
    let run = emailq_with(url, &[&["doctor", "--json"], arguments].concat(), b"");
    let report = run.json();
    assert_eq!(run.code, i32::from(report["faults"] != 0), "{report}");
    report
}

/// A worker that holds a lease.
fn alive(q: &TestQueue) {
    q.enqueue(Lane::Normal);
    assert_eq!(q.claim(1, LONG).len(), 1);
}

#[test]
fn a_set_up_without_a_fault_has_none() {
    let server = RedisServer::builder().setting("maxmemory", "500mb").start();
    let q = TestQueue::beside(&std::sync::Arc::new(server));
    alive(&q);
    let report = report(&q.server.url(), &[]);
    // How quickly Redis answers depends on what else the machine does.
    let others = report["data"].as_array().unwrap().iter().filter(|found| found["check"] != "redis-latency");
    assert!(others.clone().all(|found| found["level"] == "good"), "{report}");
    for check in [
        "redis",
        "redis-version",
        "redis-role",
        "redis-persistence",
        "redis-eviction",
        "redis-memory",
        "clock",
        "workers",
    ] {
        assert_eq!(level(&report, check), Some("good"), "{check}: {report}");
    }
    let told = emailq(&q, "doctor").assert(0).out;
    assert!(told.contains("0 faults"), "{told}");
}

#[test]
fn a_redis_that_loses_emails_is_named() {
    let q = TestQueue::start();
    alive(&q);
    q.redis::<()>("CONFIG SET maxmemory-policy allkeys-lru");
    q.redis::<()>("CONFIG SET maxmemory 600kb");
    let report = report(&q.server.url(), &[]);
    for check in ["redis-persistence", "redis-eviction", "redis-memory"] {
        assert_eq!(level(&report, check), Some("fault"), "{check}: {report}");
    }
    q.redis::<()>("CONFIG SET maxmemory 0");
    let () = redis::cmd("CONFIG").arg(&["SET", "save", "3600 1"]).query(&mut q.server.connection()).unwrap();
    let told = emailq(&q, "doctor").assert(1).out;
    assert!(told.contains("redis-memory") && told.contains("→ set maxmemory below"), "{told}");
    assert!(told.contains("crash loses the emails since the last one"), "{told}");
    assert!(told.contains("CONFIG SET maxmemory-policy noeviction"), "{told}");
}

#[test]
fn a_redis_that_cannot_be_used_is_named() {
    let unreachable = report(&format!("redis://127.0.0.1:{}", free_port()), &[]);
    assert_eq!(level(&unreachable, "redis"), Some("fault"), "{unreachable}");

    let q = TestQueue::start();
    q.redis::<()>("ACL SETUSER limited on >x ~* +@all -hget -hmget -zcard");
    let limited = report(&format!("redis://limited:x@127.0.0.1:{}", q.server.port()), &[]);
    assert_eq!(level(&limited, "redis-rights"), Some("fault"), "{limited}");

    let replica = RedisServer::builder().without_persistence().start();
    let of = q.server.address();
    let () = redis::cmd("REPLICAOF").arg("127.0.0.1").arg(of.port()).query(&mut replica.connection()).unwrap();
    let report = report(&replica.url(), &[]);
    assert_eq!(level(&report, "redis-role"), Some("fault"), "{report}");
}

#[test]
fn what_stops_the_queue_is_named() {
    let q = TestQueue::start();
    failed(&q, Class::Recipient);
    q.redis::<()>("DEL emails:workers");
    q.run(&transition::pause(&q.queue, &[Lane::Low]));
    let id = q.enqueue(Lane::Normal);
    let failure = RelayFailure {
        email: id,
        is_elsewhere: false,
        age: Duration::ZERO,
        passed: None,
        class: Class::Tls,
        error: "no certificate",
    };
    let relay = Relay::new("smtp://relay.example:25", None);
    let back_off = HoldOffFor { base: LONG, max: LONG };
    q.run(&transition::relay::hold_off(&q.queue, q.worker, &relay, failure, back_off));
    let report = report(&q.server.url(), &[]);
    for (check, expected) in
        [("workers", "fault"), ("paused", "fault"), ("held-off", "fault"), ("dead-letters", "warning")]
    {
        assert_eq!(level(&report, check), Some(expected), "{check}: {report}");
    }
}

#[tokio::test]
async fn a_relay_that_takes_no_emails_is_named() {
    let q = TestQueue::start();
    let doctor = async |arguments: Vec<String>| {
        let url = q.server.url();
        let run = tokio::task::spawn_blocking(move || {
            report(&url, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
        });
        run.await.unwrap()
    };
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();

    let nobody = format!("smtp://127.0.0.1:{}", free_port());
    assert_eq!(level(&doctor(words(&["--transport", &nobody])).await, "relay-connection"), Some("fault"));

    let server = SmtpServer::builder().security(Security::StartTls).login("ada", "right").start().await;
    let (url, file) = (server.url(), server.ca_file());
    let ca = file.to_str().unwrap();
    let url = url.split('?').next().unwrap();
    let untrusted = doctor(words(&["--transport", url])).await;
    assert_eq!(level(&untrusted, "relay-tls"), Some("fault"), "{untrusted}");
    let login = ["--transport", url, "--smtp-ca-file", ca, "--smtp-username", "ada", "--smtp-password"];
    let refused = doctor(words(&[&login[..], &["wr0ng-s3cret"]].concat())).await;
    assert_eq!(level(&refused, "relay-login"), Some("fault"), "{refused}");
    assert!(!refused.to_string().contains("wr0ng-s3cret"));
    let good = doctor(words(&[&login[..], &["right"]].concat())).await;
    assert_eq!((level(&good, "relay"), level(&good, "relay-certificate")), (Some("good"), Some("good")), "{good}");
    assert!(good.to_string().contains("the login is accepted"), "{good}");

    let end = SystemTime::now() + Duration::from_secs(5 * 86400 + 3600);
    let soon = SmtpServer::builder().security(Security::Implicit).certificate_end(end).start().await;
    let (url, file) = (soon.url(), soon.ca_file());
    let url = url.split('?').next().unwrap();
    let expiring = doctor(words(&["--transport", url, "--smtp-ca-file", file.to_str().unwrap()])).await;
    assert_eq!(level(&expiring, "relay-certificate"), Some("fault"), "{expiring}");
    assert!(expiring.to_string().contains("expires in 5 days"), "{expiring}");

    let plain = SmtpServer::start().await;
    let clear = doctor(words(&["--transport", plain.url().split('?').next().unwrap()])).await;
    assert_eq!(level(&clear, "relay-tls"), Some("warning"), "{clear}");
}

#[test]
fn a_domain_without_its_records_is_named() {
    let q = TestQueue::start();
    let server = nameserver::start(&[
        ("good.example", "MX", "mail.good.example"),
        ("good.example", "TXT", "v=spf1 include:relay.example ~all"),
        ("_dmarc.good.example", "TXT", "v=DMARC1; p=none"),
        ("open.example", "TXT", "v=spf1 +all"),
        ("two.example", "TXT", "v=spf1 -all"),
        ("two.example", "TXT", "v=spf1 a -all"),
        ("bare.example", "TXT", "something else"),
    ])
    .to_string();
    let checks = |domain: &str| {
        let report = report(&q.server.url(), &["--domain", domain, "--dns-server", &server]);
        ["dns-mx", "dns-spf", "dns-dmarc"].map(|check| level(&report, check).unwrap_or("nothing").to_owned())
    };
    assert_eq!(checks("good.example"), ["good", "good", "good"]);
    assert_eq!(checks("open.example"), ["warning", "fault", "warning"]);
    assert_eq!(checks("two.example"), ["warning", "fault", "warning"]);
    assert_eq!(checks("bare.example"), ["warning", "fault", "warning"]);
    assert_eq!(checks("nowhere.example"), ["warning", "fault", "warning"]);
    // That of the sender whom the workers have.
    q.redis::<()>("SET emails:default-from shop@good.example");
    let report = report(&q.server.url(), &["--dns-server", &server]);
    assert_eq!(level(&report, "dns-spf"), Some("good"), "{report}");
}

/// Answers each request so.
fn api(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let request = BufReader::new(&stream).lines().next().unwrap().unwrap();
            assert_eq!(request, "GET /readyz HTTP/1.1");
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    url
}

#[test]
fn an_api_that_is_not_ready_is_named() {
    let q = TestQueue::start();
    let checked = |url: &str| report(&q.server.url(), &["--api-url", url]);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    assert_eq!(level(&checked(&nobody), "api"), Some("fault"));
    let full = checked(&api("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 13\r\n\r\nRedis is full"));
    assert_eq!(level(&full, "api"), Some("fault"));
    assert!(full.to_string().contains("Redis is full"), "{full}");
    let ready = checked(&api("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"));
    assert_eq!(level(&ready, "api"), Some("good"), "{ready}");
}
