//! The moves of an email from state to state: one Lua script each, one typed function each.
//!
//! A script is atomic and takes its time from Redis, so no crash leaves an email half moved and no worker's clock
//! matters. Running a [`Call`] sends it.
//!
//! - [`enqueue`]: a client's emails are accepted, and listed or scheduled;
//! - [`claim`]: a worker takes emails, under a lease;
//! - [`finish`]: the worker says what became of them, and takes the next ones;
//! - [`extend`]: it is still at work on them;
//! - [`release`]: it stops, and gives back what it has not begun;
//! - [`sweep`]: whatever nobody holds is moved on;
//! - [`hold_off`], [`ask_relay`], [`relay_well`], [`learn_limit`]: a relay fails, is probed, and works again;
//! - [`hold_sender`], [`ask_sender`], [`sender_well`]: the same for one sender there;
//! - [`note_slow`]: a delivery takes long;
//! - [`cancel`], [`reschedule`]: a client changes its mind;
//! - [`list`], [`depth`]: what there is, and how much is where; [`ready`]: whether more can be accepted;
//! - [`make_room`]: what has ended gives way in a Redis that is full;
//! - [`throttle`]: a client is held to its limit; [`requests_made`], [`period_left`]: how it stands with that;
//! - [`announce_sender`], [`default_sender`], [`name_sender`]: who sends an email for which nobody is named;
//! - [`secret`]: what the links of the API are signed with; [`mark_version`]: which version the keys of the queue have.

mod ask_relay;
mod change;
mod claim;
mod default_from;
mod depth;
mod enqueue;
mod extend;
mod finish;
mod hold_off;
mod list;
mod make_room;
mod note_slow;
mod progress;
mod ready;
mod release;
mod secret;
mod sender;
mod spent;
mod sweep;
mod throttle;
mod version;

pub use ask_relay::{Access, Held, RelayState, ask_relay, learn_limit, relay_well};
pub use change::{Changed, cancel, reschedule};
pub use claim::{ByteBudget, Claim, Claimed, Claims, LARGEST, PoppedEntry, claim};
pub use default_from::{announce_sender, default_sender, name_sender};
pub use depth::{Depth, depth};
pub use enqueue::{Enqueue, Enqueued, Idempotency, NewEmail, enqueue};
pub use extend::{Extended, extend};
pub use finish::{Finish, Finished, Next, Outcome, Periods, finish};
pub use hold_off::{HeldOff, HoldOffFor, RelayFailure, hold_off};
pub use list::{Cursor, Listed, Page, list};
pub use make_room::{Room, RoomFor, make_room};
pub use note_slow::note_slow;
pub use progress::{Progress, RecipientRefusal};
pub use ready::ready;
pub use release::release;
pub use secret::{SECRET_BYTES, secret};
pub use sender::{ask_sender, hold_sender, sender_well};
pub use spent::{period_left, requests_made};
pub use sweep::{Sweep, Swept, Watch, sweep, watch};
pub use throttle::{Allowance, Throttled, throttle};
pub use version::{KNOWN_VERSION, mark_version};

use crate::{
    EmailId,
    call::{Answer, Call, Script, UnexpectedAnswer},
};

include!(concat!(env!("OUT_DIR"), "/scripts.rs"));

/// An email in the hands of a worker.
///
/// The number counts how often the email was claimed; Redis listens only to the last claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ClaimRef {
    /// The email.
    pub id: EmailId,
    /// Which claim of it.
    pub number: u64,
}

/// How often an email may be taken back from dead workers before it becomes a dead letter: an email that kills every
/// worker that touches it must not do so for ever.
pub const MAX_RECOVERIES: u32 = 20;

/// A list of 1 and 0, one for each email of the call.
fn flags(answer: &mut Answer) -> Result<Vec<bool>, UnexpectedAnswer> {
    let mut flags = Vec::new();
    while !answer.is_empty() {
        flags.push(answer.flag()?);
    }
    Ok(flags)
}

impl<T> Call<T> {
    /// A claim, as the scripts compare it: with its number as it stands in the record.
    fn claim(self, claim: ClaimRef) -> Self {
        self.number(claim.id).argument(format!("{:05}", claim.number))
    }
}

fn milliseconds(duration: std::time::Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

/// A hash as the scripts and the names of keys have it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
