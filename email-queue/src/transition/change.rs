use std::time::Duration;

use jiff::Timestamp;

use crate::{
    EmailId, Queue, State,
    call::{Answer, Call, UnexpectedAnswer},
    script::{CANCEL, RESCHEDULE},
};

/// What became of a change that a client asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is done.
    Done,
    /// There is no such email.
    Unknown,
    /// In this state it cannot be done. Nothing was changed.
    Refused(State),
}

/// Takes back an email that no worker has claimed: one that is queued, scheduled, or waits for a retry. It is kept for
/// `retention`, where it does not say itself.
///
/// Sent once more because its answer was lost, it says again that it is done, where one that a client asks for anew is
/// refused as too late.
pub fn cancel(queue: &Queue, id: EmailId, retention: Duration) -> Call<Changed> {
    Call::script(&CANCEL, queue, changed).number(id).milliseconds(retention).marked_when_resent()
}

/// Moves the time of an email that is scheduled. Sent once more because its answer was lost, it says again that it is
/// done, also where the email has become due by it.
pub fn reschedule(queue: &Queue, id: EmailId, due: Timestamp) -> Call<Changed> {
    Call::script(&RESCHEDULE, queue, changed).number(id).number(due.as_millisecond()).marked_when_resent()
}

fn changed(answer: &mut Answer) -> Result<Changed, UnexpectedAnswer> {
    Ok(match answer.number()? {
        0 => Changed::Unknown,
        1 => Changed::Done,
        2 => Changed::Refused(answer.text()?.parse().map_err(|()| UnexpectedAnswer)?),
        _ => return Err(UnexpectedAnswer),
    })
}
