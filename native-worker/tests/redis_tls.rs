//! Redis with TLS: a private authority, client certificates, and how both are renewed.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::{ffi::OsStr, fs, process::Command};

use common::short;
use redis::Commands;
use testkit::{Authority, CertificateFiles, DEADLINE, Process, SmtpServer, TlsRedis};

/// The command of a worker with files for TLS: flags and paths by turns.
fn command(redis: &TlsRedis, transport: &str, files: &[(&str, &OsStr)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-worker"));
    command.env_clear().env("EMAIL_QUEUE_REDIS_URL", redis.url()).args(["--transport", transport]);
    for (flag, file) in files {
        command.arg(flag).arg(file);
    }
    command
}

/// With a certificate of its own.
fn worker(redis: &TlsRedis, transport: &str, files: &CertificateFiles) -> Process {
    let (ca, cert, key) = (files.authority(), files.certificate(), files.key());
    let mut command = command(redis, transport, &[("--redis-ca", ca.as_ref())]);
    // What flags can say, variables can too.
    command.env("EMAIL_QUEUE_REDIS_CERT", cert).env("EMAIL_QUEUE_REDIS_KEY", key);
    Process::start(command)
}

fn push(redis: &TlsRedis, message: &str) {
    let _: u64 = redis.server.connection().lpush("emails", short("a@b.example", message)).unwrap();
}

#[tokio::test]
async fn certificates_of_both_sides_are_renewed_without_a_restart_of_the_worker() {
    let (first, second) = (Authority::new(), Authority::new());
    let (mut redis, smtp) = (TlsRedis::start(&first, true), SmtpServer::start().await);
    let files = CertificateFiles::new(&first, &["worker"]);
    let worker = worker(&redis, &smtp.url(), &files);
    push(&redis, "one");
    smtp.wait_for(1).await;

    // Half of the new files is there, which do not belong together.
    let former = fs::read(files.certificate()).unwrap();
    fs::copy(redis.files.certificate(), files.certificate()).unwrap();
    redis.server.kill_now();
    redis.server.start_again();
    push(&redis, "two");
    smtp.wait_for(2).await;
    let warning = worker.wait_for_line(|line| line.contains("cannot be used any more")).await;
    assert!(warning.contains("WARN") && warning.contains("does not belong to the certificate"), "{warning}");
    fs::write(files.certificate(), former).unwrap();

    // A new authority, for both sides.
    files.renew(&second, &["worker"]);
    redis.renew(&second);
    push(&redis, "three");
    smtp.wait_for(3).await;
    worker.wait_for_line(|line| line.contains("INFO") && line.contains("certificates for Redis have changed")).await;
    let lines = worker.lines();
    assert_eq!(lines.iter().filter(|line| line.contains("cannot be used any more")).count(), 1, "{lines:?}");
}

#[tokio::test]
async fn an_authority_that_is_not_trusted_is_named_with_the_way_out() {
    let (ours, other) = (Authority::new(), Authority::new());
    let (redis, stranger) = (TlsRedis::start(&ours, false), CertificateFiles::new(&other, &["localhost"]));
    // The system's authorities.
    let mut system = command(&redis, "null:", &[]);
    system.env("SSL_CERT_FILE", stranger.authority());
    let system = Process::start(system);
    let unknown = system.wait_for_line(|line| line.contains("unreachable")).await;
    assert!(unknown.contains("invalid peer certificate") && unknown.contains("by --redis-ca"), "{unknown}");
    let named = Process::start(command(&redis, "null:", &[("--redis-ca", stranger.authority().as_ref())]));
    let wrong = named.wait_for_line(|line| line.contains("unreachable")).await;
    assert!(wrong.contains("the file of --redis-ca has not the authority"), "{wrong}");
    // Once the right one is there, no restart is needed.
    stranger.renew(&ours, &["localhost"]);
    for worker in [&system, &named] {
        worker.wait_for_line(|line| line.contains("ready")).await;
    }
}

#[tokio::test]
async fn an_authority_that_redis_shows_as_its_own_certificate_is_named_with_the_way_out() {
    let authority = Authority::new();
    let mut redis = TlsRedis::start(&authority, false);
    redis.server.kill_now();
    fs::write(redis.files.certificate(), authority.pem()).unwrap();
    fs::write(redis.files.key(), authority.key_pem()).unwrap();
    redis.server.start_again();
    let ca = redis.files.authority();
    let worker = Process::start(command(&redis, "null:", &[("--redis-ca", ca.as_ref())]));
    let told = worker.wait_for_line(|line| line.contains("unreachable")).await;
    assert!(told.contains("let that authority sign one for Redis"), "{told}");
}

#[tokio::test]
async fn a_certificate_that_redis_asks_for_is_named_with_the_way_out() {
    let (ours, other) = (Authority::new(), Authority::new());
    let (redis, stranger) = (TlsRedis::start(&ours, true), CertificateFiles::new(&other, &["worker"]));
    let ca = redis.files.authority();
    let without = Process::start(command(&redis, "null:", &[("--redis-ca", ca.as_ref())]));
    let wanted = without.wait_for_line(|line| line.contains("unreachable")).await;
    assert!(wanted.contains("--redis-cert and --redis-key"), "{wanted}");
    let (cert, key) = (stranger.certificate(), stranger.key());
    let files = [("--redis-ca", ca.as_ref()), ("--redis-cert", cert.as_ref()), ("--redis-key", key.as_ref())];
    let refused = Process::start(command(&redis, "null:", &files));
    let refused = refused.wait_for_line(|line| line.contains("unreachable")).await;
    assert!(refused.contains("may refuse the certificate of --redis-cert"), "{refused}");
}

#[tokio::test]
async fn files_that_cannot_be_used_are_one_clear_line() {
    let (ours, other) = (Authority::new(), Authority::new());
    let redis = TlsRedis::start(&ours, false);
    let stranger = CertificateFiles::new(&other, &["worker"]);
    let (ca, cert, key, other_key) =
        (redis.files.authority(), redis.files.certificate(), redis.files.key(), stranger.key());
    let (ca, cert, key, other_key): (&OsStr, &OsStr, &OsStr, &OsStr) =
        (ca.as_ref(), cert.as_ref(), key.as_ref(), other_key.as_ref());
    let nowhere: &OsStr = "/nowhere.pem".as_ref();
    for (files, expected) in [
        (vec![("--redis-ca", nowhere)], "--redis-ca: /nowhere.pem: No such file"),
        (vec![("--redis-ca", key)], "there is no certificate in it"),
        (vec![("--redis-cert", cert)], "--redis-cert and --redis-key go together: --redis-key is missing"),
        (vec![("--redis-key", key)], "--redis-cert and --redis-key go together: --redis-cert is missing"),
        (vec![("--redis-cert", cert), ("--redis-key", ca)], "there is no private key in it"),
        (
            vec![("--redis-cert", cert), ("--redis-key", other_key)],
            "does not belong to the certificate of --redis-cert",
        ),
        (vec![("--redis-url", "redis://localhost".as_ref()), ("--redis-ca", ca)], "--redis-ca is for TLS"),
    ] {
        let mut command = command(&redis, "null:", &files);
        // Not the system's, of which there may be none.
        command.env("SSL_CERT_FILE", ca);
        let mut worker = Process::start(command);
        assert_eq!(worker.wait(DEADLINE).await.code(), Some(64), "{files:?}");
        let lines = worker.lines();
        assert!(lines.len() == 1 && lines[0].contains(expected), "{lines:?}");
        assert!(!lines[0].contains("PRIVATE KEY"), "{lines:?}");
    }
    let mut nobody = command(&redis, "null:", &[]);
    nobody.env("SSL_CERT_FILE", "/nowhere.pem");
    let mut nobody = Process::start(nobody);
    assert_eq!(nobody.wait(DEADLINE).await.code(), Some(64));
    assert!(nobody.text().contains("name those to trust by --redis-ca"), "{}", nobody.text());
}
