use super::MAKE_ROOM;
use crate::{Queue, redis::Call};

/// What [`make_room`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many bytes became free.
    pub freed: u64,
    /// Whether another call may free more.
    pub more: bool,
}

/// Removes bodies of emails that have ended, those first that are forgotten first, until `wanted` bytes are free, where there is
/// no room for new emails. What else is known of those that have ended stays. Bounded, so that it may have to be called again.
pub fn make_room(queue: &Queue, wanted: u64) -> Call<Room> {
    Call::script(&MAKE_ROOM, queue, |answer| Ok(Room { freed: answer.number()?, more: answer.flag()? })).number(wanted)
}
