use jiff::Timestamp;
use serde::Serialize;

use crate::{
    Lane, Queue,
    call::{Answer, Call, UnexpectedAnswer},
    script::PAUSED,
};

/// Which lanes of a queue are paused, the most urgent first, and since when. While a lane is paused, none of its emails is handed out.
pub type Pauses = Vec<(Lane, Timestamp)>;

/// The lanes of a queue that are paused, over all of its shards: as JSON the answer to a pause and to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PausedLanes {
    object: &'static str,
    /// Those that are paused, in all shards or in some.
    pub paused: Vec<Lane>,
    /// Those of them that are not paused in all shards.
    pub partly_paused: Vec<Lane>,
}

impl PausedLanes {
    /// Of the pauses of each shard.
    #[must_use]
    pub fn of(shards: &[Pauses]) -> Self {
        let count = |lane| shards.iter().filter(|pauses| pauses.iter().any(|(paused, _)| *paused == lane)).count();
        let paused: Vec<_> = Lane::ALL.into_iter().filter(|lane| count(*lane) > 0).collect();
        let partly_paused = paused.iter().copied().filter(|lane| count(*lane) < shards.len()).collect();
        Self { object: "queue", paused, partly_paused }
    }
}

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
