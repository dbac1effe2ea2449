//! What the API and the worker share: the email, the Redis keys, the Lua transitions.
//!
//! In reading order:
//!
//! - [`email`]: an email, its JSON, and all rules for it;
//! - [`field`]: how a header field is written, and whether it can be;
//! - [`EmailId`], [`AttachmentId`]: ids;
//! - [`Lane`]: urgency; [`State`]: progress; [`Class`]: cause of a failure;
//! - [`Relay`]: who emails are handed to; [`Histogram`]: how long they took;
//! - [`Queue`]: the names of the Redis keys, with what each holds; [`Shards`]: a queue in several parts;
//! - [`transition`]: the moves of an email, each a Lua script with one typed function; `lua/` has what the scripts share;
//! - [`maintenance`]: moves of emails that no worker has in flight;
//! - [`setup`]: what a worker stores when it starts;
//! - [`query`]: reads of a queue; [`Record`]: an email as stored in Redis;
//! - [`rate_limit`]: how many requests a client may make;
//! - [`call`]: the interface to a Redis client; [`Refusal`]: errors of Redis that the operator must resolve;
//!   [`Redirect`]: those by which a node of a cluster names another.
//!
//! The crate does no I/O and depends on no Redis client: a transition is a [`call::Call`], which any implementation of
//! [`call::Redis`] runs. So the same code works in Wasm on Spin's outbound Redis and in the native worker. It compiles
//! for `wasm32-wasip1`.

#![forbid(unsafe_code)]

mod attachment_id;
pub mod call;
mod class;
pub mod email;
pub mod field;
mod hex;
mod histogram;
mod id;
mod keys;
mod lane;
pub mod maintenance;
pub mod query;
pub mod rate_limit;
mod record;
mod redirect;
mod refusal;
mod relay;
mod replication;
mod script;
pub mod setup;
mod shard;
mod shards;
mod state;
pub mod transition;
mod value;

pub use attachment_id::AttachmentId;
pub use class::{Class, UnknownClass};
pub use email::{Email, Invalid, Submission};
pub use hex::hex;
pub use histogram::{Histogram, NoHistogram};
pub use id::{EmailId, InvalidId};
pub use keys::{InvalidQueueName, Queue};
pub use lane::Lane;
pub use record::Record;
pub use redirect::Redirect;
pub use refusal::Refusal;
pub use relay::Relay;
pub use replication::{Confirmed, InvalidReplication, Replication, Wait};
pub use shard::Shard;
pub use shards::{InvalidShards, MAX_SHARDS, Shards};
pub use state::State;
