use std::time::Duration;

use crate::{
    Queue,
    call::Call,
    script::{LOCK, UNLOCK},
};

/// What a worker checks once a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// The lock has expired: something may be due for [`maintain`](super::maintain).
    pub maintenance_is_due: bool,
    /// A relay or a sender may be held off: see [`relay_access`](crate::transition::relay_access).
    pub any_held_off: bool,
}

/// Checks for due maintenance and hold-offs. One command ([`MGET`](https://redis.io/docs/latest/commands/mget/)), for
/// each worker once a second.
pub fn watch(queue: &Queue) -> Call<Watch> {
    let call = Call::plain("MGET", |answer| {
        Ok(Watch {
            maintenance_is_due: answer.optional_bytes()?.is_none(),
            any_held_off: answer.optional_bytes()?.is_some(),
        })
    });
    call.argument(queue.lock()).argument(queue.held_off())
}

/// Takes the lock. Returns whether it was free.
pub(super) fn lock(queue: &Queue, length: Duration) -> Call<bool> {
    Call::script(&LOCK, queue, |answer| answer.flag()).milliseconds(length)
}

/// Releases the lock if there is `more` to do at once, and leaves it unchanged if emails wait or were `moved`.
/// Otherwise it lasts until something is due, for `least` to `most`.
pub(super) fn unlock(queue: &Queue, more: bool, moved: bool, least: Duration, most: Duration) -> Call<()> {
    let call = Call::script(&UNLOCK, queue, |_| Ok(()));
    call.number(u8::from(more)).number(u8::from(moved)).milliseconds(least).milliseconds(most)
}
