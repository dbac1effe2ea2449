//! One worker serves all shards of a queue, here on one Redis.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::collections::HashSet;

use common::{
    Queue,
    http::{ADMIN, address, get, value},
    shards::{ShardClient, shards},
    short,
};
use email_queue::{Class, State};
use testkit::{Action, DEADLINE, Process, RedisServer, Rules, SmtpServer, Stage, eventually, smtp_server::Reply};

/// A Redis with so many shards.
struct Sharded {
    server: Queue,
    shards: Vec<ShardClient>,
    count: String,
}

impl Sharded {
    fn start(count: u16) -> Self {
        let server = Queue { redis: RedisServer::builder().without_persistence().start() };
        let shards = ShardClient::all(|| server.redis.connection(), count);
        Self { server, shards, count: count.to_string() }
    }

    fn worker(&self, smtp: &SmtpServer, flags: &[&str]) -> Process {
        let flags = [&["--queue", "{emails}", "--shards", &self.count], flags].concat();
        self.server.worker(&smtp.url(), &flags)
    }

    /// A worker that waits in `BRPOP` on each shard.
    async fn idle_worker(&self, smtp: &SmtpServer, flags: &[&str]) -> Process {
        let worker = self.worker(smtp, flags);
        let blocked = format!("blocked_clients:{}", self.count);
        eventually(DEADLINE, "a worker that waits for all shards", async || {
            self.shards[0].query::<String>(redis::cmd("INFO").arg("clients")).contains(&blocked)
        })
        .await;
        worker
    }

    /// How many workers know each shard.
    fn workers(&self) -> Vec<u64> {
        self.shards.iter().map(|shard| shard.query(redis::cmd("ZCARD").arg(shard.key("workers")))).collect()
    }
}

fn recipients(smtp: &SmtpServer) -> Vec<String> {
    smtp.received().into_iter().flat_map(|received| received.recipients).collect()
}

#[tokio::test]
async fn emails_in_four_shards_are_all_delivered_once_by_one_worker_and_by_two() {
    let (queue, smtp) = (Sharded::start(4), SmtpServer::start().await);
    let first = queue.worker(&smtp, &[]);
    let ready = first.wait_for_line(|line| line.contains("ready")).await;
    assert!(ready.contains("shards=4"), "{ready}");
    for (round, total) in [("one", 100), ("two", 200)] {
        for shard in &queue.shards {
            shard.enqueue_many(25, &format!("{round}.{}.example", shard.queue.name().len()));
        }
        smtp.wait_for(total).await;
        let _second = queue.idle_worker(&smtp, &[]);
    }
    let all = recipients(&smtp);
    assert_eq!(all.len(), 200);
    for shard in &queue.shards {
        let sent = |id| shard.state(id) == Some(State::Sent);
        eventually(DEADLINE, "all to be recorded", async || shard.ids().into_iter().all(sent)).await;
        assert_eq!(shard.ids().len(), 50);
    }
}

#[tokio::test]
async fn a_worker_with_fewer_shards_than_the_api_says_where_emails_wait() {
    let (mut queue, smtp) = (Sharded::start(3), SmtpServer::start().await);
    queue.shards[2].enqueue_many(1, "beyond.example");
    queue.count = "2".to_owned();
    let worker = queue.worker(&smtp, &ADMIN);
    let warning = worker.wait_for_line(|line| line.contains("does not serve")).await;
    assert!(warning.contains("WARN") && warning.contains("{emails:2}") && warning.contains("--shards"), "{warning}");
    let at = address(&worker).await;
    eventually(DEADLINE, "the metric", async || {
        let (_, metrics) = get(&at, "/metrics").await;
        value(&metrics, "email_queue_too_few_shards") == Some(1.0)
    })
    .await;
}

#[tokio::test]
async fn a_busy_shard_does_not_keep_another_from_its_share() {
    let (queue, smtp) = (Sharded::start(3), SmtpServer::start().await);
    queue.shards[0].enqueue_many(2000, "busy.example");
    queue.shards[1].enqueue_many(20, "small.example");
    let _worker = queue.worker(&smtp, &["--concurrency", "4"]);
    smtp.wait_for(400).await;
    // It comes while the busy one has all permits.
    let before = smtp.received().len();
    queue.shards[2].enqueue_many(20, "late.example");
    smtp.wait_for(2040).await;
    let order = recipients(&smtp);
    let behind = |domain: &str| order.iter().rev().take_while(|to| !to.ends_with(domain)).count();
    assert!(behind("small.example") > 1800, "{} came after the small shard", behind("small.example"));
    assert!(behind("late.example") > 300, "{before} before, {} came after the late shard", behind("late.example"));
    assert_eq!(order.iter().collect::<HashSet<_>>().len(), 2040);
}

#[tokio::test]
async fn with_one_permit_for_all_an_idle_shard_holds_none() {
    let (queue, smtp) = (Sharded::start(3), SmtpServer::start().await);
    let _worker = queue.idle_worker(&smtp, &["--concurrency", "1"]).await;
    for (number, shard) in [2, 0, 1, 0, 2].into_iter().enumerate() {
        queue.shards[shard].enqueue(&format!("{number}@x.example"));
        smtp.wait_for(number + 1).await;
    }
}

