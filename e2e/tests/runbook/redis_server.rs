//! Incidents of Redis.

use std::fs;

use serde_json::json;
use testkit::{RedisServer, SmtpServer, ports::ClosedPort};

use crate::machine::{KEY, Machine};

fn config(redis: &RedisServer, name: &str, value: &str) {
    redis::cmd("CONFIG").arg("SET").arg(name).arg(value).exec(&mut redis.connection()).unwrap();
}

/// Two emails are delivered: one that was accepted before the incident, and one after it.
async fn check_delivery(machine: &mut Machine, smtp: &SmtpServer, before: usize) {
    machine.accept("after").await;
    machine.systemctl("start email-queue-worker").await;
    assert_eq!(smtp.wait_for(before + 1).await.len(), before + 1);
}

#[tokio::test]
async fn redis_is_full() {
    let smtp = SmtpServer::start().await;
    let mut machine = Machine::simple(&smtp.url()).await;
    let text = "x".repeat(100_000);
    machine.accept(&text).await;
    config(&machine.redis, "maxmemory", "3mb");
    let mut accepted = 1;
    let refusal = loop {
        let answer = machine.post(&text).await;
        if answer.status != 200 {
            break answer;
        }
        accepted += 1;
    };
    assert_eq!((refusal.status, refusal.text("message").contains("Redis is full")), (503, true), "{}", refusal.json);
    machine.variable("MAXMEMORY", "100mb");
    let said = machine.run("redis-full").await;
    assert!(said.contains("maxmemory_human:3.00M"), "{said}");
    check_delivery(&mut machine, &smtp, accepted).await;
}

#[tokio::test]
async fn redis_is_read_only() {
    let smtp = SmtpServer::start().await;
    let mut machine = Machine::simple(&smtp.url()).await;
    machine.accept("before").await;
    let master = ClosedPort::reserve();
    let port = master.address().port();
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(port).exec(&mut machine.redis.connection()).unwrap();
    machine.refused(503).await;
    let said = machine.run("redis-read-only").await;
    assert!(said.contains("slave"), "{said}");
    check_delivery(&mut machine, &smtp, 1).await;
}

#[tokio::test]
async fn redis_cannot_write_its_disk() {
    let smtp = SmtpServer::start().await;
    let redis = RedisServer::builder().without_persistence().setting("save", "3600 1").start();
    let mut machine = Machine::start(redis, &smtp.url(), "").await;
    machine.accept("before").await;
    let mut connection = machine.redis.connection();
    let (_, directory): (String, String) = redis::cmd("CONFIG").arg("GET").arg("dir").query(&mut connection).unwrap();
    // A snapshot cannot take the place of a directory that is not empty.
    let obstacle = format!("{directory}/dump.rdb");
    fs::create_dir_all(format!("{obstacle}/full")).unwrap();
    redis::cmd("BGSAVE").exec(&mut connection).unwrap();
    testkit::eventually(testkit::DEADLINE, "the snapshot to fail", async || machine.post("s").await.status == 503)
        .await;
    let accepted: usize = redis::cmd("LLEN").arg("emails").query(&mut connection).unwrap();
    fs::remove_dir_all(obstacle).unwrap();
    machine.run("redis-disk").await;
    check_delivery(&mut machine, &smtp, accepted).await;
}

#[tokio::test]
async fn redis_is_down() {
    let smtp = SmtpServer::start().await;
    // It syncs each write.
    let mut machine = Machine::start(RedisServer::start(), &smtp.url(), "").await;
    machine.accept("before").await;
    machine.systemctl("start email-queue-worker").await;
    smtp.wait_for(1).await;
    machine.redis.kill_now();
    machine.refused(503).await;
    machine.run("redis-down").await;
    machine.accept("after").await;
    assert_eq!(smtp.wait_for(2).await.len(), 2);
}

#[tokio::test]
async fn a_key_of_the_queue_has_a_wrong_type() {
    for (key, lane) in [("emails", "normal"), ("emails:low", "low")] {
        let smtp = SmtpServer::start().await;
        let mut machine = Machine::simple(&smtp.url()).await;
        redis::cmd("SET").arg(key).arg("of another program").exec(&mut machine.redis.connection()).unwrap();
        let email = json!({"to": "a@b.example", "subject": "s", "text": "t", "priority": lane}).to_string();
        let refused = machine.request("POST", "/emails", KEY, email.clone()).await;
        assert_eq!(refused.status, 503, "{key}: {}", refused.json);
        machine.variable("WRONG_KEY", key);
        let said = machine.run("wrong-type").await;
        assert!(said.contains("string") && !said.contains("wrong-type"), "{key}: {said}");
        let accepted = machine.request("POST", "/emails", KEY, email).await;
        assert_eq!(accepted.status, 200, "{key}: {}", accepted.json);
        check_delivery(&mut machine, &smtp, 1).await;
        let kept: String =
            redis::cmd("GET").arg(format!("misplaced:{key}")).query(&mut machine.redis.connection()).unwrap();
        assert_eq!(kept, "of another program", "{key}");
    }
}
