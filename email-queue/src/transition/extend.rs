use std::time::Duration;

use jiff::Timestamp;

use super::ClaimRef;
use crate::{
    Queue,
    call::{Call, UnexpectedAnswer},
    script::EXTEND,
};

/// The answer to [`extend`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extended {
    /// What time it is by the clock of Redis.
    pub now: Timestamp,
    /// For each email named whether it is still this claim's.
    pub held: Vec<bool>,
}

/// Renews the lease of all emails that `worker` has in flight, to end `lease` from now, and says that it is alive. To be
/// called well before the lease ends, also with nothing in flight.
///
/// `claims` are all that the worker knows of. An email that it was given and does not name is given back when that was
/// longer ago than `on_its_way`, because the answer must have been lost. That counts as no recovery.
pub fn extend(
    queue: &Queue,
    worker: &str,
    lease: Duration,
    on_its_way: Duration,
    claims: &[ClaimRef],
) -> Call<Extended> {
    let call = Call::script(&EXTEND, queue, |answer| {
        let now = Timestamp::from_millisecond(answer.number()?).map_err(|_| UnexpectedAnswer)?;
        Ok(Extended { now, held: answer.flags()? })
    });
    let call = call.argument(worker).milliseconds(lease).milliseconds(on_its_way);
    claims.iter().fold(call, |call, &claim| call.claim(claim))
}
