//! A Redis Cluster for one test.
//! <https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/>

use std::net::SocketAddr;
use std::time::Duration;

use redis::{FromRedisValue, cmd};

use crate::ports::free_port;
use crate::redis_server::{RedisServer, RedisServerBuilder};
use crate::wait::{DEADLINE, eventually};

/// How long a node does not answer until the others hold that it is down, in ms. Half a second later its replica is promoted.
const NODE_TIMEOUT: &str = "1000";

const SLOTS: usize = 16384;

/// Servers that are one Redis Cluster, all on 127.0.0.1. Needs Redis 7 or Valkey.
///
/// Dropping it kills them.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
    /// The ids of the nodes.
    ids: Vec<String>,
    /// Nodes that have not joined.
    spares: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts so many masters, which share the slots, and so many replicas of each, and waits until all agree.
    ///
    /// The masters are the first nodes. The replicas follow, first one of each master.
    ///
    /// # Panics
    /// When the cluster does not get ready.
    pub fn start(masters: usize, replicas_of_each: usize) -> Self {
        Self::start_with(masters, replicas_of_each, RedisServer::builder())
    }

    /// The same with other options for each server.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with(masters: usize, replicas_of_each: usize, options: RedisServerBuilder) -> Self {
        let count = masters * (1 + replicas_of_each);
        let nodes: Vec<_> = std::thread::scope(|scope| {
            let starting: Vec<_> = (0..count).map(|_| scope.spawn(|| start_node(options.clone()))).collect();
            starting.into_iter().map(|node| node.join().unwrap_or_else(|_| panic!("a node does not start"))).collect()
        });
        let ids = nodes.iter().map(id).collect();
        let cluster = Self { nodes, ids, spares: Vec::new() };
        for (number, node) in cluster.nodes.iter().enumerate() {
            ask::<()>(node, &["SET-CONFIG-EPOCH", &(number + 1).to_string()]);
            if number < masters {
                let (first, next) = (SLOTS * number / masters, SLOTS * (number + 1) / masters);
                ask::<()>(node, &["ADDSLOTSRANGE", &first.to_string(), &(next - 1).to_string()]);
            }
            cluster.meet(node);
        }
        for node in &cluster.nodes {
            eventually(DEADLINE, "a node that knows all others", || {
                info(node).contains(&format!("cluster_known_nodes:{count}"))
            });
        }
        for (number, replica) in cluster.nodes.iter().enumerate().skip(masters) {
            ask::<()>(replica, &["REPLICATE", &cluster.ids[number % masters]]);
        }
        cluster.wait_until_ready();
        cluster
    }

    /// The URL of the first node.
    pub fn url(&self) -> String {
        self.nodes[0].url()
    }

    /// All nodes, those that were killed included.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// A node, to be killed or started again.
    pub fn node_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.nodes[number]
    }

    /// Starts nodes that are added later, so that their addresses are known before.
    ///
    /// # Panics
    /// When one does not start.
    pub fn start_spares(&mut self, count: usize) {
        self.spares.extend((0..count).map(|_| start_node(RedisServer::builder())));
    }

    /// Those that have not been added.
    pub fn spares(&self) -> &[RedisServer] {
        &self.spares
    }

    /// Adds a master without slots, and so many replicas of it, and returns the number of the master.
    ///
    /// # Panics
    /// When the others do not take them in.
    pub fn add_master(&mut self, replicas: usize) -> usize {
        let master = self.add_node();
        for _ in 0..replicas {
            let replica = self.add_node();
            ask::<()>(&self.nodes[replica], &["REPLICATE", &self.ids[master]]);
        }
        self.wait_until_ready();
        master
    }

    fn add_node(&mut self) -> usize {
        let node = self.spares.pop().unwrap_or_else(|| start_node(RedisServer::builder()));
        self.meet(&node);
        let its_id = id(&node);
        self.nodes.push(node);
        self.ids.push(its_id.clone());
        for other in self.answering() {
            eventually(DEADLINE, "all nodes to know the new one, and it all others", || {
                let known = format!("cluster_known_nodes:{}", self.nodes.len());
                ask::<String>(other, &["NODES"]).contains(&its_id) && info(other).contains(&known)
            });
        }
        self.nodes.len() - 1
    }

    /// Waits until every node that answers finds the cluster well, and every replica has what its master has.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_until_ready(&self) {
        for node in self.answering() {
            eventually(DEADLINE, "a cluster that is well", || {
                let in_step = replication(node).is_some_and(|info| !info.contains("master_link_status:down"));
                in_step && info(node).contains("cluster_state:ok")
            });
        }
    }

    /// The number of the master that serves the slot of this key, as the other nodes see it. With a key like `{emails:1}` that is
    /// the master of a queue.
    ///
    /// # Panics
    /// When no node serves it.
    pub fn master_of(&self, key: &str) -> usize {
        let Some(node) = self.answering().next() else { panic!("no node of the cluster answers") };
        let slot: usize = ask(node, &["KEYSLOT", key]);
        let number = served(node, slot).and_then(|master| self.ids.iter().position(|id| *id == master));
        number.unwrap_or_else(|| panic!("no node serves slot {slot}"))
    }

    /// The numbers of all masters that answer.
    pub fn masters(&self) -> Vec<usize> {
        let is_master = |node: &RedisServer| replication(node).is_some_and(|info| info.contains("role:master"));
        (0..self.nodes.len()).filter(|number| is_master(&self.nodes[*number])).collect()
    }

    /// The number of a replica of a master, as that replica sees it.
    ///
    /// # Panics
    /// When it has none.
    pub fn replica_of(&self, master: usize) -> usize {
        // Of each node `ID ADDRESS FLAGS MASTER …`, where MASTER is `-` for a master.
        let is_its = |node: &RedisServer| {
            let nodes: String = ask(node, &["NODES"]);
            let myself = nodes.lines().map(|line| line.split(' ').collect::<Vec<_>>());
            myself.filter(|line| line[2].contains("myself")).any(|line| line[3] == self.ids[master])
        };
        let found = (0..self.nodes.len()).find(|number| answers(&self.nodes[*number]) && is_its(&self.nodes[*number]));
        found.unwrap_or_else(|| panic!("no replica of node {master}"))
    }

    /// Waits until another node than this one serves the slot of a key, and returns its number.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_for_fail_over(&self, key: &str, from: usize) -> usize {
        let mut master = from;
        eventually(DEADLINE, "a replica that was promoted", || {
            master = self.master_of(key);
            master != from && replication(&self.nodes[master]).is_some_and(|info| info.contains("role:master"))
        });
        master
    }

    /// Begins to move the slot of a key to another master. Meanwhile the old one answers `ASK` for keys that it does not have.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn begin_move(&self, key: &str, to: usize) -> SlotMove<'_> {
        let from = self.master_of(key);
        let slot = ask::<usize>(&self.nodes[from], &["KEYSLOT", key]).to_string();
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        ask::<()>(target, &["SETSLOT", &slot, "IMPORTING", &self.ids[from]]);
        ask::<()>(source, &["SETSLOT", &slot, "MIGRATING", &self.ids[to]]);
        SlotMove { cluster: self, slot, source, target, target_id: &self.ids[to] }
    }

    /// Moves the slot of a key to another master, as `redis-cli --cluster reshard` does.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn move_slot(&self, key: &str, to: usize) {
        self.begin_move(key, to).finish();
    }

    fn meet(&self, node: &RedisServer) {
        let first = &self.nodes[0];
        if node.port() != first.port() {
            let bus: Vec<String> =
                cmd("CONFIG").arg("GET").arg("cluster-port").query(&mut first.connection()).unwrap_or_default();
            let bus = bus.last().cloned().unwrap_or_default();
            ask::<()>(node, &["MEET", "127.0.0.1", &first.port().to_string(), &bus]);
        }
    }

    fn answering(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| answers(node))
    }
}

