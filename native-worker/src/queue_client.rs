//! A worker's identity in Redis.

use email_queue::Queue;
use uuid::Uuid;

use crate::shared_connection::SharedConnection;

/// A queue, and a worker that calls its transitions.
pub(crate) struct QueueClient {
    pub(crate) queue: Queue,
    /// The id of this worker, which no other has or had.
    pub(crate) worker: String,
    pub(crate) redis: SharedConnection,
}

impl QueueClient {
    /// A worker with a new id.
    pub(crate) fn new(queue: Queue, redis: SharedConnection) -> Self {
        Self { queue, worker: worker_id(), redis }
    }
}

/// `<host>:<process>:<uuid>`: readable, and unique though containers reuse names and process ids.
fn worker_id() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}:{}", std::process::id(), Uuid::now_v7())
}
