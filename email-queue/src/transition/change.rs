use std::time::Duration;

use jiff::Timestamp;

use super::{CANCEL, RESCHEDULE, milliseconds};
use crate::{
    EmailId, Queue, State,
    redis::{Answer, Call, UnexpectedAnswer},
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
pub fn cancel(queue: &Queue, id: EmailId, retention: Duration) -> Call<Changed> {
    Call::script(&CANCEL, queue, changed).number(id).number(milliseconds(retention))
}

/// Moves the time of an email that is scheduled.
pub fn reschedule(queue: &Queue, id: EmailId, due: Timestamp) -> Call<Changed> {
    Call::script(&RESCHEDULE, queue, changed).number(id).number(due.as_millisecond())
}

fn changed(answer: &mut Answer) -> Result<Changed, UnexpectedAnswer> {
    Ok(match answer.number()? {
        0 => Changed::Unknown,
        1 => Changed::Done,
        2 => Changed::Refused(answer.text()?.parse().map_err(|()| UnexpectedAnswer)?),
        _ => return Err(UnexpectedAnswer),
    })
}
