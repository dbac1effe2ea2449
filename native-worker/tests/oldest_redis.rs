//! The oldest Redis that is supported, 6.2, which words what it refuses to a script in another way than 7.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use common::{Queue, short, wait_for_heartbeat};
use redis::{Commands, Connection};
use testkit::{DEADLINE, RedisServer, SmtpServer, eventually};

fn oldest() -> Queue {
    Queue { redis: RedisServer::builder().without_persistence().oldest().start() }
}

fn replica_of(redis: &mut Connection, host: &str, port: &str) {
    redis::cmd("REPLICAOF").arg(host).arg(port).exec(redis).unwrap();
}

#[tokio::test]
async fn emails_come_through_it() {
    let (queue, smtp) = (oldest(), SmtpServer::start().await);
    let mut redis = queue.redis.connection();
    let server: String = redis::cmd("INFO").arg("server").query(&mut redis).unwrap();
    assert!(server.contains("redis_version:6.2."), "{server}");
    let worker = queue.worker(&smtp.url(), &["--drain"]);
    for i in 0..60 {
        queue.push(&short(&format!("user{i}@x.example"), "hi"));
    }
    smtp.wait_for(60).await;
    drop(worker);
}

#[tokio::test]
async fn a_master_that_became_a_replica_is_left_for_a_new_connection_whatever_its_version() {
    for queue in [oldest(), Queue::start()] {
        let smtp = SmtpServer::start().await;
        let worker = queue.worker(&smtp.url(), &["--lease", "1s"]);
        wait_for_heartbeat(&queue).await;
        let mut redis = queue.redis.connection();
        replica_of(&mut redis, "127.0.0.1", "1");
        let id = || -> Vec<String> {
            let clients: String = redis::cmd("CLIENT").arg("LIST").query(&mut queue.redis.connection()).unwrap();
            let scripts = clients.lines().filter(|client| client.contains("cmd=evalsha"));
            scripts.filter_map(|client| client.split(' ').next()).map(str::to_owned).collect()
        };
        worker.wait_for_line(|line| line.contains("is a replica, which takes no writes")).await;
        let before = id();
        eventually(DEADLINE, "a new connection", async || id().iter().any(|id| !before.contains(id))).await;
        replica_of(&mut redis, "NO", "ONE");
        let _: u64 = redis.lpush("emails", short("a@b.example", "hi")).unwrap();
        smtp.wait_for(1).await;
    }
}
