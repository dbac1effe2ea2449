//! A queue whose shards are on the nodes of a Redis Cluster: nodes that die, are silent, and hand over what they serve.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::{collections::HashMap, process::Command, time::Duration};

use common::shards::{ShardClient, shards};
use email_queue::{EmailId, Shard, Shards, State};
use testkit::{Action, DEADLINE, Process, RedisCluster, Rules, SmtpServer, Stage, eventually};
use tokio::task::block_in_place;

struct Clustered {
    cluster: RedisCluster,
    shards: Shards,
}

impl Clustered {
    /// As many shards as there have to be for each of three masters to serve some.
    fn start(replicas_of_each: usize) -> Self {
        let cluster = block_in_place(|| RedisCluster::start(3, replicas_of_each));
        let queue = Self { cluster, shards: shards(6) };
        assert!((0..3).all(|node| queue.on(node).next().is_some()), "a master without a shard");
        queue
    }

    /// The shards that a node serves.
    fn on(&self, node: usize) -> impl Iterator<Item = Shard> {
        self.shards.all().filter(move |shard| self.master(*shard) == node)
    }

    fn master(&self, shard: Shard) -> usize {
        self.cluster.master_of(self.shards.queue(shard).name())
    }

    /// A client of the master of a shard.
    fn client(&self, shard: Shard) -> ShardClient {
        ShardClient::new(self.cluster.nodes()[self.master(shard)].connection(), &self.shards, shard)
    }

    /// Clients of all shards, but for those of a node.
    fn clients_without(&self, node: Option<usize>) -> Vec<ShardClient> {
        let shards = self.shards.all().filter(|shard| Some(self.master(*shard)) != node);
        shards.map(|shard| self.client(shard)).collect()
    }

    fn worker(&self, smtp: &SmtpServer, flags: &[&str]) -> Process {
        let mut command = Command::new(env!("CARGO_BIN_EXE_native-worker"));
        let count = self.shards.count().to_string();
        // The last node is a replica, or has no part in what the tests do.
        let url = self.cluster.nodes().last().unwrap().url();
        command.env_clear().env("EMAIL_QUEUE_REDIS_URL", url).args(["--queue", "{emails}", "--shards", &count]);
        command.args(["--transport", &smtp.url(), "--retry-base", "10ms", "--retry-max", "50ms"]).args(flags);
        Process::start(command)
    }

    async fn ready(&self, smtp: &SmtpServer, flags: &[&str]) -> Process {
        let worker = self.worker(smtp, flags);
        worker.wait_for_line(|line| line.contains("ready")).await;
        worker
    }
}

/// Enqueues so many emails in each of these shards, and waits until they have arrived.
async fn deliver(clients: &[ShardClient], each: usize, to: &str, smtp: &SmtpServer) {
    for _ in 0..each {
        for client in clients {
            client.enqueue(to);
        }
    }
    wait_for(smtp, each * clients.len(), to).await;
}

