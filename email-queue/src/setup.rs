//! What a worker stores in the queue when it starts.
//!
//! - [`describe_worker`]: what the worker was started with, for as long as it lives;
//! - [`mark_version`]: the version of the queue's keys, if there is none yet;
//! - [`set_default_sender`]: the sender of emails without one, which [`default_sender`](crate::query::default_sender)
//!   reads.

mod describe_worker;
mod mark_version;
mod set_default_sender;

pub use describe_worker::{StartedWith, describe_worker};
pub use mark_version::{KNOWN_VERSION, mark_version};
pub use set_default_sender::set_default_sender;
