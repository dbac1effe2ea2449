use std::time::Duration;

use super::{ClaimRef, EXTEND, flags, milliseconds};
use crate::{Queue, redis::Call};

/// Renews the leases of the emails that `worker` has in hand, to end `lease` from now, and says that it is alive. To be
/// called well before the leases end, also with nothing in hand.
///
/// The answer says for each email whether it is still this claim's.
pub fn extend(queue: &Queue, worker: &str, lease: Duration, claims: &[ClaimRef]) -> Call<Vec<bool>> {
    let call = Call::script(&EXTEND, queue, flags).argument(worker).number(milliseconds(lease));
    claims.iter().fold(call, |call, claim| call.number(claim.id).number(claim.number))
}
