//! The nodes of Redis that a worker knows: one, or those of a cluster.
//!
//! A worker has a connection of each kind to a node, whatever the number of shards that the node serves. It keeps no map of
//! slots: it needs one slot of each shard, `MOVED` says which node serves that, and any node of the cluster answers so. A map
//! would be a copy that is wrong whenever it matters, after a fail-over or a move. What it does keep is the addresses of all
//! nodes, to have somebody to ask when the one that it used is gone.

use std::{
    collections::{HashMap, HashSet},
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering},
    },
};

use redis::Value;
use redis_connection::{Address, RedisServer};

use crate::{reachability::Reachability, shared_connection::SharedConnection};

/// No cluster has more nodes that are of use
/// ([up to 1000](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/)).
const MAX_NODES: usize = 1000;

/// No more entries of an answer are read; each range of slots has one for its master, and one for each replica.
const MAX_ENTRIES: usize = 100_000;

/// A Redis server. It is printed as its address.
pub(crate) struct Node {
    server: Arc<RedisServer>,
    /// For calls that are small and must not wait behind emails: the lease above all.
    pub(crate) small: SharedConnection,
    /// For calls that bring emails.
    pub(crate) emails: SharedConnection,
}

/// All nodes that are known.
pub(crate) struct Nodes {
    /// That of the Redis URL, whose user, password and certificates hold for all.
    first: Arc<Node>,
    is_cluster: AtomicBool,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    /// Those that somebody was led to.
    seen: HashMap<Address, Seen>,
    /// Where others than the first are.
    others: Vec<Address>,
    /// Those whose settings have been looked at.
    checked: HashSet<Option<Address>>,
}

struct Seen {
    /// As long as a shard uses it.
    node: Weak<Node>,
    /// For longer: whoever is led to a node again that is dead must not log that again.
    reachability: Arc<Reachability>,
}

impl Node {
    fn new(server: RedisServer, reachability: Arc<Reachability>) -> Arc<Self> {
        let server = Arc::new(server);
        let connection = || SharedConnection::new(Arc::clone(&server), Arc::clone(&reachability));
        let (small, emails) = (connection(), connection());
        Arc::new(Self { server, small, emails })
    }

