use crate::{Queue, call::Call, script::MAKE_ROOM};

/// What room is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoomFor {
    /// New emails, within a limit for all records.
    Bytes {
        /// The limit for all records, in bytes.
        limit: u64,
        /// The size of the new records, in bytes.
        asked: u64,
    },
    /// A command that Redis refused because it is full.
    Memory {
        /// How many bytes to free.
        bytes: u64,
        /// Whether Redis refused it although it accepts other writes.
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

/// Removes bodies of ended emails, those first whose retention ends first, until there is room. The rest of their
/// records stays. Bounded, so it may have to be called again.
pub fn make_room(queue: &Queue, room_for: RoomFor) -> Call<Room> {
    let call = Call::script(&MAKE_ROOM, queue, |answer| {
        Ok(Room { freed: answer.number()?, enough: answer.flag()?, more: answer.flag()? })
    });
    match room_for {
        RoomFor::Bytes { limit, asked } => call.number(limit).number(asked).number(0),
        RoomFor::Memory { bytes, again } => call.argument("").number(bytes).number(u8::from(again)),
    }
}
