use super::ClaimRef;
use crate::{Queue, call::Call, script::MARK_SLOW};

/// Marks emails that `worker` has in flight as slow, for clients that look them up. Returns how many were still in
/// flight under their claim.
pub fn mark_slow(queue: &Queue, worker: &str, claims: &[ClaimRef], text: &str) -> Call<u64> {
    let call = Call::script(&MARK_SLOW, queue, |answer| answer.number()).argument(worker).argument(text);
    claims.iter().fold(call, |call, &claim| call.claim(claim))
}
