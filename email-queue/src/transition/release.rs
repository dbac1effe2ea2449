use super::ClaimRef;
use crate::{Queue, call::Call, script::RELEASE};

/// Gives back what a stopping worker has claimed and not begun, to the front of its lane, and takes the worker off the
/// list of live ones, unless it leaves emails to the end of its lease. `claims` are in the order of claiming. No attempt is counted.
///
/// The answer says how many were given back.
pub fn release(queue: &Queue, worker: &str, claims: &[ClaimRef]) -> Call<u64> {
    let call = Call::script(&RELEASE, queue, |answer| answer.number()).argument(worker);
    claims.iter().fold(call, |call, &claim| call.claim(claim))
}
