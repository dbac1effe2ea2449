use crate::{Queue, call::Call, script::MARK_VERSION};

/// The version of the keys and fields of a queue that this crate reads and writes. It changes where one of an earlier
/// version would misread what is there.
pub const KNOWN_VERSION: &str = "1";

/// Asks for the version of a queue, and gives it [`KNOWN_VERSION`] if it has none, as all queues of before there were
/// versions. The scripts of the API refuse a queue of another one, with [`Refusal::OtherVersion`](crate::Refusal).
pub fn mark_version(queue: &Queue) -> Call<String> {
    Call::script(&MARK_VERSION, queue, |answer| answer.text())
}
