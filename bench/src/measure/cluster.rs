//! What an email costs in a queue of several shards, each on a node of its own of a Redis Cluster.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::ensure;
use email_queue::Shards;
use harness::{RedisCluster, RedisServer};

use crate::bench::Bench;
use crate::queue::Client;
use crate::redis_server::{self, Info};
use crate::report::{Row, Target};
use crate::samples::median;
use crate::worker::{Log, Worker};

const NODES: usize = 6;

/// How many shards the queues have. Each queue is emptied by one worker.
const COUNTS: [u16; 4] = [1, 2, 3, 6];

/// Emails a second, whatever the number of shards.
const LOAD: u64 = 2_000;

/// How often emails are put in.
const TICK: Duration = Duration::from_millis(5);

const SEND_LIMIT: Duration = Duration::from_secs(60);

/// What a queue has used in a turn for each email: microseconds of CPU, and bytes to and from all nodes.
struct Cost {
    nodes: f64,
    busiest: f64,
    worker: f64,
    network: f64,
}

/// The counts take turns, so that a slow moment of the machine affects all.
pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let options = RedisServer::builder().program(&bench.programs.redis_server).within(&bench.directory);
    let cluster = RedisCluster::start_with(NODES, 0, options.without_persistence());
    let mut queues =
        COUNTS.iter().map(|count| QueueOfShards::start(bench, &cluster, *count)).collect::<anyhow::Result<Vec<_>>>()?;
    let (turns, seconds) = (bench.pick(5, 1), bench.pick(8, 3));
    for turn in 1..=turns {
        bench.say(&format!("cluster: {LOAD} emails/s for {seconds} s each, turn {turn} of {turns}"));
        for queue in &mut queues {
            let cost = queue.take_turn(&cluster, Duration::from_secs(seconds))?;
            queue.costs.push(cost);
        }
    }
    let of = |queue: &QueueOfShards, part: fn(&Cost) -> f64| median(&queue.costs.iter().map(part).collect::<Vec<_>>());
    for (what, part, target) in [
        ("CPU of all nodes", (|cost| cost.nodes) as fn(&Cost) -> f64, Some(Target::AtMost(1.1))),
        ("CPU of the busiest node", |cost| cost.busiest, None),
        ("CPU of the worker", |cost| cost.worker, None),
    ] {
        for queue in &queues {
            let row = Row::new(format!("{what} per email, {}", queue.name()), of(queue, part), "us");
            let row = if queue.shards.count() == 1 { row } else { row.over(of(&queues[0], part), "one shard") };
            rows.push(match target.filter(|_| queue.shards.count() > 1) {
                Some(target) => row.target(target),
                None => row,
            });
        }
    }
    for queue in &queues {
        let network = of(queue, |cost| cost.network);
        rows.push(Row::new(format!("network of all nodes per email, {}", queue.name()), network, "bytes"));
        let memory = queue.worker.usage()?.peak_rss as f64 / 1e6;
        rows.push(Row::new(format!("memory of the worker, {}", queue.name()), memory, "MB"));
    }
    Ok(())
}

/// A queue, its worker, and a client for each of its shards.
struct QueueOfShards {
    shards: Shards,
    worker: Worker,
    clients: Vec<Client>,
    costs: Vec<Cost>,
}

impl QueueOfShards {
    fn start(bench: &Bench<'_>, cluster: &RedisCluster, count: u16) -> anyhow::Result<QueueOfShards> {
        let name = format!("{{bench-{count}}}");
        let shards = Shards::new(name.parse()?, count)?;
        let mut clients = Vec::new();
        for shard in shards.all() {
            let (queue, node) = (shards.queue(shard), usize::from(shard.number()));
            if cluster.master_of(queue.name()) != node {
                cluster.move_slot(queue.name(), node);
            }
            clients.push(Client::of(&cluster.nodes()[node], queue)?);
        }
        let flags = ["--queue", &name, "--shards", &count.to_string()];
        let worker = Worker::start_with(bench, &cluster.url(), "null:", Log::Warnings, &flags)?;
        Ok(QueueOfShards { shards, worker, clients, costs: Vec::new() })
    }

    fn name(&self) -> String {
        match self.shards.count() {
            1 => "one shard".to_owned(),
            count => format!("{count} shards"),
        }
    }

    fn take_turn(&mut self, cluster: &RedisCluster, time: Duration) -> anyhow::Result<Cost> {
        let sent = self.sent()?;
        let (nodes, network, worker) = (cpu_of_nodes(cluster)?, network_of_nodes(cluster)?, self.worker.usage()?.cpu);
        let emails = self.put_in(time)?;
        let began = Instant::now();
        while self.sent()? < sent + emails {
            self.worker.check()?;
            ensure!(began.elapsed() < SEND_LIMIT, "{} are not emptied in time", self.name());
            thread::sleep(TICK);
        }
        let worker = self.worker.usage()?.cpu - worker;
        let used: Vec<_> = cpu_of_nodes(cluster)?.iter().zip(nodes).map(|(after, before)| after - before).collect();
        let each = |seconds: f64| seconds * 1e6 / emails as f64;
        Ok(Cost {
            nodes: each(used.iter().sum()),
            busiest: each(used.iter().copied().fold(0.0, f64::max)),
            worker: each(worker.as_secs_f64()),
            network: (network_of_nodes(cluster)? - network) / emails as f64,
        })
    }

    /// Puts emails in at the fixed load, one a call, and returns how many.
    fn put_in(&self, time: Duration) -> anyhow::Result<u64> {
        let (began, mut emails) = (Instant::now(), 0);
        while began.elapsed() < time {
            let due = (began.elapsed().as_secs_f64() * LOAD as f64) as u64;
            while emails < due {
                self.clients[emails as usize % self.clients.len()].enqueue_one(emails)?;
                emails += 1;
            }
            thread::sleep(TICK);
        }
        Ok(emails)
    }

    fn sent(&self) -> anyhow::Result<u64> {
        self.clients.iter().map(Client::sent).sum()
    }
}

/// Seconds so far, node by node.
fn cpu_of_nodes(cluster: &RedisCluster) -> anyhow::Result<Vec<f64>> {
    let cpu = |node: &RedisServer| Info::read(&mut redis_server::connect(node)?, "cpu")?.cpu_seconds();
    cluster.nodes().iter().map(cpu).collect()
}

/// Bytes so far, in and out, of all nodes; those between the nodes are not among them.
fn network_of_nodes(cluster: &RedisCluster) -> anyhow::Result<f64> {
    let mut bytes = 0.0;
    for node in cluster.nodes() {
        let info = Info::read(&mut redis_server::connect(node)?, "stats")?;
        bytes += info.number("total_net_input_bytes")? + info.number("total_net_output_bytes")?;
    }
    Ok(bytes)
}
