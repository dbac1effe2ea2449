//! Each fault of a set-up is named, with what to do.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::Arc,
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
use testkit::{
    Authority, CertificateFiles, RedisServer, SmtpServer, TcpProxy, ports::free_port, proxy::contains,
    smtp_server::Security,
};
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    crypto::ring::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use crate::{
    altering, nameserver,
    program::{emailq, emailq_command, emailq_with, failed},
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
    let q = TestQueue::beside(&Arc::new(server));
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
fn a_key_of_a_wrong_type_is_named() {
    let q = TestQueue::start();
    alive(&q);
    for key in ["emails:low", "emails:waiting"] {
        q.redis::<()>(&format!("DEL {key}"));
        q.redis::<()>(&format!("SET {key} zzz"));
        let report = report(&q.server.url(), &[]);
        assert_eq!(level(&report, "wrong-type"), Some("fault"), "{report}");
        assert_eq!(
            (level(&report, "redis-refuses"), level(&report, "redis-rights")),
            (Some("fault"), None),
            "{report}"
        );
        let expected = if key == "emails:low" { "list" } else { "hash" };
        let told = emailq(&q, "doctor").assert(1).out;
        assert!(told.contains(&format!("{key} is a string, and the queue needs a {expected} there")), "{told}");
        assert!(told.contains("keys that begin with emails are the queue's"), "{told}");
        q.redis::<()>(&format!("DEL {key}"));
    }
    assert_eq!(level(&self::report(&q.server.url(), &[]), "wrong-type"), None);
}

#[test]
fn a_redis_that_is_too_old_or_whose_clock_is_wrong_is_named() {
    let q = TestQueue::start();
    let old = altering::redis(q.server.port(), |line| {
        let name = [&b"redis_version:"[..], b"valkey_version:"].into_iter().find(|name| line.starts_with(name))?;
        Some([name, b"5", &line[name.len() + 1..]].concat())
    });
    let old = report(&old, &[]);
    assert_eq!(level(&old, "redis-version"), Some("fault"), "{old}");
    assert!(old.to_string().contains("upgrade to 6.2"), "{old}");

    // The seconds of `TIME`, of which no other reply has as many digits.
    fn later(line: &[u8], seconds: u64) -> Option<Vec<u8>> {
        let digits = line.strip_suffix(b"\r\n").filter(|digits| digits.len() == 10)?;
        let time: u64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        Some(format!("{}\r\n", time + seconds).into_bytes())
    }
    let wrong = report(&altering::redis(q.server.port(), |line| later(line, 60)), &[]);
    assert_eq!(level(&wrong, "clock"), Some("fault"), "{wrong}");
    let inexact = report(&altering::redis(q.server.port(), |line| later(line, 10)), &[]);
    assert_eq!(level(&inexact, "clock"), Some("warning"), "{inexact}");
    assert_eq!(level(&inexact, "redis-version"), Some("good"), "{inexact}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_far_away_is_named() {
    let q = TestQueue::start();
    let proxy = Arc::new(TcpProxy::start(q.server.address()).await);
    // Only the pings, or all else would take long as well.
    let slow = Arc::downgrade(&proxy);
    proxy.silence_when_client_sends(move |bytes| {
        if let Some(proxy) = slow.upgrade() {
            let is_ping = contains(bytes, b"\r\nPING\r\n");
            proxy.throttle(if is_ping { 100 } else { 0 });
        }
        false
    });
    let url = format!("redis://{}", proxy.address());
    let report = tokio::task::spawn_blocking(move || report(&url, &[])).await.unwrap();
    assert_eq!(level(&report, "redis-latency"), Some("fault"), "{report}");
    assert!(report.to_string().contains("run API and workers near Redis"), "{report}");
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
    let told = report.to_string();
    assert!(told.contains("the lane low has been paused for ") && told.contains(" has been held off for "), "{told}");
    let stats = emailq_with(&q.server.url(), &["stats"], b"").assert(0).out;
    assert!(stats.contains(" has been held off for ") && !stats.contains("ago ("), "{stats}");
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
    // Without a --default-from they have one of this machine, of which DNS says nothing.
    q.set("emails:default-from", "Email Queue <email-queue@localhost>");
    let unknown = report(&q.server.url(), &["--dns-server", &server]);
    assert_eq!((level(&unknown, "dns"), level(&unknown, "dns-spf")), (Some("good"), None), "{unknown}");
    // That of the sender whom the workers have.
    q.redis::<()>("SET emails:default-from shop@good.example");
    let report = report(&q.server.url(), &["--dns-server", &server]);
    assert_eq!(level(&report, "dns-spf"), Some("good"), "{report}");
}

/// Answers each request so, over TLS with a certificate for `localhost` or without.
fn api(answer: &'static str, files: Option<&CertificateFiles>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = files.map(|files| {
        let certificate = CertificateDer::from_pem_file(files.certificate()).unwrap();
        let key = PrivateKeyDer::from_pem_file(files.key()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(default_provider()));
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        Arc::new(config.with_single_cert(vec![certificate], key).unwrap())
    });
    let url = if tls.is_some() { format!("https://localhost:{port}") } else { format!("http://127.0.0.1:{port}") };
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            match &tls {
                None => serve(stream, answer),
                Some(tls) => serve(StreamOwned::new(ServerConnection::new(Arc::clone(tls)).unwrap(), stream), answer),
            }
        }
    });
    url
}

