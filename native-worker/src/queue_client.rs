//! Who a worker is to Redis.

use email_queue::Queue;
use uuid::Uuid;

use crate::connection::Connection;

/// A queue, and a worker that calls its transitions.
pub(crate) struct QueueClient {
    pub(crate) queue: Queue,
    /// Who we are, other than any worker before or beside us.
    pub(crate) worker: String,
    pub(crate) redis: Connection,
}

impl QueueClient {
    /// A worker like none before.
    pub(crate) fn new(queue: Queue, redis: Connection) -> Self {
        Self { queue, worker: worker_id(), redis }
    }
}

/// `<host>:<process>:<uuid>`: for people, and unique however often a container gets the same name and process id.
fn worker_id() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}:{}", std::process::id(), Uuid::now_v7())
}
