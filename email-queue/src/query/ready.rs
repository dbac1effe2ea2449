use crate::{Queue, call::Call, script::READY};

/// Checks whether an email could be accepted now. Writes nothing, and fails as [`enqueue`](crate::transition::enqueue) would: if
/// Redis is full or a replica, a cluster node does not hold the queue, or a lane's key is not a list.
pub fn ready(queue: &Queue) -> Call<()> {
    Call::script(&READY, queue, |answer| answer.number::<u8>().map(drop))
}
