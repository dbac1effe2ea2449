//! `BRPOP`, on a connection of its own: it blocks whatever shares its connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use email_queue::{Queue, transition::PoppedEntry};
use redis::{RedisResult, Value};

use crate::{connection::Connection, link::Link};

/// For how much longer than its own time-out a `BRPOP` may be silent before its connection counts as dead.
const PATIENCE: Duration = Duration::from_secs(2);

/// Waits for an entry on any list of a queue.
pub(crate) struct Blocking<'a> {
    redis: &'a Connection,
    waiting: &'a Waiting,
    lists: [String; 3],
    connection: Option<Link>,
    /// The number of the connection that the others shared when ours was opened.
    beside: u64,
    /// How many entries have been popped.
    popped: u64,
}

/// Who waits in `BRPOP`, so that another task can end the waiting.
#[derive(Default)]
pub(crate) struct Waiting {
    /// What Redis calls the connection; 0 when there is none.
    client: AtomicI64,
}

impl<'a> Blocking<'a> {
    pub(crate) fn new(redis: &'a Connection, waiting: &'a Waiting, queue: &Queue) -> Self {
        Self { redis, waiting, lists: queue.lists(), connection: None, beside: 0, popped: 0 }
    }

    /// Waits in [`BRPOP`](https://redis.io/docs/latest/commands/brpop/) until an entry comes, the most urgent lane
    /// first, or for `seconds`. If the connection proves silent it is closed, and the next call opens another. An id
    /// that was on its way is then requeued by maintenance; an email that another program has pushed as it is exists
    /// nowhere else and is lost, as with any use of `BRPOP`.
    ///
    /// Must not be cancelled: an entry may be on its way.
    ///
    /// # Errors
    /// When Redis is unreachable, refuses, or is silent for two seconds more than it was asked to wait. An answer that comes
    /// slowly is waited for.
    pub(crate) async fn pop(&mut self, seconds: u64) -> RedisResult<Option<PoppedEntry>> {
        // Where the connection beside ours had to be replaced, ours is most likely dead as well, however open it looks.
        let beside = self.redis.number().await;
        let connection = match self.connection.take().filter(|_| self.beside == beside) {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        self.beside = beside;
        let mut brpop = redis::cmd("BRPOP");
        for list in &self.lists {
            brpop.arg(list);
        }
        brpop.arg(seconds);
        let answer = connection.ask(&brpop, Duration::from_secs(seconds) + PATIENCE).await.inspect_err(|error| {
            if error.is_timeout() {
                tracing::warn!("BRPOP was not answered in time; its connection is replaced");
            }
        })?;
        // Kept only now: whatever failed is dropped, and so closed.
        self.connection = Some(connection);
        let Some((list, entry)) = entry(answer) else { return Ok(None) };
        self.popped += 1;
        Ok(Some(PoppedEntry { list, entry: Arc::new(entry), number: self.popped }))
    }

    async fn connect(&mut self) -> RedisResult<Link> {
        self.waiting.client.store(0, Ordering::Release);
        let connection = self.redis.open().await?;
        // Redis before 5, or a proxy, may not know it: then a stopping worker waits for BRPOP to time out.
        if let Ok(Value::Int(id)) = connection.ask(redis::cmd("CLIENT").arg("ID"), PATIENCE).await {
            self.waiting.client.store(id, Ordering::Release);
        }
        Ok(connection)
    }
}

impl Waiting {
    /// Ends a `BRPOP` that waits as if it had timed out
    /// ([`CLIENT UNBLOCK`](https://redis.io/docs/latest/commands/client-unblock/)): other than closing its connection,
    /// this cannot lose an entry. Does nothing when none waits.
    pub(crate) async fn unblock(&self, redis: &Connection) {
        let id = self.client.load(Ordering::Acquire);
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
