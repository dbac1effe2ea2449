use crate::{Queue, call::Call, script::READY};

/// Asks whether an email could be accepted now. Writes nothing, and fails as [`enqueue`](super::enqueue) would: where Redis is
/// full or a replica, is a node of a cluster that does not hold the queue, or has something else than a list for a lane.
pub fn ready(queue: &Queue) -> Call<()> {
    Call::script(&READY, queue, |answer| answer.number::<u8>().map(drop))
}