/// A slot on its way from one master to another.
#[derive(Debug)]
pub struct SlotMove<'a> {
    cluster: &'a RedisCluster,
    slot: String,
    source: &'a RedisServer,
    target: &'a RedisServer,
    target_id: &'a str,
}

impl SlotMove<'_> {
    /// Moves up to so many keys, and returns whether any was left to move.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn move_keys(&self, count: usize) -> bool {
        let keys: Vec<Vec<u8>> = ask(self.source, &["GETKEYSINSLOT", &self.slot, &count.to_string()]);
        let SocketAddr::V4(target) = self.target.address() else { return false };
        for key in &keys {
            let mut migrate = cmd("MIGRATE");
            migrate.arg(target.ip().to_string()).arg(target.port()).arg(key).arg(0).arg(5000);
            let moved: redis::RedisResult<String> = migrate.query(&mut self.source.connection());
            moved.unwrap_or_else(|error| panic!("a key cannot be moved: {error}"));
        }
        !keys.is_empty()
    }

    /// Moves all that is left, and makes the new master the one that serves the slot.
    ///
    /// # Panics
    /// When a node refuses.
    pub fn finish(self) {
        while self.move_keys(100) {}
        // The new master takes an epoch above all that it knows of. If it did not know the highest, a late message of the old one
        // would win.
        let highest = self.cluster.answering().map(|node| epoch(node, "my")).max();
        eventually(DEADLINE, "the highest epoch to be known", || Some(epoch(self.target, "current")) >= highest);
        // The new master first, so that at no time two nodes name each other.
        for node in [self.target, self.source].into_iter().chain(self.cluster.answering()) {
            let mut setslot = cmd("CLUSTER");
            setslot.arg("SETSLOT").arg(&self.slot).arg("NODE").arg(self.target_id);
            // Replicas refuse it, and hear it from their master.
            let _: redis::RedisResult<()> = setslot.exec(&mut node.connection());
        }
        let slot: usize = self.slot.parse().unwrap_or_default();
        for node in self.cluster.answering() {
            eventually(DEADLINE, "a node that knows who serves the slot", || {
                served(node, slot).is_some_and(|master| master == self.target_id)
            });
        }
    }
}

