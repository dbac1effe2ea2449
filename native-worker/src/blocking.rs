//! `BRPOP`, on a separate connection, because it blocks all other commands on its connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use email_queue::{Queue, transition::PoppedEntry};
use redis::{RedisResult, Value};

use crate::{connection::Connection, shared_connection::SharedConnection};

/// How long after its timeout a `BRPOP` may be silent before its connection counts as dead.
const SILENCE: Duration = Duration::from_secs(2);

/// Waits for an entry on any list of a queue.
pub(crate) struct Blocking<'a> {
    redis: &'a SharedConnection,
    blocked: &'a BlockedClient,
    lists: [String; 3],
    connection: Option<Connection>,
    /// The number of the shared connection when this one was opened.
    shared_number: u64,
    /// How many entries have been popped.
    popped: u64,
}

/// The connection of a `BRPOP`, so that another task can end the wait.
#[derive(Default)]
pub(crate) struct BlockedClient {
    /// Its id in Redis; 0 when there is none.
    id: AtomicI64,
}

impl<'a> Blocking<'a> {
    pub(crate) fn new(redis: &'a SharedConnection, blocked: &'a BlockedClient, queue: &Queue) -> Self {
        Self { redis, blocked, lists: queue.lists(), connection: None, shared_number: 0, popped: 0 }
    }

    /// Waits in [`BRPOP`](https://redis.io/docs/latest/commands/brpop/) until an entry comes, the most urgent lane
    /// first, or for `seconds`. If the connection proves silent it is closed, and the next call opens another. An id
    /// that was on its way is then requeued by maintenance; an email that another program has pushed as it is exists
    /// nowhere else and is lost, as with any use of `BRPOP`.
    ///
    /// Must not be cancelled: an entry may be on its way.
    ///
    /// # Errors
    /// Redis is unreachable, replies with an error, or is silent for two seconds after the timeout. A slow reply is
    /// awaited.
    pub(crate) async fn pop(&mut self, seconds: u64) -> RedisResult<Option<PoppedEntry>> {
        // If the shared connection had to be replaced, this one is most likely dead as well, however open it looks.
        let shared_number = self.redis.number().await;
        let connection = match self.connection.take().filter(|_| self.shared_number == shared_number) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        self.shared_number = shared_number;
        let mut brpop = redis::cmd("BRPOP");
        for list in &self.lists {
            brpop.arg(list);
        }
        brpop.arg(seconds);
        let answer = connection.ask(&brpop, Duration::from_secs(seconds) + SILENCE).await.inspect_err(|error| {
            if error.is_timeout() {
                tracing::warn!("BRPOP was not answered in time; its connection is replaced");
            }
        })?;
        // A connection that failed is dropped, and so closed.
        self.connection = Some(connection);
        let Some((list, entry)) = entry(answer) else { return Ok(None) };
        self.popped += 1;
        Ok(Some(PoppedEntry { list, entry: Arc::new(entry), number: self.popped }))
    }

    async fn connect(&mut self) -> RedisResult<Connection> {
        self.blocked.id.store(0, Ordering::Release);
        let connection = self.redis.open().await?;
        // A proxy may not support it: then a stopping worker waits for BRPOP to time out.
        if let Ok(Value::Int(id)) = connection.ask(redis::cmd("CLIENT").arg("ID"), SILENCE).await {
            self.blocked.id.store(id, Ordering::Release);
        }
        Ok(connection)
    }
}

impl BlockedClient {
    /// Ends a waiting `BRPOP` as if it had timed out
    /// ([`CLIENT UNBLOCK`](https://redis.io/docs/latest/commands/client-unblock/)). Unlike closing its connection, this
    /// cannot lose an entry. Does nothing if none waits.
    pub(crate) async fn unblock(&self, redis: &SharedConnection) {
        let id = self.id.load(Ordering::Acquire);
        if id != 0 {
            let answer = redis.query(redis::cmd("CLIENT").arg("UNBLOCK").arg(id).arg("TIMEOUT")).await;
            if let Err(error) = answer {
                tracing::debug!(%error, "BRPOP cannot be ended early");
            }
        }
    }
}

fn entry(answer: Value) -> Option<(Vec<u8>, Vec<u8>)> {
    let Value::Array(values) = answer else { return None };
    match <[Value; 2]>::try_from(values) {
        Ok([Value::BulkString(list), Value::BulkString(entry)]) => Some((list, entry)),
        _ => None,
    }
}
