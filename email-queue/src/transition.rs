//! The moves of an email from state to state: one Lua script each, beside the function that calls it.
//!
//! A script is atomic and uses Redis' clock, so a crash never leaves an email half moved, and no worker's clock
//! matters. Running a [`Call`] sends it.
//!
//! - [`enqueue`]: the API accepts a client's emails, and queues or schedules them; [`make_room`]: where there is no room for
//!   them, bodies of emails that have ended are removed; [`move_key`]: a client's key for a request moves to another shard;
//! - [`claim`]: a worker claims emails, under a lease;
//! - [`finish`]: a worker records outcomes, and claims the next emails;
//! - [`extend`]: the worker renews its lease; [`release`]: a stopping worker requeues what it has not begun;
//! - [`set_sender`], [`mark_slow`]: the worker changes or marks an email that it has in flight;
//! - [`cancel`], [`reschedule`]: a client cancels an email, or changes its time;
//! - [`retry`], [`discard`], [`move_to_lane`]: an operator sends an email that has failed again, gives it up, or makes it more or
//!   less urgent; [`change_matching`]: the same for
//!   all emails that match, step by step;
//! - [`pause`], [`resume`]: an operator has workers claim nothing of a lane, or of any, and lets them go on;
//! - [`relay`]: a relay fails, is probed, and works again.

mod change;
mod claim;
mod claim_ref;
mod enqueue;
mod extend;
mod finish;
mod make_room;
mod mark_slow;
mod matching;
mod move_key;
mod pause;
mod progress;
pub mod relay;
mod release;
mod set_sender;

pub use change::{Changed, cancel, discard, move_to_lane, reschedule, retry};
pub use claim::{ByteBudget, Claim, Claimed, Claims, LARGEST, PoppedEntry, claim};
pub use claim_ref::ClaimRef;
pub use enqueue::{Enqueue, Enqueued, Idempotency, NewEmail, enqueue};
pub use extend::{Extended, extend};
pub use finish::{Attempt, Finish, Finished, Next, Outcome, Periods, finish};
pub use make_room::{Room, RoomFor, make_room};
pub use mark_slow::mark_slow;
pub use matching::{Matching, NoMatch, NoPosition, Position, Progressed, What, change_matching};
pub use move_key::move_key;
pub use pause::{pause, resume};
pub use progress::{Progress, RecipientRefusal};
pub use release::release;
pub use set_sender::set_sender;
