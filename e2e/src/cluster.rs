use std::time::Duration;

use redis::{RedisResult, cmd};
use testkit::{DEADLINE, RedisCluster, RedisServer, SmtpServer, TcpProxy, eventually};
use tokio::{task::block_in_place, time::sleep};

use crate::{Answers, Api, Arrivals, Load, Worker, shard_of, shard_queue};

/// How many shards the queue has: more than there are masters.
const SHARDS: u16 = 4;

const WORKERS: usize = 2;

/// A queue of four shards on a Redis Cluster of three masters with a replica each, the API, two workers and a mail server, while
/// clients post.
///
/// Emails are accepted once a replica has them, so that a fail-over loses none.
pub struct ClusterSystem {
    /// The nodes.
    pub cluster: RedisCluster,
    /// The mail server.
    pub server: SmtpServer,
    /// The clients.
    pub load: Load,
    /// The API.
    pub api: Api,
    /// What clients and replicas of the second master connect through; the cluster's own bus does not.
    pub line: TcpProxy,
    workers: Vec<Worker>,
}

impl ClusterSystem {
    /// Starts everything. Needs a runtime of several threads.
    ///
    /// # Panics
    /// When something does not start.
    pub async fn start() -> Self {
        let mut cluster = block_in_place(|| RedisCluster::start(3, 1));
        // The manifest names all nodes, also those that come later.
        block_in_place(|| cluster.start_spares(2));
        let server = SmtpServer::start().await;
        let variables = [("queue", "{emails}"), ("shards", &SHARDS.to_string()), ("require_replicas", "1")];
        let line = line_to(&cluster, 1).await;
        let all = cluster.nodes().iter().chain(cluster.spares()).map(RedisServer::address).chain([line.address()]);
        let api = Api::start_on(&cluster.nodes()[0], all, &variables).await;
        let load = Load::start(&api);
        let mut system = Self { cluster, server, load, api, line, workers: Vec::new() };
        system.workers = (0..WORKERS).map(|nth| system.worker(nth)).collect();
        system
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards() -> u16 {
        SHARDS
    }

    /// Kills a worker, and starts another.
    pub fn kill_worker(&mut self, nth: usize) {
        self.workers[nth % WORKERS].process.kill_now();
        self.workers[nth % WORKERS] = self.worker(nth % WORKERS);
    }

    /// Kills the master of a shard, waits until its replica has taken its place, and starts it again as the replica.
    ///
    /// # Panics
    /// When that does not come.
    pub fn kill_master_of(&mut self, shard: u16) {
        block_in_place(|| {
            let master = self.cluster.master_of(&shard_queue(shard));
            self.cluster.node_mut(master).kill_now();
            self.cluster.wait_for_fail_over(&shard_queue(shard), master);
            self.cluster.node_mut(master).start_again();
            self.cluster.wait_until_ready();
        });
    }

    /// Freezes the master of a shard, waits until its replica has taken its place, and resumes it.
    ///
    /// # Panics
    /// When that does not come.
    pub fn freeze_master_of(&mut self, shard: u16) {
        block_in_place(|| {
            let master = self.cluster.master_of(&shard_queue(shard));
            self.cluster.nodes()[master].freeze();
            self.cluster.wait_for_fail_over(&shard_queue(shard), master);
            self.cluster.nodes()[master].thaw();
            self.cluster.wait_until_ready();
        });
    }

    /// Moves a shard to another master, some keys at a time, so that for a while it is on both.
    ///
    /// # Panics
    /// When a node refuses.
    pub async fn move_shard(&self, shard: u16, to: usize) {
        let moving = block_in_place(|| self.cluster.begin_move(&shard_queue(shard), to));
        for _ in 0..10 {
            block_in_place(|| moving.move_keys(3));
            sleep(Duration::from_millis(20)).await;
        }
        block_in_place(|| moving.finish());
    }

    /// The number of a master that does not serve this shard.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn another_master_than_of(&self, shard: u16) -> usize {
        let (its, masters) = block_in_place(|| (self.cluster.master_of(&shard_queue(shard)), self.cluster.masters()));
        let others: Vec<_> = masters.into_iter().filter(|other| *other != its).collect();
        // In turn, so that not all shards come to one.
        *others.get(usize::from(shard) % others.len().max(1)).unwrap_or_else(|| panic!("node {its} is the only master"))
    }

    /// Ends the load, waits until all that was accepted is sent, and checks that it has arrived.
    ///
    /// # Panics
    /// When an email is lost.
    pub async fn assert_nothing_lost(self) -> (Answers, Arrivals) {
        let Self { cluster, server, load, api: _api, line: _line, workers: _workers } = self;
        let answers = load.stop().await;
        block_in_place(|| cluster.wait_until_ready());
        eventually(DEADLINE, "all accepted emails to be sent", async || {
            answers.accepted.iter().all(|id| block_in_place(|| is_sent(&cluster, id)) == Ok(true))
        })
        .await;
        let arrivals = Arrivals::new(server.received());
        arrivals.assert_all(&answers.accepted);
        (answers, arrivals)
    }

    /// At a node of its own, so that each finds all others by itself.
    fn worker(&self, nth: usize) -> Worker {
        let flags = ["--queue", "{emails}", "--shards", &SHARDS.to_string()];
        Worker::start(&self.cluster.nodes()[nth].url(), &self.server.url(), &flags)
    }
}

/// Lets a node name the port of a proxy as its own, and waits until all others do so too.
async fn line_to(cluster: &RedisCluster, node: usize) -> TcpProxy {
    let line = TcpProxy::start(cluster.nodes()[node].address()).await;
    let port = line.address().port();
    let mut set = cmd("CONFIG");
    set.arg("SET").arg("cluster-announce-port").arg(port);
    let set = set.exec(&mut cluster.nodes()[node].connection());
    set.unwrap_or_else(|error| panic!("a node cannot be given another port: {error}"));
    let known = format!(":{port}@");
    eventually(DEADLINE, "all nodes to name the proxy", async || {
        cluster.nodes().iter().all(|node| {
            let nodes = cmd("CLUSTER").arg("NODES").query::<String>(&mut node.connection());
            nodes.is_ok_and(|nodes| nodes.contains(&known))
        })
    })
    .await;
    line
}

/// Whether an email is sent, by its record, at any master.
fn is_sent(cluster: &RedisCluster, id: &str) -> RedisResult<bool> {
    let queue = shard_queue(shard_of(id));
    let mut redis = cluster.nodes()[cluster.master_of(&queue)].connection();
    let header: String = cmd("GETRANGE").arg(format!("{queue}:email:{id}")).arg(0).arg(8).query(&mut redis)?;
    Ok(header.starts_with("sent "))
}
