use std::time::Duration;

use super::{ClaimRef, EXTEND, MAX_RECOVERIES, flags, milliseconds};
use crate::{Queue, redis::Call};

/// Renews the lease of all emails that `worker` has in hand, to end `lease` from now, and says that it is alive. To be
/// called well before the lease ends, also with nothing in hand.
///
/// `claims` are all that the worker knows of. An email that it was given and does not name is taken back a lease after
/// that, because the answer must have been lost. The answer says for each one named whether it is still this claim's.
pub fn extend(queue: &Queue, worker: &str, lease: Duration, claims: &[ClaimRef]) -> Call<Vec<bool>> {
    let call = Call::script(&EXTEND, queue, flags);
    let call = call.argument(worker).number(milliseconds(lease)).number(MAX_RECOVERIES);
    claims.iter().fold(call, |call, &claim| call.claim(claim))
}
