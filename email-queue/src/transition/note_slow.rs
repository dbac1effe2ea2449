use super::ClaimRef;
use crate::{Queue, call::Call, script::NOTE_SLOW};

/// Notes in emails that `worker` has in flight that their delivery takes long, for whoever looks them up meanwhile. The
/// answer says in how many: not in those that are no longer this claim's.
pub fn note_slow(queue: &Queue, worker: &str, claims: &[ClaimRef], text: &str) -> Call<u64> {
    let call = Call::script(&NOTE_SLOW, queue, |answer| answer.number()).argument(worker).argument(text);
    claims.iter().fold(call, |call, &claim| call.claim(claim))
}
