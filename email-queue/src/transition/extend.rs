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
    /// The time by Redis' clock.
    pub now: Timestamp,
    /// Whether what the worker was started with is stored; if not, [`describe_worker`](crate::setup::describe_worker) stores it.
    pub is_described: bool,
    /// For each email of the call, whether it is still in flight under its claim.
    pub in_flight: Vec<bool>,
}

/// Renews the lease of `worker`, to end `lease` from now. Call it well before the lease ends, also with nothing in
/// flight.
///
/// `claims` are all emails that the worker has. An email that is in flight in Redis and not among them is requeued if it
/// was claimed longer ago than `on_its_way`, because the reply must have been lost. This does not count as a recovery.
pub fn extend(
    queue: &Queue,
    worker: &str,
    lease: Duration,
    on_its_way: Duration,
    claims: &[ClaimRef],
) -> Call<Extended> {
    let call = Call::script(&EXTEND, queue, |answer| {
        let now = Timestamp::from_millisecond(answer.number()?).map_err(|_| UnexpectedAnswer)?;
        Ok(Extended { now, is_described: answer.flag()?, in_flight: answer.flags()? })
    });
    let call = call.argument(worker).milliseconds(lease).milliseconds(on_its_way);
    claims.iter().fold(call, |call, &claim| call.claim(claim))
}
