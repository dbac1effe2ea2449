//! Takes emails off the Redis lists and delivers them: the half of the queue that may block.
//!
//! A program that waits in `BRPOP` cannot run as a Wasm request handler, so this is a native one. In reading order:
//!
//! - [`config`]: everything that can be set, and its limits; [`cli`] reads it from flags and the environment;
//! - [`worker`]: [`run`], the life of a worker from connecting to giving back what it has not begun;
//! - `fetcher`: takes emails, never more than can be delivered at once; `blocking` is its `BRPOP`;
//! - `dispatcher`: a task for each email;
//! - [`memory`]: how much of it emails may take;
//! - `in_flight`: the emails this worker has claimed and not yet recorded, and who may still give them back;
//! - `delivery`: one email, from its JSON to the [`Finish`](email_queue::transition::Finish) that Redis is told;
//!   `conclusion`: one outcome of what happened to each recipient;
//! - `hold_off`: leaves a relay that fails alone, together with all other workers, and probes it; `gate` is
//!   whether emails may be handed to it, `senders` the same for those of one sender; `slow` tells of
//!   deliveries that take long;
//! - `completer`: tells Redis, many outcomes in one call, which also takes the next emails while there is no room for more;
//! - `leases`, `maintenance`: say that the worker lives; move on what a dead one left behind;
//! - `connection`: a connection to Redis that several tasks share, and that is replaced when it goes silent; `link` is one
//!   such connection, `line` what goes through it, `pace` how much to ask for at once;
//! - `background`: the tasks beside the deliveries, whose panic is the worker's end;
//! - `reachability`: what the log says of Redis' going and coming;
//! - `preflight`: what to warn of at the start;
//! - `clock`: what time it is for the queue;
//! - `message`: an email as MIME;
//! - [`transport`]: where emails go: the console, a directory, an SMTP server;
//! - [`backoff`]: how long to wait before trying again; [`logging`]: what is printed.
//!
//! Which task holds what: an email is claimed only when a permit of the concurrency semaphore is free, the permit goes
//! with it to its delivery and on to the completer, and is free, or the next email's, when Redis has recorded the outcome.
//! So no more emails than permits can ever be sent twice by a crash. What an email takes of the memory for emails is with its
//! delivery, and free when that has ended.

#![forbid(unsafe_code)]

mod background;
pub mod backoff;
mod blocking;
pub mod cli;
mod clock;
mod completer;
mod completion;
mod conclusion;
pub mod config;
mod connection;
mod delivery;
mod dispatcher;
mod fetcher;
mod gate;
mod hold_off;
mod in_flight;
mod invalid_config;
mod learned_limit;
mod leases;
mod line;
mod link;
pub mod logging;
mod maintenance;
pub mod memory;
mod message;
mod pace;
mod preflight;
mod queue_client;
mod reachability;
mod run_error;
mod senders;
mod shared;
mod slow;
pub mod transport;
pub mod worker;

pub use config::Config;
pub use invalid_config::InvalidConfig;
pub use run_error::RunError;
pub use worker::{Summary, run};
