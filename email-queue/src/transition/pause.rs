use crate::{
    Lane, Queue,
    call::Call,
    query::{Pauses, pauses},
    script::{PAUSE, RESUME},
};

/// Pauses lanes, or all if none is named: no email of theirs is claimed any more, until they are [resumed](resume). What is in
/// flight is delivered, and emails are accepted as before. Returns what is paused then.
///
/// May be repeated without harm.
pub fn pause(queue: &Queue, lanes: &[Lane]) -> Call<Pauses> {
    with_lanes(Call::script(&PAUSE, queue, pauses), lanes)
}

/// Resumes lanes, or all if none is named: workers claim their emails within about a second. Returns what is still paused.
///
/// May be repeated without harm.
pub fn resume(queue: &Queue, lanes: &[Lane]) -> Call<Pauses> {
    with_lanes(Call::script(&RESUME, queue, pauses), lanes)
}

fn with_lanes<T>(call: Call<T>, lanes: &[Lane]) -> Call<T> {
    let lanes = if lanes.is_empty() { &Lane::ALL } else { lanes };
    lanes.iter().fold(call, |call, lane| call.argument(lane.as_str()))
}
