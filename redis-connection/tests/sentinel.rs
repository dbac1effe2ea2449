//! A master that sentinels name, with TLS and passwords on both.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{fs, path::Path, process::Command};

use redis_connection::{CertificateFiles, RedisServer, RedisUrl};
use tempfile::TempDir;
use testkit::{Authority, DEADLINE, Process, RedisSentinel, TlsRedis, eventually, ports::free_port, tls_redis};
use tokio::time::timeout;

fn server(url: &str, authority: Option<&Path>) -> RedisServer {
    let url: RedisUrl = url.parse().unwrap();
    let files = CertificateFiles { authorities: authority.map(Path::to_path_buf), ..CertificateFiles::default() };
    RedisServer::new(url, files).unwrap()
}

/// A sentinel that speaks TLS alone, and asks for a password.
fn sentinel(redis: &TlsRedis, directory: &TempDir) -> (Process, u16) {
    let (file, port) = (directory.path().join("sentinel.conf"), free_port());
    let redis_port = redis.url().rsplit_once(':').unwrap().1.to_owned();
    let settings = [
        "port 0".to_owned(),
        format!("tls-port {port}"),
        format!("tls-cert-file {}", redis.files.certificate().display()),
        format!("tls-key-file {}", redis.files.key().display()),
        format!("tls-ca-cert-file {}", redis.files.authority().display()),
        "tls-auth-clients no".to_owned(),
        "tls-replication yes".to_owned(),
        format!("dir {}", directory.path().display()),
        "requirepass s3ntinel".to_owned(),
        // A certificate names a host.
        "sentinel resolve-hostnames yes".to_owned(),
        "sentinel announce-hostnames yes".to_owned(),
        format!("sentinel monitor mail localhost {redis_port} 1"),
        "sentinel auth-pass mail r3dis".to_owned(),
    ];
    fs::write(&file, settings.join("\n")).unwrap();
    let mut command = Command::new(tls_redis::program());
    command.arg(&file).arg("--sentinel");
    (Process::start(command), port)
}

#[tokio::test]
async fn the_master_is_found_over_tls_with_a_password_for_each() {
    let authority = Authority::new();
    let redis = TlsRedis::start(&authority, false);
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("requirepass").arg("r3dis").exec(&mut redis.server.connection()).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let (process, port) = sentinel(&redis, &directory);
    process.wait_for_line(|line| line.contains("+monitor")).await;

    let url = format!("rediss+sentinel://:r3dis@localhost:{port}/mail");
    let with = server(&format!("{url}?sentinel_password=s3ntinel"), Some(redis.files.authority().as_ref()));
    let answer = with.open().await.unwrap().send(&redis::cmd("PING")).await.unwrap();
    assert_eq!(answer, redis::Value::SimpleString("PONG".to_owned()));
    let without = server(&url, Some(redis.files.authority().as_ref())).open().await.err().unwrap().to_string();
    assert!(without.contains("NOAUTH") || without.contains("Authentication"), "{without}");
}

#[tokio::test]
async fn sentinels_that_know_no_such_master_or_are_not_there_say_so() {
    let redis = RedisSentinel::start(0);
    let unknown = redis.url().replace("/mail", "/other");
    let error = server(&unknown, None).open().await.err().unwrap().to_string();
    assert!(error.contains("No such master"), "{error}");
    let nobody = server("redis+sentinel://127.0.0.1:1,127.0.0.1:2/mail", None).open().await.err().unwrap();
    assert!(nobody.is_io_error(), "{nobody}");
}

#[tokio::test]
async fn a_connection_to_a_master_that_was_replaced_breaks_although_it_is_open() {
    let redis = RedisSentinel::start(1);
    let server = server(&redis.url(), None);
    let connection = server.open().await.unwrap();
    // Nothing but the sentinels says that it is no master any more.
    redis.servers()[0].freeze();
    let broken = timeout(DEADLINE, connection.send(&redis::cmd("PING"))).await.unwrap();
    assert!(broken.is_err(), "{broken:?}");
    let master = redis.wait_for_fail_over(0);
    let connection = eventually(DEADLINE, "a connection to the new master", async || server.open().await.ok()).await;
    let info = connection.send(redis::cmd("INFO").arg("server")).await.unwrap();
    let port = format!("tcp_port:{}", redis.servers()[master].port());
    assert!(format!("{info:?}").contains(&port), "{info:?}");
}
