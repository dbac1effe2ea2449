//! Hold-offs of relays that fail, and of senders that a relay refuses. All workers share them.
//!
//! - [`hold_off`]: a relay fails, so all workers hold off; [`relay_access`]: whether a worker may send to it, or is to
//!   probe it; [`end_hold_off`]: it works again; [`requeue_met`]: so emails of other shards are tried again;
//! - [`hold_off_sender`], [`sender_access`], [`end_sender_hold_off`]: the same for one sender there;
//! - [`set_connection_limit`]: how many connections the relay takes.

mod connection_limit;
mod hold_off;
mod relay_access;
mod sender;

pub use connection_limit::set_connection_limit;
pub use hold_off::{HoldOffFor, RelayFailure, Reported, hold_off};
pub use relay_access::{Access, HeldOff, RelayState, end_hold_off, relay_access, requeue_met};
pub use sender::{end_sender_hold_off, hold_off_sender, sender_access};
