//! Why a worker ends.

use std::{io, net::SocketAddr};

use email_queue::setup::KNOWN_VERSION;
use redis_connection::SetupError;

use crate::transport::OpenError;

/// Why a worker cannot start or continue. An unreachable Redis is no such reason: the worker waits for it.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The transport cannot be used as it is set up.
    #[error("the transport {0} cannot be used")]
    Transport(String, #[source] OpenError),
    /// A file of certificates, or the Redis URL, can never be used.
    #[error("Redis cannot be connected to")]
    RedisSetup(#[source] SetupError),
    /// The address of the server for metrics and health checks cannot be listened at.
    #[error("cannot listen at {0}, for metrics and health checks")]
    AdminListen(SocketAddr, #[source] io::Error),
    /// Redis refuses the user, the password or the database of the URL.
    #[error("Redis refuses the user, the password or the database of the Redis URL")]
    Refused(#[source] redis::RedisError),
    /// The server at the Redis URL does not speak the Redis protocol.
    #[error("the server at the Redis URL is not Redis")]
    NoRedis,
    /// Redis lacks what the worker needs.
    #[error("Redis {0} is too old: version 6.2 or newer is needed")]
    TooOld(String),
    /// The keys of the queue would be in several slots of a cluster.
    #[error("Redis is a cluster, and the queue {0} has no part of its name in braces: name it {{{0}}}")]
    NoSlot(String),
    /// The queue's keys are of a version that this worker would misread.
    #[error(
        "the queue {queue} is of version {found}, and this worker reads version {KNOWN_VERSION}: start a worker that \
             reads version {found}, or give this one another queue"
    )]
    OtherVersion {
        /// The queue's name.
        queue: String,
        /// Its version, which is the value of `<q>:version`.
        found: String,
    },
    /// A fault of the worker. What was in flight is sent again when its lease is over.
    #[error("the worker's task `{0}` has panicked; emails in flight are sent again when the lease expires")]
    Panicked(&'static str),
}

impl RunError {
    /// Whether the cause is an invalid setting, and not the state of Redis or the relay.
    #[must_use]
    pub fn is_setting(&self) -> bool {
        matches!(self, Self::Transport(..) | Self::RedisSetup(_) | Self::NoSlot(_))
    }
}
