//! A worker's identity in Redis.

use std::sync::Arc;

use email_queue::Queue;
use uuid::Uuid;

use crate::{metrics::Metrics, nodes::Nodes, route::Route, shard_connection::ShardConnection};

/// A queue, or one shard of it, and a worker that calls its transitions.
#[derive(Clone)]
pub(crate) struct QueueClient {
    pub(crate) queue: Queue,
    /// The id of this worker, which no other has or had. It is the same in all shards.
    pub(crate) worker: Arc<str>,
    /// For calls that are small and must not wait behind emails: the lease above all.
    pub(crate) redis: ShardConnection,
    /// For calls that bring emails.
    pub(crate) emails: ShardConnection,
}

impl QueueClient {
    pub(crate) fn new(queue: Queue, worker: &Arc<str>, nodes: &Arc<Nodes>, metrics: &Arc<Metrics>) -> Self {
        let route = Arc::new(Route::new(nodes, queue.clone()));
        let refusals = Arc::default();
        let redis = ShardConnection::small(&route, metrics, &refusals);
        let emails = ShardConnection::emails(&route, metrics, &refusals);
        Self { queue, worker: Arc::clone(worker), redis, emails }
    }
}

/// `<host>:<process>:<uuid>`: readable, and unique though containers reuse names and process ids.
pub(crate) fn worker_id() -> Arc<str> {
    let host = host();
    format!("{host}:{}:{}", std::process::id(), Uuid::now_v7()).into()
}

/// The name of this machine.
pub(crate) fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}
