use super::ClaimRef;
use crate::{Queue, call::Call, script::RELEASE};

/// Requeues what a stopping worker has claimed and not begun, at the front of its lane. Removes the worker's lease,
/// unless emails are left to expire with it. `claims` are in order of claiming. Counts no attempt.
///
/// Returns how many were requeued.
pub fn release(queue: &Queue, worker: &str, claims: &[ClaimRef]) -> Call<u64> {
    let call = Call::script(&RELEASE, queue, |answer| answer.number()).argument(worker);
    claims.iter().fold(call, |call, &claim| call.claim(claim))
}
