//! A worker, its Redis, and helpers for tests of both.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]
#![allow(dead_code, reason = "each test program uses some of it")]

pub(crate) mod http;
pub(crate) mod shards;

use std::process::Command;

use redis::Commands;
use testkit::{DEADLINE, Process, RedisServer, TcpProxy, eventually, record};

/// A Redis of the test's own, with a queue named `emails`.
pub(crate) struct Queue {
    pub(crate) redis: RedisServer,
}

impl Queue {
    pub(crate) fn start() -> Self {
        Self { redis: RedisServer::builder().without_persistence().start() }
    }

    /// Starts a worker that sends to `transport`. What is tried again is tried soon; further flags win.
    pub(crate) fn worker(&self, transport: &str, flags: &[&str]) -> Process {
        Process::start(self.command(transport, flags))
    }

    pub(crate) fn command(&self, transport: &str, flags: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_native-worker"));
        // The environment of the tests must not reach the worker.
        command.env_clear();
        let defaults = [("--retry-base", "10ms"), ("--retry-max", "50ms"), ("--smtp-timeout", "30s")];
        for (flag, value) in defaults.into_iter().filter(|(flag, _)| !flags.contains(flag)) {
            command.args([flag, value]);
        }
        command.env("EMAIL_QUEUE_REDIS_URL", self.redis.url()).args(["--transport", transport]).args(flags);
        command
    }

    /// A worker that reaches Redis by way of a proxy.
    pub(crate) fn worker_through(&self, proxy: &TcpProxy, transport: &str, flags: &[&str]) -> Process {
        let mut command = self.command(transport, flags);
        command.env("EMAIL_QUEUE_REDIS_URL", self.redis.url_through(proxy.address()));
        Process::start(command)
    }

    /// Pushes an email as any other program would.
    pub(crate) fn push(&self, json: &str) {
        self.push_to("emails", json);
    }

    pub(crate) fn push_to(&self, list: &str, json: &str) {
        let _: u64 = self.redis.connection().lpush(list, json).unwrap();
    }

    /// Pushes an email and waits until a worker has given it a record, whose id it returns.
    pub(crate) async fn import(&self, json: &str) -> String {
        let before = self.ids();
        self.push(json);
        eventually(DEADLINE, "the email to be imported", async || {
            self.ids().into_iter().find(|id| !before.contains(id))
        })
        .await
    }

    /// All emails known, the oldest first.
    pub(crate) fn ids(&self) -> Vec<String> {
        record::ids(&mut self.redis.connection())
    }

    /// The only recipient of an email in the short form.
    pub(crate) fn recipient(&self, id: &str) -> String {
        let email = record::email(&mut self.redis.connection(), id).unwrap();
        let email: serde_json::Value = serde_json::from_slice(&email).unwrap();
        email["to"].as_str().unwrap().to_owned()
    }

    /// A field of an email's record; empty when there is none, or when it is 0.
    pub(crate) fn field(&self, id: &str, field: &str) -> String {
        record::field(&mut self.redis.connection(), id, field).unwrap_or_default()
    }

    /// Makes a member of one of the sets that are scored by time due, as if that time had passed.
    pub(crate) fn pass_time(&self, set: &str, member: &str) {
        let mut redis = self.redis.connection();
        redis::pipe().atomic().zadd(format!("emails:{set}"), member, 0).del("emails:sweep").exec(&mut redis).unwrap();
    }

    /// The only worker, and when its lease ends, in ms since 1970.
    pub(crate) fn lease(&self) -> (String, f64) {
        let mut workers: Vec<_> = self.redis.connection().zrange_withscores("emails:workers", 0, -1).unwrap();
        assert_eq!(workers.len(), 1);
        workers.remove(0)
    }

    pub(crate) async fn wait_for_state(&self, id: &str, state: &str) {
        eventually(DEADLINE, &format!("the email to be {state}"), async || self.field(id, "state") == state).await;
    }
}

/// Waits for a worker's first heartbeat.
pub(crate) async fn wait_for_heartbeat(queue: &Queue) {
    let workers = async || queue.redis.connection().zcard("emails:workers") == Ok(1);
    eventually(DEADLINE, "a worker to be known", workers).await;
}

/// An email in the short form.
pub(crate) fn short(to: &str, message: &str) -> String {
    serde_json::json!({"to": to, "message": message}).to_string()
}

/// An email to several people.
pub(crate) fn to_many(to: &[&str]) -> String {
    serde_json::json!({"from": "app@x.example", "to": to, "subject": "s", "text": "t"}).to_string()
}