/// Waits until so many emails to this recipient have arrived.
async fn wait_for(smtp: &SmtpServer, count: usize, to: &str) {
    let is_for = |recipients: &[String]| recipients.iter().any(|recipient| recipient == to);
    smtp.wait_until(|received| received.iter().filter(|email| is_for(&email.recipients)).count() >= count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_master_is_killed_the_others_go_on_and_its_shards_continue_at_the_replica() {
    let (mut queue, smtp) = (Clustered::start(1), SmtpServer::start().await);
    let worker = queue.ready(&smtp, &[]).await;
    deliver(&queue.clients_without(None), 1, "before@x.example", &smtp).await;
    // That of shard 0, which has the state of relays.
    let killed = queue.master(Shard::FIRST);
    let others = queue.clients_without(Some(killed));
    let lost: Vec<_> = queue.on(killed).map(|shard| queue.client(shard)).collect();
    for client in &lost {
        client.enqueue("waits@x.example");
        assert_eq!(client.query::<u64>(redis::cmd("WAIT").arg(1).arg(5000)), 1);
    }
    queue.cluster.node_mut(killed).kill_now();
    deliver(&others, 5, "meanwhile@x.example", &smtp).await;
    block_in_place(|| queue.cluster.wait_for_fail_over("{emails}", killed));
    wait_for(&smtp, lost.len(), "waits@x.example").await;
    deliver(&queue.clients_without(None), 1, "after@x.example", &smtp).await;
    let new = |line: &str| line.contains("serves the queue now") && line.contains("queue=\"{emails}\"");
    worker.wait_for_line(new).await;
    let unreachable = |text: &str| text.matches("Redis is unreachable").count();
    assert_eq!(unreachable(&worker.text()), 1, "the shards of a node that dies say so once");
    for client in queue.clients_without(None) {
        let sent = async || client.ids().into_iter().all(|id| client.state(id) == Some(State::Sent));
        eventually(DEADLINE, "all to be recorded", sent).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_node_holds_up_no_other_and_a_slot_moves_while_emails_flow() {
    let (queue, smtp) = (Clustered::start(0), SmtpServer::start().await);
    a_silent_node(&queue, &smtp).await;
    a_slot_that_moves(&queue, &smtp).await;
}

/// Its emails hold all permits when it goes silent.
async fn a_silent_node(queue: &Clustered, smtp: &SmtpServer) {
    let silent = queue.master(Shard::FIRST);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let mut worker = queue.ready(smtp, &["--concurrency", "2"]).await;
    let (client, others) = (queue.client(Shard::FIRST), queue.clients_without(Some(silent)));
    let in_flight = [(); 2].map(|()| client.enqueue("silent@x.example"));
    smtp.wait_for_stage(Stage::EndOfData, 2).await;
    let waiting = client.enqueue("silent@x.example");
    queue.cluster.nodes()[silent].freeze();
    smtp.release();
    smtp.rules(Rules::new());
    deliver(&others, 20, "others@x.example", smtp).await;
    // Another worker starts without that node.
    let second = queue.ready(smtp, &[]).await;
    deliver(&others, 1, "without@x.example", smtp).await;
    queue.cluster.nodes()[silent].thaw();
    wait_for(smtp, 3, "silent@x.example").await;
    second.wait_for_line(|line| line.contains("this shard is served now")).await;
    for id in [in_flight.as_slice(), &[waiting]].concat() {
        eventually(DEADLINE, "all to be recorded", async || client.state(id) == Some(State::Sent)).await;
    }
    worker.terminate();
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    block_in_place(|| queue.cluster.wait_until_ready());
}

async fn a_slot_that_moves(queue: &Clustered, smtp: &SmtpServer) {
    let _worker = queue.ready(smtp, &["--pop-grace", "1s"]).await;
    let shard = queue.on(1).next().unwrap();
    let name = queue.shards.queue(shard).name().to_owned();
    let mut ids: Vec<EmailId> = Vec::new();
    for to in [2, 1] {
        let client = queue.client(shard);
        ids.extend((0..300).map(|_| client.enqueue("moved@x.example")));
        block_in_place(|| {
            let moving = queue.cluster.begin_move(&name, to);
            while moving.move_keys(20) {
                std::thread::sleep(Duration::from_millis(5));
            }
            moving.finish();
        });
        let client = queue.client(shard);
        ids.extend((0..20).map(|_| client.enqueue("moved@x.example")));
        let sent = async || ids.iter().all(|id| client.state(*id) == Some(State::Sent));
        eventually(DEADLINE, "all to be sent, wherever the slot is", sent).await;
    }
    let mut arrived: HashMap<_, usize> = HashMap::new();
    for email in smtp.received() {
        let message = String::from_utf8_lossy(&email.data).into_owned();
        let id = message.lines().find(|line| line.starts_with("Message-ID")).map(str::to_owned);
        *arrived.entry((id, email.recipients)).or_default() += 1;
    }
    let twice: Vec<_> = arrived.into_iter().filter(|(_, count)| *count > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
}
