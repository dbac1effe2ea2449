//! `BRPOP`, on a separate connection, because it blocks all other commands on its connection.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use email_queue::{Lane, Queue, transition::PoppedEntry};
use redis::{Cmd, RedisResult, Value};

use crate::{
    connection::Connection,
    nodes::Node,
    route::{MAX_HOPS, Route},
    shard_connection::ShardConnection,
};

/// How long after its timeout a `BRPOP` may be silent before its connection counts as dead.
const SILENCE: Duration = Duration::from_secs(2);

/// Waits for an entry on any list of a queue.
pub(crate) struct Blocking<'a> {
    route: &'a Route,
    blocked: &'a BlockedClient,
    queue: &'a Queue,
    opened: Option<Opened>,
    /// How many entries have been popped.
    popped: u64,
}

/// A connection, and where it leads.
struct Opened {
    connection: Connection,
    node: Arc<Node>,
    /// The number of the node's shared connection when this one was opened.
    shared_number: u64,
}

/// The connection of a `BRPOP`, so that another task can end the wait.
#[derive(Default)]
pub(crate) struct BlockedClient(Mutex<Option<Blocked>>);

#[derive(Clone)]
struct Blocked {
    node: Arc<Node>,
    /// The id of the connection in Redis.
    id: i64,
}

impl<'a> Blocking<'a> {
    pub(crate) fn new(redis: &'a ShardConnection, blocked: &'a BlockedClient, queue: &'a Queue) -> Self {
        Self { route: redis.route(), blocked, queue, opened: None, popped: 0 }
    }

    /// Waits in [`BRPOP`](https://redis.io/docs/latest/commands/brpop/) until an entry of one of these lanes comes, the first lane
    /// first, or for `seconds`. If the connection proves silent it is closed, and the next call opens another. An id
    /// that was on its way is then requeued by maintenance; an email that another program has pushed as it is exists
    /// nowhere else and is lost, as with any use of `BRPOP`. If the queue moves to another node of a cluster meanwhile, it is
    /// followed there.
    ///
    /// Must not be cancelled: an entry may be on its way.
    ///
    /// # Errors
    /// Redis is unreachable, replies with an error, or is silent for two seconds after the timeout. A slow reply is
    /// awaited.
    pub(crate) async fn pop(&mut self, lanes: &[Lane], seconds: u64) -> RedisResult<Option<PoppedEntry>> {
        let mut brpop = redis::cmd("BRPOP");
        for lane in lanes {
            brpop.arg(self.queue.list(*lane));
        }
        brpop.arg(seconds);
        let mut hops = 0;
        let answer = loop {
            let node = self.route.node();
            match self.ask(&node, &brpop, seconds).await {
                Ok(answer) => break answer,
                Err(error) if self.route.failed(&node, &error) && hops < MAX_HOPS => hops += 1,
                Err(error) => return Err(error),
            }
        };
        let Some((list, entry)) = entry(answer) else { return Ok(None) };
        self.popped += 1;
        Ok(Some(PoppedEntry { list, entry: Arc::new(entry), number: self.popped }))
    }

    async fn ask(&mut self, node: &Arc<Node>, brpop: &Cmd, seconds: u64) -> RedisResult<Value> {
        // If the shared connection had to be replaced, this one is most likely dead as well, however open it looks.
        let shared_number = node.small.number().await;
        let is_good = |opened: &Opened| Arc::ptr_eq(&opened.node, node) && opened.shared_number == shared_number;
        let opened = match self.opened.take().filter(is_good) {
            Some(opened) => opened,
            None => Opened { connection: self.connect(node).await?, node: Arc::clone(node), shared_number },
        };
        let answer = opened.connection.ask(brpop, Duration::from_secs(seconds) + SILENCE).await;
        let answer = answer.inspect_err(|error| {
            if error.is_timeout() {
                tracing::warn!(redis = %node, "BRPOP was not answered in time; its connection is replaced");
            }
        })?;
        // A connection that failed is dropped, and so closed.
        self.opened = Some(opened);
        Ok(answer)
    }

    async fn connect(&self, node: &Arc<Node>) -> RedisResult<Connection> {
        *self.blocked.lock() = None;
        let connection = node.small.open().await?;
        // A proxy may not support it: then a stopping worker waits for BRPOP to time out.
        if let Ok(Value::Int(id)) = connection.ask(redis::cmd("CLIENT").arg("ID"), SILENCE).await {
            *self.blocked.lock() = Some(Blocked { node: Arc::clone(node), id });
        }
        Ok(connection)
    }
}

impl BlockedClient {
    /// Ends a waiting `BRPOP` as if it had timed out
    /// ([`CLIENT UNBLOCK`](https://redis.io/docs/latest/commands/client-unblock/)). Unlike closing its connection, this
    /// cannot lose an entry. Does nothing if none waits.
    pub(crate) async fn unblock(&self) {
        let blocked = self.lock().clone();
        if let Some(Blocked { node, id }) = blocked {
            let answer = node.small.query(redis::cmd("CLIENT").arg("UNBLOCK").arg(id).arg("TIMEOUT")).await;
            if let Err(error) = answer {
                tracing::debug!(%error, "BRPOP cannot be ended early");
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Blocked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn entry(answer: Value) -> Option<(Vec<u8>, Vec<u8>)> {
    let Value::Array(values) = answer else { return None };
    match <[Value; 2]>::try_from(values) {
        Ok([Value::BulkString(list), Value::BulkString(entry)]) => Some((list, entry)),
        _ => None,
    }
}
