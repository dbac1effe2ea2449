//! Shared by xtask, testkit, e2e and bench: child processes, Redis servers, ports and HTTP. All calls block.
//!
//! - [`process`]: a child in a process group of its own, killed with that group when it is dropped;
//! - [`interrupt`]: children die with this process also when it is interrupted;
//! - [`wait`]: waiting for a condition instead of sleeping;
//! - [`ports`]: ports that nobody listens on;
//! - [`redis_server`]: a Redis server with a port and a directory of its own; several of them are a Redis Cluster in
//!   [`redis_cluster`], or a master with replicas and sentinels in [`redis_sentinel`] (feature `redis`);
//! - [`http`]: a client for the servers that are started here.
//!
//! Errors are human-readable; no code branches on them.

#![forbid(unsafe_code)]

pub mod http;
pub mod interrupt;
pub mod ports;
pub mod process;
#[cfg(feature = "redis")]
pub mod redis_cluster;
mod redis_command;
#[cfg(feature = "redis")]
pub mod redis_sentinel;
#[cfg(feature = "redis")]
pub mod redis_server;
pub mod wait;

pub use process::{Line, Output, Process, Stream, run};
#[cfg(feature = "redis")]
pub use redis_cluster::RedisCluster;
pub use redis_command::{Persistence, redis_command};
#[cfg(feature = "redis")]
pub use redis_sentinel::RedisSentinel;
#[cfg(feature = "redis")]
pub use redis_server::RedisServer;
pub use rustix::process::Signal;
pub use wait::{DEADLINE, eventually};