fn serve(mut stream: impl Read + Write, answer: &str) {
    // A client that does not trust it sends nothing.
    let Some(Ok(request)) = BufReader::new(&mut stream).lines().next() else { return };
    assert_eq!(request, "GET /readyz HTTP/1.1");
    stream.write_all(answer.as_bytes()).unwrap();
}

const READY: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";

#[test]
fn an_api_that_is_not_ready_is_named() {
    let q = TestQueue::start();
    let checked = |url: &str| report(&q.server.url(), &["--api-url", url]);
    let nobody = format!("http://127.0.0.1:{}", free_port());
    assert_eq!(level(&checked(&nobody), "api"), Some("fault"));
    let full = checked(&api("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 13\r\n\r\nRedis is full", None));
    assert_eq!(level(&full, "api"), Some("fault"));
    assert!(full.to_string().contains("Redis is full"), "{full}");
    let elsewhere = checked(&api("HTTP/1.1 308 Permanent Redirect\r\nlocation: https://h/readyz\r\n\r\n", None));
    assert_eq!(level(&elsewhere, "api"), Some("fault"));
    assert!(elsewhere.to_string().contains("such as https://HOST"), "{elsewhere}");
    let ready = checked(&api(READY, None));
    assert_eq!(level(&ready, "api"), Some("good"), "{ready}");
}

#[test]
fn an_api_may_be_behind_tls() {
    let q = TestQueue::start();
    let files = CertificateFiles::new(&Authority::new(), &["localhost"]);
    let url = api(READY, Some(&files));
    let checked = |url: &str| report(&q.server.url(), &["--api-url", url]);
    let untrusted = checked(&url);
    assert_eq!(level(&untrusted, "api"), Some("fault"), "{untrusted}");
    assert!(untrusted.to_string().contains("SSL_CERT_FILE"), "{untrusted}");
    let trusted = |url: &str| {
        let mut command = emailq_command(&q.server.url(), &["doctor", "--json", "--api-url", url]);
        let output = command.env("SSL_CERT_FILE", files.authority()).output().unwrap();
        serde_json::from_slice::<Value>(&output.stdout).unwrap()
    };
    let ready = trusted(&url);
    assert_eq!(level(&ready, "api"), Some("good"), "{ready}");
    // A certificate for another host.
    let other = trusted(&url.replace("localhost", "127.0.0.1"));
    assert_eq!(level(&other, "api"), Some("fault"), "{other}");
}
