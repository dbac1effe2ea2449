//! The moves of an email from state to state: one Lua script each, beside the function that calls it.
//!
//! A script is atomic and uses Redis' clock, so a crash never leaves an email half moved, and no worker's clock
//! matters. Running a [`Call`] sends it.
//!
//! - [`enqueue`]: the API accepts a client's emails, and lists or schedules them; [`make_room`]: where there is no room for
//!   them, bodies of emails that have ended are removed;
//! - [`claim`]: a worker claims emails, under a lease;
//! - [`finish`]: a worker records outcomes, and claims the next emails;
//! - [`extend`]: the worker renews its lease; [`release`]: a stopping worker requeues what it has not begun;
//! - [`name_sender`], [`note_slow`]: the worker changes or marks an email that it has in flight;
//! - [`cancel`], [`reschedule`]: a client takes an email back, or changes its time;
//! - [`hold_off`], [`ask_relay`], [`relay_well`], [`learn_limit`]: a relay fails, is probed, and works again;
//!   [`hold_sender`], [`ask_sender`], [`sender_well`]: the same for one sender there.

mod ask_relay;
mod change;
mod claim;
mod claim_ref;
mod enqueue;
mod extend;
mod finish;
mod hold_off;
mod make_room;
mod name_sender;
mod note_slow;
mod progress;
mod release;
mod sender;

pub use ask_relay::{Access, Held, RelayState, ask_relay, learn_limit, relay_well};
pub use change::{Changed, cancel, reschedule};
pub use claim::{ByteBudget, Claim, Claimed, Claims, LARGEST, PoppedEntry, claim};
pub use claim_ref::ClaimRef;
pub use enqueue::{Enqueue, Enqueued, Idempotency, NewEmail, enqueue};
pub use extend::{Extended, extend};
pub use finish::{Finish, Finished, Next, Outcome, Periods, finish};
pub use hold_off::{HeldOff, HoldOffFor, RelayFailure, hold_off};
pub use make_room::{Room, RoomFor, make_room};
pub use name_sender::name_sender;
pub use note_slow::note_slow;
pub use progress::{Progress, RecipientRefusal};
pub use release::release;
pub use sender::{ask_sender, hold_sender, sender_well};
