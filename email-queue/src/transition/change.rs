use std::time::Duration;

use jiff::Timestamp;

use crate::{
    EmailId, Lane, Queue, State,
    call::{Answer, Call, UnexpectedAnswer},
    script::{CANCEL, DISCARD, MOVE_TO_LANE, RESCHEDULE, RETRY},
};

/// The result of a change that a client or an operator requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// The email was changed.
    Done,
    /// There is no such email.
    Unknown,
    /// In this state it cannot be done. Nothing was changed.
    Refused(State),
}

/// Cancels an email that no worker has claimed: queued, scheduled or delayed. It is kept for its own retention, or for
/// `retention`.
///
/// A repetition after a lost reply reports success again, whereas a client's second request is refused as too late.
pub fn cancel(queue: &Queue, id: EmailId, retention: Duration) -> Call<Changed> {
    Call::script(&CANCEL, queue, changed).number(id).milliseconds(retention).marked_when_resent()
}

/// Reschedules an email that is scheduled. A repetition after a lost reply reports success again, even if the email has
/// become due.
pub fn reschedule(queue: &Queue, id: EmailId, due: Timestamp) -> Call<Changed> {
    Call::script(&RESCHEDULE, queue, changed).number(id).number(due.as_millisecond()).marked_when_resent()
}

/// Retries an email that has failed, or that waits for another attempt: it is queued behind the others of its lane, and its retry
/// period and count of attempts begin anew. Recipients that have accepted it do not get it again; those that refused it are asked
/// once more.
///
/// A repetition after a lost reply reports success also if the email is queued, in flight or sent.
pub fn retry(queue: &Queue, id: EmailId) -> Call<Changed> {
    Call::script(&RETRY, queue, changed).number(id).marked_when_resent()
}

/// Discards an email that has failed, or that no worker has claimed. It is canceled at once, and the next maintenance deletes it,
/// whatever its retention; until then it can be read, and discarding it again succeeds too.
///
/// A repetition after a lost reply reports success also if the email is gone.
pub fn discard(queue: &Queue, id: EmailId) -> Call<Changed> {
    Call::script(&DISCARD, queue, changed).number(id).marked_when_resent()
}

/// Moves an email that waits to another lane: queued, where it then is behind the others, scheduled or delayed.
///
/// A repetition after a lost reply reports success also if a worker has claimed it meanwhile.
pub fn move_to_lane(queue: &Queue, id: EmailId, lane: Lane) -> Call<Changed> {
    Call::script(&MOVE_TO_LANE, queue, changed).number(id).argument(lane.as_str()).marked_when_resent()
}

fn changed(answer: &mut Answer) -> Result<Changed, UnexpectedAnswer> {
    Ok(match answer.number()? {
        0 => Changed::Unknown,
        1 => Changed::Done,
        2 => Changed::Refused(answer.text()?.parse().map_err(|()| UnexpectedAnswer)?),
        _ => return Err(UnexpectedAnswer),
    })
}
