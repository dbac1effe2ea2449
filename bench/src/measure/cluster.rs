//! What an email costs in a queue of several shards, each on a node of its own of a Redis Cluster.

use std::fmt;
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

/// How many emails a second are put in.
#[derive(Clone, Copy)]
enum Load {
    /// So many into each shard: what a queue costs that grows with its load.
    OfEachShard(u64),
    /// So many into all shards together: what it costs to have more shards than the load needs.
    OfAllShards(u64),
}

const LOADS: [Load; 2] = [Load::OfEachShard(400), Load::OfAllShards(2_000)];

/// How many emails in a row go to the same shard, so that each shard sees the same, however many there are.
const PIECE: u64 = 2;

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
    let (turns, seconds) = (bench.pick(5, 1), bench.pick(5, 3));
    let idle = idle(&cluster, Duration::from_secs(seconds))?;
    for load in LOADS {
        for queue in &mut queues {
            queue.costs.clear();
        }
        for turn in 1..=turns {
            bench.say(&format!("cluster: {load} for {seconds} s each, turn {turn} of {turns}"));
            for queue in &mut queues {
                let cost = queue.take_turn(&cluster, &idle, load, Duration::from_secs(seconds))?;
                queue.costs.push(cost);
            }
        }
        show(rows, load, &queues);
    }
    for queue in &queues {
        let memory = queue.worker.usage()?.peak_rss as f64 / 1e6;
        rows.push(Row::new(format!("memory of the worker, {}", queue.name()), memory, "MB"));
    }
    Ok(())
}

fn show(rows: &mut Vec<Row>, load: Load, queues: &[QueueOfShards]) {
    let of = |queue: &QueueOfShards, part: fn(&Cost) -> f64| median(&queue.costs.iter().map(part).collect::<Vec<_>>());
    for (what, unit, part, has_target) in [
        ("CPU of all nodes", "us", (|cost| cost.nodes) as fn(&Cost) -> f64, true),
        ("CPU of the busiest node", "us", |cost| cost.busiest, false),
        ("CPU of the worker", "us", |cost| cost.worker, true),
        ("network of all nodes", "bytes", |cost| cost.network, false),
    ] {
        for queue in queues {
            let row = Row::new(format!("{what} per email, {}, {load}", queue.name()), of(queue, part), unit);
            if queue.shards.count() == 1 {
                rows.push(row);
                continue;
            }
            let row = row.over(of(&queues[0], part), "one shard");
            let is_held_to_it = has_target && matches!(load, Load::OfEachShard(_));
            rows.push(if is_held_to_it { row.target(Target::AtMost(1.1)) } else { row });
        }
    }
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

    /// `idle` is what each node uses in a second without emails.
    fn take_turn(&mut self, cluster: &RedisCluster, idle: &[f64], load: Load, time: Duration) -> anyhow::Result<Cost> {
        let began = Instant::now();
        let sent = self.sent()?;
        let (nodes, network, worker) = (cpu_of_nodes(cluster)?, network_of_nodes(cluster)?, self.worker.usage()?.cpu);
        let emails = self.put_in(load, time)?;
        let put_in = Instant::now();
        while self.sent()? < sent + emails {
            self.worker.check()?;
            ensure!(put_in.elapsed() < SEND_LIMIT, "{} are not emptied in time", self.name());
            thread::sleep(TICK);
        }
        let worker = self.worker.usage()?.cpu - worker;
        let seconds = began.elapsed().as_secs_f64();
        let used: Vec<_> = cpu_of_nodes(cluster)?
            .iter()
            .zip(nodes)
            .zip(idle)
            .map(|((after, before), idle)| after - before - idle * seconds)
            .collect();
        let each = |seconds: f64| seconds * 1e6 / emails as f64;
        Ok(Cost {
            nodes: each(used.iter().sum()),
            busiest: each(used.iter().copied().fold(0.0, f64::max)),
            worker: each(worker.as_secs_f64()),
            network: (network_of_nodes(cluster)? - network) / emails as f64,
        })
    }

    /// Puts emails in, one a call, and returns how many.
    fn put_in(&self, load: Load, time: Duration) -> anyhow::Result<u64> {
        let a_second = match load {
            Load::OfEachShard(emails) => emails * u64::from(self.shards.count()),
            Load::OfAllShards(emails) => emails,
        };
        let (began, mut emails) = (Instant::now(), 0);
        while began.elapsed() < time {
            let due = (began.elapsed().as_secs_f64() * a_second as f64) as u64;
            while emails < due {
                self.clients[(emails / PIECE) as usize % self.clients.len()].enqueue_one(emails)?;
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

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Load::OfEachShard(emails) => write!(f, "{emails} emails/s to each shard"),
            Load::OfAllShards(emails) => write!(f, "{emails} emails/s to all together"),
        }
    }
}

/// Seconds of CPU that each node uses in a second without emails, for its cluster and for workers that wait.
fn idle(cluster: &RedisCluster, time: Duration) -> anyhow::Result<Vec<f64>> {
    let before = cpu_of_nodes(cluster)?;
    thread::sleep(time);
    let used = cpu_of_nodes(cluster)?.into_iter().zip(before).map(|(after, before)| after - before);
    Ok(used.map(|used| used / time.as_secs_f64()).collect())
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
