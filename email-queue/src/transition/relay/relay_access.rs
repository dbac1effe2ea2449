use std::time::Duration;

use crate::{
    Class, EmailId, Queue, Relay,
    call::{Answer, Call, UnexpectedAnswer},
    script::{END_HOLD_OFF, RELAY_ACCESS, REQUEUE_MET},
};

/// The state of a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayState {
    /// Whether emails may be sent to it now.
    pub access: Access,
    /// Whether the emails of some sender are held off there: see [`sender_access`](super::sender_access).
    pub senders_held_off: bool,
    /// Its connection limit, if a worker has learned one.
    pub limit: Option<usize>,
    /// Emails of other shards that met the failure: see [`requeue_met`].
    pub elsewhere: Vec<EmailId>,
}

/// Whether a worker may send to a relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// It may send.
    Free,
    /// The relay is held off.
    HeldOff(HeldOff),
    /// This worker may probe the relay with one email, until it reports the result. It loses the probe if it
    /// does not call again in time.
    Probe(HeldOff),
}

/// Why a relay is held off, and for how long at least.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOff {
    /// Until it is probed, or another worker's probe must have ended.
    pub wait: Duration,
    /// The class of the failure.
    pub class: Class,
    /// What happened, for people.
    pub error: String,
}

/// Returns whether `worker` may send to a relay. A probe is reserved for `lease`.
///
/// A worker that has just `begun` does not wait for the back-off, because its configuration may be the corrected one.
pub fn relay_access(queue: &Queue, worker: &str, relay: &Relay, begun: bool, lease: Duration) -> Call<RelayState> {
    let call = Call::script(&RELAY_ACCESS, queue, |answer| {
        let (what, wait) = (answer.number::<u8>()?, Duration::from_millis(answer.number()?));
        let class = answer.optional()?.unwrap_or(Class::Internal);
        let held_off = HeldOff { wait, class, error: answer.optional_text()?.unwrap_or_default() };
        let access = match what {
            0 => Access::Free,
            1 => Access::HeldOff(held_off),
            2 => Access::Probe(held_off),
            _ => return Err(UnexpectedAnswer),
        };
        let senders_held_off = answer.flag()?;
        let limit = Some(answer.number()?).filter(|limit| *limit > 0);
        Ok(RelayState { access, senders_held_off, limit, elsewhere: ids(answer)? })
    });
    call.argument(worker).argument(relay.key()).number(u8::from(begun)).milliseconds(lease)
}

/// Ends the hold-off after a successful probe by `worker`. Returns the emails of other shards that met the failure, which are to be
/// requeued by [`requeue_met`]. `None` if this worker does not hold the probe; then nothing has changed.
pub fn end_hold_off(queue: &Queue, worker: &str, relay: &Relay) -> Call<Option<Vec<EmailId>>> {
    let call =
        Call::script(&END_HOLD_OFF, queue, |answer| if answer.flag()? { ids(answer).map(Some) } else { Ok(None) });
    call.argument(worker).argument(relay.key())
}

/// Requeues emails that are delayed because they met the failure of a relay.
pub fn requeue_met(queue: &Queue, emails: &[EmailId]) -> Call<()> {
    let call = Call::script(&REQUEUE_MET, queue, |answer| answer.flag().map(drop));
    emails.iter().fold(call, |call, id| call.number(id))
}

/// Ids as text; what is none is left out.
fn ids(answer: &mut Answer) -> Result<Vec<EmailId>, UnexpectedAnswer> {
    let ids = answer.optional_text()?.unwrap_or_default();
    Ok(ids.split(' ').filter_map(|id| id.parse().ok()).collect())
}
