//! Why a worker ends.

use email_queue::query::KNOWN_VERSION;

use crate::transport::OpenError;

/// Why a worker cannot begin, or go on. That Redis is unreachable is no such reason: it may come.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The transport cannot be used as it is set up.
    #[error("the transport {0} cannot be used")]
    Transport(String, #[source] OpenError),
    /// The Redis URL leads nowhere, or Redis refuses whom it names.
    #[error("the Redis URL cannot be used")]
    Redis(#[source] redis::RedisError),
    /// What is there is no Redis.
    #[error("what answers at the Redis URL is no Redis")]
    NoRedis,
    /// Redis lacks what the worker needs.
    #[error("Redis {0} is too old: version 6.2 or newer is needed")]
    TooOld(String),
    /// The queue's keys are of a version that this worker would misread.
    #[error(
        "the queue {queue} is of version {found}, and this worker knows version {KNOWN_VERSION}: start a worker that \
             knows version {found}, or give this one another queue"
    )]
    OtherVersion {
        /// The queue's name.
        queue: String,
        /// What `<q>:version` says.
        found: String,
    },
    /// A fault of ours. What was in flight is sent again when its lease is over.
    #[error("the worker's task `{0}` has panicked; what is in flight is sent again when its lease is over")]
    Panicked(&'static str),
}
