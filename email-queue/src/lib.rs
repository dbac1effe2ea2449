//! What the API and the worker agree on, and nothing else: the email, the Redis keys, the Lua transitions.
//!
//! In reading order:
//!
//! - [`email`]: an email, how it is read from JSON, and every rule that it must keep;
//! - [`field`]: how a header field stands in a message, and whether it can;
//! - [`EmailId`], [`AttachmentId`]: what an email and its files are called;
//! - [`Lane`], [`State`]: how urgent an email is, how far it has come; [`Class`]: why it came no further;
//! - [`Relay`]: who emails are handed to;
//! - [`Queue`]: the names of the Redis keys, with what each holds;
//! - [`transition`]: the moves of an email, each a Lua script with one typed function; `lua/` has what the scripts share;
//! - [`maintenance`]: what is done for emails that no worker has in flight;
//! - [`query`]: what is asked of a queue; [`Record`]: what is stored of one email;
//! - [`rate_limit`]: how many requests a client may make;
//! - [`call`]: the seam to a Redis client; [`Refusal`]: what Redis may refuse for good reasons.
//!
//! The crate does no I/O and knows no Redis client: a transition becomes a [`call::Call`], and anything that
//! implements [`call::Redis`] runs it. So the same code works in Wasm on Spin's outbound Redis and in the native
//! worker. It compiles for `wasm32-wasip1`.

#![forbid(unsafe_code)]

mod attachment_id;
pub mod call;
mod class;
pub mod email;
pub mod field;
mod hex;
mod id;
mod keys;
mod lane;
pub mod maintenance;
pub mod query;
pub mod rate_limit;
mod record;
mod refusal;
mod relay;
mod script;
mod state;
pub mod transition;

pub use attachment_id::AttachmentId;
pub use class::{Class, UnknownClass};
pub use email::{Email, Invalid, Submission};
pub use hex::hex;
pub use id::{EmailId, InvalidId};
pub use keys::{InvalidQueueName, Queue};
pub use lane::Lane;
pub use record::Record;
pub use refusal::Refusal;
pub use relay::Relay;
pub use state::State;
