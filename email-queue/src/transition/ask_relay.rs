use std::time::Duration;

use crate::{
    Class, Queue, Relay,
    call::{Call, UnexpectedAnswer},
    script::{ASK_RELAY, RELAY_WELL},
};

/// The state of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayState {
    /// Whether it accepts emails now.
    pub access: Access,
    /// Whether the emails of some sender are held off there: see [`ask_sender`](super::ask_sender).
    pub holds_senders: bool,
    /// Its connection limit, if a worker has learned one.
    pub limit: Option<usize>,
}

/// Whether a worker may send to a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It may.
    Free,
    /// The relay is held off.
    Held(Held),
    /// This worker may probe the relay with one email, until it reports the result. It loses the probe if it does not
    /// ask again in time.
    Probe(Held),
}

/// Why a relay is held off, and for how long at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Until it is probed, or another worker's probe must have ended.
    pub wait: Duration,
    /// The class of the failure.
    pub class: Class,
    /// What happened, for people.
    pub error: String,
}

/// Asks whether `worker` may send to a relay. A probe is reserved for `lease`.
///
/// A worker that has just `begun` does not wait for the back-off, because its configuration may be the corrected one.
pub fn ask_relay(queue: &Queue, worker: &str, relay: &Relay, begun: bool, lease: Duration) -> Call<RelayState> {
    let call = Call::script(&ASK_RELAY, queue, |answer| {
        let (what, wait) = (answer.number::<u8>()?, Duration::from_millis(answer.number()?));
        let class = answer.optional()?.unwrap_or(Class::Internal);
        let held = Held { wait, class, error: answer.optional_text()?.unwrap_or_default() };
        let access = match what {
            0 => Access::Free,
            1 => Access::Held(held),
            2 => Access::Probe(held),
            _ => return Err(UnexpectedAnswer),
        };
        let holds_senders = answer.flag()?;
        Ok(RelayState { access, holds_senders, limit: Some(answer.number()?).filter(|limit| *limit > 0) })
    });
    call.argument(worker).argument(relay.key()).number(u8::from(begun)).milliseconds(lease)
}

/// Ends the hold-off after a successful probe by `worker`. Returns whether this worker holds the probe; if not, nothing
/// has changed.
pub fn relay_well(queue: &Queue, worker: &str, relay: &Relay) -> Call<bool> {
    Call::script(&RELAY_WELL, queue, |answer| answer.flag()).argument(worker).argument(relay.key())
}

/// Stores a relay's connection limit for other workers ([`HSET`](https://redis.io/docs/latest/commands/hset/)); `None`
/// removes it.
pub fn learn_limit(queue: &Queue, relay: &Relay, limit: Option<usize>) -> Call<()> {
    let call = Call::plain("HSET", |answer| answer.next().map(drop)).argument(queue.relay(relay));
    call.argument("limit").number(limit.unwrap_or(0))
}
