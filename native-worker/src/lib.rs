//! Claims emails from Redis and delivers them: the half of the queue that may block.
//!
//! A program that waits in `BRPOP` cannot run as a Wasm request handler, so this is a native one. In reading order:
//!
//! - `worker`: the loop: wait for work, claim, deliver, complete;
//!   - `capacity`: permits, memory and a relay that may be used, without which nothing is claimed; [`memory`] is the limit;
//!   - `fetcher`: claims; `blocking` is its `BRPOP`;
//!   - `dispatcher`: a task for each email; `delivery`: one email, from its JSON to its result; `outcome`: one outcome
//!     of the verdicts of all recipients;
//!   - `completer`: records results, many in one call; `completion` is such a result;
//! - [`startup`]: from settings to a running worker: [`Worker`]; `preflight` checks Redis;
//! - [`running`]: the tasks, and how they end in order: [`Running`]; `background` watches those beside the deliveries:
//!   - `leases` renews the lease of what is in flight; `maintenance` requeues what other workers left behind; `slow` reports
//!     slow deliveries; `learned_limit` shares the limit of connections;
//! - `in_flight`: the emails that are claimed and not yet recorded;
//! - `hold_off`: holds off from a failing relay, as all other workers do, and probes it; `gate` is whether emails
//!   may be handed to it, `senders` the same for those of one sender;
//! - `shared_connection`: a connection to Redis that several tasks share, and that is replaced when it is silent;
//!   `connection` is one such connection, `traffic` counts what goes through it, `throughput` is how much to ask for at
//!   once, `reachability` whether the log says that Redis cannot be reached;
//! - `message`: an email as MIME;
//! - [`transport`]: where emails go: the console, a directory, an SMTP server;
//! - [`config`]: all settings and their limits; [`cli`] reads them from flags and the environment, `environment` has the old
//!   names of variables; [`backoff`]: pauses between attempts; `clock`: the time of Redis;
//!   `health`: the file for health checks.
//!
//! An email is claimed only when a permit of the concurrency semaphore is free. The permit goes with it to its delivery and
//! on to the completer, and is released, or passed to the next email, when Redis has recorded the result. So a crash can
//! send no more emails twice than there are permits. The memory that an email takes is released when its delivery has ended.

#![forbid(unsafe_code)]

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
mod ended;
mod environment;
mod fetcher;
mod gate;
mod health;
mod hold_off;
mod in_flight;
mod invalid_config;
mod learned_limit;
mod leases;
mod maintenance;
pub mod memory;
mod message;
mod outcome;
mod preflight;
mod queue_client;
mod reachability;
mod run_error;
pub mod running;
mod senders;
mod shared;
mod shared_connection;
mod slow;
pub mod startup;
mod throughput;
mod traffic;
pub mod transport;
mod worker;

pub use config::Config;
pub use ended::Ended;
pub use invalid_config::InvalidConfig;
pub use run_error::RunError;
pub use running::Running;
pub use startup::Worker;
