use clap::Args;
use email_queue::{InvalidShards, Queue, Shards};

/// The flags that say which queue it is, the same of each program that works in Redis.
#[derive(Debug, Clone, Args)]
pub struct QueueFlags {
    /// The queue: the name of the Redis list, and the beginning of all other keys. On Redis Cluster put it in braces.
    #[arg(long, env = "EMAIL_QUEUE_QUEUE", value_name = "NAME", default_value = "emails")]
    queue: Queue,

    /// How many shards the queue is spread over, 1 to 4096; the name of a queue with several is in braces. API, workers and emailq
    /// have to have the same number. It can be raised, first at the workers.
    #[arg(long, env = "EMAIL_QUEUE_SHARDS", value_name = "SHARDS", default_value_t = 1)]
    shards: u16,
}

impl QueueFlags {
    /// The queue with its shards.
    ///
    /// # Errors
    /// It cannot have so many.
    pub fn shards(self) -> Result<Shards, InvalidShards> {
        Shards::new(self.queue, self.shards)
    }
}