#[tokio::test]
async fn an_entry_that_is_popped_without_a_permit_is_safe_and_keeps_its_place() {
    let (queue, smtp) = (Sharded::start(2), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let mut worker = queue.idle_worker(&smtp, &["--concurrency", "1", "--lease", "2s"]).await;
    let first = queue.shards[0].enqueue("first@x.example");
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    queue.shards[1].push(&short("second@x.example", "from another program"));
    let second =
        eventually(DEADLINE, "the entry to be an email", async || queue.shards[1].ids().first().copied()).await;
    queue.shards[1].enqueue("third@x.example");
    assert_eq!(
        (queue.shards[0].state(first), queue.shards[1].state(second)),
        (Some(State::Sending), Some(State::Queued))
    );
    assert!(second.to_string().ends_with("001"), "{second} says its shard");
    worker.kill_now();
    smtp.rules(Rules::new());
    let _successor = queue.worker(&smtp, &["--concurrency", "1"]);
    smtp.wait_for(3).await;
    let order = recipients(&smtp);
    let at = |to: &str| order.iter().position(|recipient| recipient.starts_with(to)).unwrap();
    assert!(at("second") < at("third"), "{order:?}");
}

#[tokio::test]
async fn a_worker_that_stops_releases_what_it_has_of_every_shard() {
    let (queue, smtp) = (Sharded::start(3), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Mail, Action::Hang));
    let mut worker = queue.worker(&smtp, &["--grace", "200ms"]);
    let ids: Vec<_> = queue.shards.iter().map(|shard| shard.enqueue("a@x.example")).collect();
    smtp.wait_for_stage(Stage::Mail, 1).await;
    let claimed = async || queue.shards.iter().zip(&ids).all(|(shard, id)| shard.state(*id) == Some(State::Sending));
    eventually(DEADLINE, "all to be claimed", claimed).await;
    worker.terminate();
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    for (shard, id) in queue.shards.iter().zip(ids) {
        assert_eq!(shard.state(id), Some(State::Queued));
        let list: Vec<String> = shard.query(redis::cmd("LRANGE").arg(shard.queue.name()).arg(0).arg(-1));
        assert_eq!(list, [id.to_string()]);
    }
    assert_eq!(queue.workers(), [0, 0, 0]);
}

#[tokio::test]
async fn an_idle_worker_of_several_shards_stops_at_once() {
    let (queue, smtp) = (Sharded::start(3), SmtpServer::start().await);
    let mut worker = queue.idle_worker(&smtp, &[]).await;
    worker.terminate();
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    assert_eq!(queue.workers(), [0, 0, 0]);
}

#[tokio::test]
async fn to_drain_the_queue_is_to_drain_all_shards() {
    let (queue, smtp) = (Sharded::start(4), SmtpServer::start().await);
    queue.shards[1].enqueue_many(3, "one.example");
    queue.shards[3].enqueue_many(300, "three.example");
    let mut worker = queue.worker(&smtp, &["--drain", "--concurrency", "2"]);
    assert!(worker.wait(DEADLINE).await.success());
    assert_eq!(recipients(&smtp).len(), 303);
}

#[tokio::test]
async fn a_relay_that_fails_is_held_off_for_all_shards_and_each_goes_on_when_it_works() {
    let (queue, smtp) = (Sharded::start(2), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Connect, Action::Reply(Reply::new(421, "not now"))));
    let hours = ["--retry-base", "1h", "--retry-max", "1h"];
    let mut worker = queue.worker(&smtp, &hours);
    let second = &queue.shards[1];
    let met = second.enqueue("met@x.example");
    eventually(DEADLINE, "the email to wait", async || second.state(met) == Some(State::Delayed)).await;
    let held = |shard: &ShardClient| shard.query::<bool>(redis::cmd("EXISTS").arg(shard.key("held")));
    assert_eq!(queue.shards.iter().map(held).collect::<Vec<_>>(), [true, false], "shard 0 knows it for all");
    let waits = queue.shards[0].enqueue("waits@x.example");
    worker.terminate();
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    assert_eq!(queue.shards[0].state(waits), Some(State::Queued));
    // It need not wait for an hour, nor do those that met the failure.
    smtp.rules(Rules::new());
    let _successor = queue.worker(&smtp, &hours);
    smtp.wait_for(2).await;
    eventually(DEADLINE, "both to be recorded", async || {
        second.state(met) == Some(State::Sent) && queue.shards[0].state(waits) == Some(State::Sent)
    })
    .await;
}

#[tokio::test]
async fn an_email_of_any_shard_that_makes_the_relay_fail_while_others_pass_fails_by_itself() {
    let (queue, smtp) = (Sharded::start(2), SmtpServer::start().await);
    smtp.rules(Rules::new().when(
        |step| step.stage == Stage::Mail && step.sender == "bad@x.example",
        Action::Reply(Reply::new(421, "closing")),
    ));
    let _worker = queue.worker(&smtp, &["--concurrency", "2"]);
    let json = r#"{"from":"bad@x.example","to":["a@x.example"],"subject":"s","text":"t"}"#;
    queue.shards[1].push(json);
    let bad = eventually(DEADLINE, "the email to be known", async || queue.shards[1].ids().first().copied()).await;
    eventually(DEADLINE, "the failure to be its own", async || {
        queue.shards[0].enqueue("good@x.example");
        queue.shards[1].record(bad).and_then(|record| record.class) == Some(Class::Deferred)
    })
    .await;
}

#[tokio::test]
async fn shards_that_cannot_be_are_refused_at_the_start() {
    let queue = Queue::start();
    for (name, count, word) in
        [("emails", "2", "in braces"), ("{emails}", "0", "1 to 4096"), ("{emails}", "4097", "1 to 4096")]
    {
        let mut worker = queue.worker("null:", &["--queue", name, "--shards", count]);
        assert_eq!(worker.wait(DEADLINE).await.code(), Some(64), "{name} {count}");
        assert!(worker.text().contains(word), "{}", worker.text());
    }
    assert_eq!(shards(4096).count(), 4096);
}
