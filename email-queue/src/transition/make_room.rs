use crate::{Queue, call::Call, script::MAKE_ROOM};

/// For what there is to be room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomFor {
    /// Emails of so many bytes, where all may have no more than `limit`.
    Bytes {
        /// How many the records of all emails may have.
        limit: u64,
        /// How many the new ones have.
        asked: u64,
    },
    /// Whatever a Redis that is full has refused: so many bytes are to become free.
    Memory {
        /// How many.
        bytes: u64,
        /// Whether it has refused that although others find room.
        again: bool,
    },
}

/// What [`make_room`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// How many bytes became free.
    pub freed: u64,
    /// Whether there is room now; perhaps another call has made it.
    pub enough: bool,
    /// Whether another call may free more.
    pub more: bool,
}

/// Removes bodies of emails that have ended, those first that are forgotten first, until there is room. What else is known of
/// those that have ended stays. Bounded, so that it may have to be called again.
pub fn make_room(queue: &Queue, room_for: RoomFor) -> Call<Room> {
    let call = Call::script(&MAKE_ROOM, queue, |answer| {
        Ok(Room { freed: answer.number()?, enough: answer.flag()?, more: answer.flag()? })
    });
    match room_for {
        RoomFor::Bytes { limit, asked } => call.number(limit).number(asked).number(0),
        RoomFor::Memory { bytes, again } => call.argument("").number(bytes).number(u8::from(again)),
    }
}
