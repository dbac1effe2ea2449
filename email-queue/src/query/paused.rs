use jiff::Timestamp;

use crate::{
    Lane, Queue,
    call::{Answer, Call, UnexpectedAnswer},
    script::PAUSED,
};

/// Which lanes of a queue are paused, the most urgent first, and since when. While a lane is paused, none of its emails is handed out.
pub type Pauses = Vec<(Lane, Timestamp)>;

/// Which lanes are paused.
pub fn paused(queue: &Queue) -> Call<Pauses> {
    Call::script(&PAUSED, queue, pauses)
}

pub(crate) fn pauses(answer: &mut Answer) -> Result<Pauses, UnexpectedAnswer> {
    let mut pauses = Pauses::new();
    for lane in Lane::ALL {
        if let Some(since) = time(answer)? {
            pauses.push((lane, since));
        }
    }
    Ok(pauses)
}

/// A time in ms since 1970 as text, or none.
pub(super) fn time(answer: &mut Answer) -> Result<Option<Timestamp>, UnexpectedAnswer> {
    let ms = answer.optional()?;
    ms.map(Timestamp::from_millisecond).transpose().map_err(|_| UnexpectedAnswer)
}