    fn host(&self) -> Option<&str> {
        match self.server.address() {
            Some(Address::Tcp(host, _)) => Some(host),
            Some(Address::Unix(_)) | None => None,
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}

impl Nodes {
    /// Does not connect.
    pub(crate) fn new(server: RedisServer) -> Self {
        Self { first: Node::new(server, Arc::default()), is_cluster: AtomicBool::new(false), known: Mutex::default() }
    }

    /// The node of the Redis URL.
    pub(crate) fn first(&self) -> &Arc<Node> {
        &self.first
    }

    /// Whether they are those of a cluster, as far as is known.
    pub(crate) fn are_a_cluster(&self) -> bool {
        self.is_cluster.load(Ordering::Relaxed)
    }

    /// The node at the `host:port` that `from` has named in a `MOVED`; without a host it is that of `from`. `None` if the
    /// address cannot be used.
    pub(crate) fn named(&self, from: &Node, address: &str) -> Option<Arc<Node>> {
        self.is_cluster.store(true, Ordering::Relaxed);
        Some(self.at(&from.server.named(address)?))
    }

    /// Another node than the one that has failed: the nth of those that are known. `None` if there is none.
    pub(crate) fn other_than(&self, failed: &Node, nth: usize) -> Option<Arc<Node>> {
        let failed = failed.server.address();
        let others: Vec<_> = self.known().others.iter().filter(|other| Some(*other) != failed).cloned().collect();
        let has_first = self.first.server.address() != failed;
        match nth % (others.len() + usize::from(has_first)).max(1) {
            nth if nth < others.len() => others.get(nth).map(|address| self.at(address)),
            _ => has_first.then(|| Arc::clone(&self.first)),
        }
    }

    /// Remembers where all nodes are, if `node` is one of a cluster and shows them
    /// ([`CLUSTER SLOTS`](https://redis.io/docs/latest/commands/cluster-slots/)).
    pub(crate) async fn learn_from(&self, node: &Node) {
        match node.small.query(redis::cmd("CLUSTER").arg("SLOTS")).await {
            Ok(slots) => {
                self.is_cluster.store(true, Ordering::Relaxed);
                let mut others = addresses(slots, node.host());
                others.retain(|address| Some(address) != self.first.server.address());
                if !others.is_empty() {
                    self.known().others = others;
                }
            }
            Err(error) => tracing::debug!(redis = %node, %error, "Redis does not show the nodes of a cluster"),
        }
    }

    /// Whether this is the first call for a node.
    pub(crate) fn is_new(&self, node: &Node) -> bool {
        let mut known = self.known();
        known.checked.len() < MAX_NODES && known.checked.insert(node.server.address().cloned())
    }

    fn at(&self, address: &Address) -> Arc<Node> {
        if self.first.server.address() == Some(address) {
            return Arc::clone(&self.first);
        }
        let mut known = self.known();
        let seen = known.seen.get(address);
        if let Some(node) = seen.and_then(|seen| seen.node.upgrade()) {
            return node;
        }
        let reachability = seen.map(|seen| Arc::clone(&seen.reachability)).unwrap_or_default();
        let node = Node::new(self.first.server.at(address.clone()), Arc::clone(&reachability));
        if known.seen.len() >= MAX_NODES {
            known.seen.retain(|_, seen| seen.node.strong_count() > 0);
        }
        known.seen.insert(address.clone(), Seen { node: Arc::downgrade(&node), reachability });
        if known.others.len() < MAX_NODES && !known.others.contains(address) {
            known.others.push(address.clone());
        }
        node
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change is a single one.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses of all nodes in an answer to `CLUSTER SLOTS`: ranges of first slot, last slot and nodes, each a host, a port
/// and more. A host that is missing is that of the node that has answered.
fn addresses(slots: Value, answered: Option<&str>) -> Vec<Address> {
    let Value::Array(ranges) = slots else { return Vec::new() };
    let nodes = ranges.into_iter().flat_map(|range| match range {
        Value::Array(range) => range.into_iter().skip(2).collect(),
        _ => Vec::new(),
    });
    let address = |node| {
        let Value::Array(node) = node else { return None };
        let mut node = node.into_iter();
        let host = match node.next()? {
            Value::BulkString(host) => String::from_utf8(host).ok()?,
            Value::SimpleString(host) => host,
            _ => String::new(),
        };
        let Value::Int(port) = node.next()? else { return None };
        let (host, port) = (if host.is_empty() { answered? } else { &host }, u16::try_from(port).ok()?);
        // The host of a node that does not know its own name.
        (host != "?").then(|| Address::Tcp(host.to_owned(), port))
    };
    // Each serves many ranges.
    let addresses: HashSet<_> = nodes.filter_map(address).take(MAX_ENTRIES).collect();
    addresses.into_iter().take(MAX_NODES).collect()
}

#[cfg(test)]
mod tests {
    use redis_connection::CertificateFiles;

    use super::*;

    fn nodes() -> Nodes {
        Nodes::new(
            RedisServer::new("redis://redis.example:6379".parse().unwrap(), CertificateFiles::default()).unwrap(),
        )
    }

    #[test]
    fn a_node_is_the_same_for_all_who_are_led_to_it() {
        let nodes = nodes();
        let first = Arc::clone(nodes.first());
        let second = nodes.named(&first, "10.0.0.2:6380").unwrap();
        assert!(Arc::ptr_eq(&second, &nodes.named(&first, "10.0.0.2:6380").unwrap()));
        assert!(Arc::ptr_eq(&first, &nodes.named(&second, "redis.example:6379").unwrap()));
        assert_eq!(nodes.named(&second, ":6381").unwrap().to_string(), "10.0.0.2:6381", "the host that answered");
        assert_eq!(nodes.named(&second, "::1:6381").unwrap().to_string(), "[::1]:6381");
        assert!(nodes.named(&second, "nowhere").is_none());
    }

    #[test]
    fn when_a_node_fails_each_other_one_is_asked_in_turn() {
        let nodes = nodes();
        let first = Arc::clone(nodes.first());
        assert!(nodes.other_than(&first, 0).is_none());
        let second = nodes.named(&first, "10.0.0.2:6380").unwrap();
        nodes.named(&first, "10.0.0.3:6380").unwrap();
        let mut asked = [7, 8].map(|nth| nodes.other_than(&second, nth).unwrap().to_string());
        asked.sort();
        assert_eq!(asked, ["10.0.0.3:6380", "redis.example:6379"]);
    }

    #[test]
    fn the_nodes_of_a_cluster_are_read_from_its_slots() {
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), Value::BulkString(b"id".to_vec())]);
        let host = |name: &str| Value::BulkString(name.into());
        let slots = Value::Array(vec![
            Value::Array(vec![Value::Int(0), Value::Int(99), node(host("10.0.0.2"), 6379), node(host(""), 6380)]),
            Value::Array(vec![Value::Int(100), Value::Int(200), node(Value::Nil, 6381), node(host("?"), 6382)]),
            Value::Array(vec![Value::Int(201), Value::Int(300), node(host("10.0.0.2"), 6379), node(host("x"), 65536)]),
            Value::Int(7),
        ]);
        let mut found: Vec<_> = addresses(slots, Some("redis.example")).iter().map(ToString::to_string).collect();
        found.sort();
        assert_eq!(found, ["10.0.0.2:6379", "redis.example:6380", "redis.example:6381"]);
        assert!(addresses(Value::Nil, None).is_empty());
    }
}
