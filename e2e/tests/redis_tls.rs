//! Redis with TLS, behind all hosts of the API.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{fs, path::Path};

use e2e::{Api, Worker};
use serde_json::json;
use testkit::{Authority, CertificateFiles, SmtpServer, TlsRedis, eventually};
use testkit::{DEADLINE, Process};

/// Accepts an email as soon as the API has a connection again, and waits until as many have arrived.
async fn deliver(api: &Api, smtp: &SmtpServer, nth: usize) {
    let email = json!({"to": "a@b.example", "subject": format!("number {nth}"), "text": "t"});
    let accepted = async || api.post(&email).await.status == 200;
    eventually(DEADLINE, "the API to accept an email", accepted).await;
    assert_eq!(smtp.wait_for(nth).await.len(), nth);
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test]
async fn api_and_worker_reach_a_redis_with_a_private_authority_also_when_its_certificate_is_renewed() {
    let (authority, smtp) = (Authority::new(), SmtpServer::start().await);
    let mut redis = TlsRedis::start(&authority, false);
    let ca = redis.files.authority();
    let api = Api::start_trusting(&ca, &redis.url(), &[]).await;
    let _worker = Worker::ready(&redis.url(), &smtp.url(), &["--redis-ca", text(&ca)]).await;
    deliver(&api, &smtp, 1).await;
    redis.renew(&authority);
    deliver(&api, &smtp, 2).await;
    // Another authority: the hosts read the file again as well.
    redis.renew(&Authority::new());
    deliver(&api, &smtp, 3).await;
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_a_503_and_nothing_is_accepted() {
    let redis = TlsRedis::start(&Authority::new(), false);
    let stranger = CertificateFiles::new(&Authority::new(), &["localhost"]);
    let api = Api::start_trusting(&stranger.authority(), &redis.url(), &[]).await;
    let answer = api.post(&json!({"to": "a@b.example", "message": "m"})).await;
    assert_eq!(answer.status, 503, "{}", answer.json);
    api.process.wait_for_line(|line| line.contains("certificate")).await;
}

#[tokio::test]
async fn the_native_server_shows_its_certificate_and_uses_a_renewed_one() {
    // Spin has no certificates for its connections to Redis.
    if Api::is_component() {
        return;
    }
    let (first, second, smtp) = (Authority::new(), Authority::new(), SmtpServer::start().await);
    let mut redis = TlsRedis::start(&first, true);
    let files = CertificateFiles::new(&first, &["client"]);
    let (ca, cert, key) = (files.authority(), files.certificate(), files.key());
    let variables = [("redis_ca", text(&ca)), ("redis_cert", text(&cert)), ("redis_key", text(&key))];
    let api = Api::start_with(&redis.url(), &variables).await;
    let flags = ["--redis-ca", text(&ca), "--redis-cert", text(&cert), "--redis-key", text(&key)];
    let worker = Worker::ready(&redis.url(), &smtp.url(), &flags).await;
    deliver(&api, &smtp, 1).await;
    files.renew(&second, &["client"]);
    redis.renew(&second);
    deliver(&api, &smtp, 2).await;
    // What is broken is not used.
    fs::write(&key, "").unwrap();
    redis.server.kill_now();
    redis.server.start_again();
    deliver(&api, &smtp, 3).await;
    let warned = |process: &Process| {
        process.lines().iter().any(|line| line.contains("WARN") && line.contains("there is no private key in it"))
    };
    assert!(warned(&api.process) && warned(&worker.process), "{}", api.process.text());

    let without = Api::start_trusting(&ca, &redis.url(), &[]).await;
    assert_eq!(without.post(&json!({"to": "a@b.example", "message": "m"})).await.status, 503);
    without.process.wait_for_line(|line| line.contains("--redis-cert and --redis-key")).await;
}
