//! Claims emails from Redis and delivers them: the half of the queue that may block.
//!
//! A program that waits in `BRPOP` cannot run as a Wasm request handler, so this is a native one. In reading order:
//!
//! - `worker`: the loop, one for each shard of the queue: wait for work, claim, deliver, complete;
//!   - `capacity`: permits, memory and a relay that may be used, without which nothing is claimed; `permits` divides them
//!     among the shards, [`memory`] is the limit;
//!   - `fetcher`: claims; `blocking` is its `BRPOP`; `drained` is whether any shard has something left;
//!   - `dispatcher`: a task for each email; `delivery`: one email, from its JSON to its result; `outcome`: one outcome
//!     of the verdicts of all recipients;
//!   - `completer`: records results, many in one call; `completion` is such a result;
//! - [`startup`]: from settings to a running worker: [`Worker`]; `preflight` checks Redis; `shared` is what a worker has once,
//!   `served_shard` what it has for each shard;
//! - [`running`]: the tasks, and how they end in order: [`Running`]; `background` watches those beside the deliveries:
//!   - of each shard: `leases` renews the lease of what is in flight; `maintenance` requeues what other workers left behind;
//!     `slow` reports slow deliveries;
//!   - for all: `learned_limit` shares the limit of connections; `requeue_met` requeues what met the failure of a relay;
//!     `known_nodes` keeps up with a cluster;
//! - `in_flight`: the emails that are claimed and not yet recorded;
//! - `hold_off`: holds off from a failing relay, as all other workers do, and probes it; `gate` is whether emails
//!   may be handed to it, `senders` the same for those of one sender;
//! - `queue_client`: a shard and its `shard_connection`s, which lead to the node that serves it; `route` finds that, `nodes`
//!   are all that are known; `redis_error` says what an error means for a connection and a call;
//! - `shared_connection`: a connection to a node that several tasks share, and that is replaced when it is silent;
//!   `connection` is one such connection, `traffic` counts what goes through it, `throughput` is how much to ask for at
//!   once, `reachability` whether the log says that Redis cannot be reached;
//! - `message`: an email as MIME;
//! - [`transport`]: where emails go: the console, a directory, an SMTP server;
//! - [`config`]: all settings and their limits; [`cli`] reads them from flags and the environment, `environment` has the old
//!   names of variables; [`backoff`]: pauses between attempts; `clock`: the time of Redis;
//!   `health`: whether the worker works, and the file for health checks; `metrics`: what it counts and measures; `admin` serves
//!   both over HTTP; [`traces`]: spans of deliveries, and their export.
//!
//! An email is claimed only when a permit is free. The permit goes with it to its delivery and on to the completer, and is
//! released, or passed to the next email, when Redis has recorded the result. So a crash can send no more emails twice than
//! there are permits; of several shards, one whose node does not answer gives permits back earlier. The memory that an email
//! takes is released when its delivery has ended.

#![forbid(unsafe_code)]

mod admin;
mod background;
pub mod backoff;
mod blocking;
mod capacity;
pub mod cli;
mod clock;
mod completer;
mod completion;
pub mod config;
mod connection;
mod delivery;
mod dispatcher;
mod drained;
mod ended;
mod environment;
mod fetcher;
mod gate;
mod health;
mod history;
mod hold_off;
mod in_flight;
mod invalid_config;
mod known_nodes;
mod latencies;
mod learned_limit;
mod leases;
mod maintenance;
pub mod memory;
mod message;
mod metrics;
mod nodes;
mod outcome;
mod permits;
mod preflight;
mod queue_client;
mod reachability;
mod redis_error;
mod refusals;
mod requeue_met;
mod route;
mod run_error;
pub mod running;
mod senders;
mod served_shard;
mod shard_connection;
mod shared;
mod shared_connection;
mod slow;
pub mod startup;
mod throughput;
pub mod traces;
mod traffic;
pub mod transport;
mod unserved;
mod worker;

pub use config::Config;
pub use ended::Ended;
pub use invalid_config::InvalidConfig;
pub use run_error::RunError;
pub use running::Running;
pub use startup::Worker;