fn start_node(options: RedisServerBuilder) -> RedisServer {
    options
        .setting("cluster-enabled", "yes")
        // By default it is a port that may belong to another test.
        .setting("cluster-port", free_port().to_string())
        .setting("cluster-node-timeout", NODE_TIMEOUT)
        .setting("cluster-replica-validity-factor", "0")
        .setting("cluster-require-full-coverage", "no")
        .setting("cluster-allow-replica-migration", "no")
        .setting("repl-diskless-sync-delay", "0")
        .start()
}

fn ask<T: FromRedisValue>(node: &RedisServer, arguments: &[&str]) -> T {
    let answer = cmd("CLUSTER").arg(arguments).query(&mut node.connection());
    answer.unwrap_or_else(|error| panic!("CLUSTER {arguments:?}: {error}"))
}

fn info(node: &RedisServer) -> String {
    ask(node, &["INFO"])
}

/// What a node says of its replication; `None` when it does not answer, because it was killed or is frozen.
fn replication(node: &RedisServer) -> Option<String> {
    let mut connection = node.try_connection(Duration::from_secs(1)).ok()?;
    cmd("INFO").arg("replication").query(&mut connection).ok()
}

fn answers(node: &RedisServer) -> bool {
    replication(node).is_some()
}

fn epoch(node: &RedisServer, which: &str) -> u64 {
    let field = format!("cluster_{which}_epoch:");
    let info = info(node);
    let number = info.lines().find_map(|line| line.strip_prefix(&field)?.trim().parse().ok());
    number.unwrap_or_else(|| panic!("CLUSTER INFO has no {field}"))
}

fn id(node: &RedisServer) -> String {
    ask(node, &["MYID"])
}

/// The id of the node that serves a slot, as another node sees it.
fn served(node: &RedisServer, slot: usize) -> Option<String> {
    // Of each range: first slot, last slot, master, replicas; of each node: host, port, id.
    let ranges: Vec<Vec<redis::Value>> = ask(node, &["SLOTS"]);
    ranges.into_iter().find_map(|range| {
        let mut range = range.into_iter();
        let mut number = || usize::from_redis_value(range.next()?).ok();
        let (first, last) = (number()?, number()?);
        let master = Vec::<redis::Value>::from_redis_value(range.next()?).ok()?;
        let is_its = (first..=last).contains(&slot);
        master.into_iter().nth(2).filter(|_| is_its).and_then(|id| String::from_redis_value(id).ok())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_moves_and_a_replica_is_promoted() {
        let mut cluster = RedisCluster::start(3, 1);
        let key = "{emails:1}:email:1";
        let master = cluster.master_of(key);
        cmd("SET").arg(key).arg("kept").exec(&mut cluster.nodes()[master].connection()).unwrap();

        let to = (master + 1) % 3;
        let moving = cluster.begin_move(key, to);
        let get = |node: usize| cmd("GET").arg(key).query::<String>(&mut cluster.nodes()[node].connection());
        assert_eq!(get(master).unwrap(), "kept");
        assert!(moving.move_keys(1) && !moving.move_keys(1));
        assert!(get(master).unwrap_err().to_string().to_lowercase().contains("ask"));
        moving.finish();
        assert_eq!(get(to).unwrap(), "kept");
        assert!(get(master).unwrap_err().to_string().to_lowercase().contains("moved"));

        let replica = cluster.replica_of(to);
        eventually(DEADLINE, "the replica to have the key", || {
            cmd("WAIT").arg(1).arg(100).query::<usize>(&mut cluster.nodes()[to].connection()).is_ok_and(|got| got == 1)
        });
        cluster.node_mut(to).kill_now();
        assert_eq!(cluster.wait_for_fail_over(key, to), replica);
        let kept: String = cmd("GET").arg(key).query(&mut cluster.nodes()[replica].connection()).unwrap();
        assert_eq!(kept, "kept");
    }

    #[test]
    fn a_master_is_added() {
        let mut cluster = RedisCluster::start(1, 0);
        let added = cluster.add_master(1);
        cluster.move_slot("{emails}", added);
        assert_eq!(cluster.master_of("{emails}"), added);
        assert_eq!(cluster.replica_of(added), added + 1);
    }
}
