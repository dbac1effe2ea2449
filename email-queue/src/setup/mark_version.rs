use crate::{Queue, call::Call, script::MARK_VERSION};

/// The version of a queue's keys and fields that this crate supports. It changes when an earlier version would misread
/// them.
pub const KNOWN_VERSION: &str = "1";

/// Reads the version of a queue. Sets version 1 if there is none, as in queues older than versions. The API's
/// scripts refuse other versions with [`Refusal::OtherVersion`](crate::Refusal).
pub fn mark_version(queue: &Queue) -> Call<String> {
    Call::script(&MARK_VERSION, queue, |answer| answer.text())
}
