use std::{fmt, str::FromStr};

use crate::{
    Class, Lane, Queue, State,
    call::{Answer, Call, UnexpectedAnswer},
    script::{DISCARD_MATCHING, MOVE_MATCHING, RETRY_MATCHING, Script},
};

/// Which emails an operator means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matching {
    state: State,
    class: Option<Class>,
    is_dry: bool,
}

/// Emails cannot be chosen so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoMatch {
    /// Emails in this state cannot be changed so.
    #[error("emails that are {0} cannot be {1}")]
    State(State, What),
    /// Queued and scheduled emails have no class.
    #[error("a class is that of a failure, and emails that are {0} have none")]
    Class(State),
}

/// What is done with emails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// [`retry`](super::retry).
    Retry,
    /// [`discard`](super::discard).
    Discard,
    /// [`move_to_lane`](super::move_to_lane), if they are in another one.
    Move(Lane),
}

/// The progress of a bulk action. It begins with the default one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progressed {
    /// Where to go on; `None` at the end.
    pub cursor: Option<Position>,
    /// How many emails the last call looked at.
    pub looked_at: u64,
    /// How many it changed.
    pub changed: u64,
}

/// Where a bulk action has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position(String);

/// A text that is not a position's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct NoPosition;

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Position {
    type Err = NoPosition;

    fn from_str(text: &str) -> Result<Self, NoPosition> {
        // A cursor of Redis is a number of 64 bits.
        text.parse::<u64>().map(|cursor| Self(cursor.to_string())).map_err(|_| NoPosition)
    }
}

/// About how many emails a call looks at. Each takes Redis 40 us, and three times as long on a busy machine.
const STEP: u64 = 100;

impl Matching {
    /// The emails in a state, and with a class of their last failure if it is given.
    ///
    /// # Errors
    /// That cannot be done with emails in this state, or they have no class.
    pub fn new(what: What, state: State, class: Option<Class>) -> Result<Self, NoMatch> {
        let matching = Self { state, class, is_dry: false };
        match (state, what) {
            (State::Delayed, _) | (State::Failed, What::Retry | What::Discard) => Ok(matching),
            (State::Scheduled | State::Queued, What::Discard | What::Move(_)) if class.is_some() => {
                Err(NoMatch::Class(state))
            }
            (State::Scheduled | State::Queued, What::Discard | What::Move(_)) => Ok(matching),
            _ => Err(NoMatch::State(state, what)),
        }
    }

    /// The same, to be counted and not changed.
    #[must_use]
    pub fn dry(self) -> Self {
        Self { is_dry: true, ..self }
    }
}

/// Does it with some of the emails that match, from a position on; `None` to begin. Call it until the returned position is `None`.
/// An action that was broken off, or whose answer was lost, is repeated without harm.
pub fn change_matching(queue: &Queue, what: What, matching: Matching, position: Option<&Position>) -> Call<Progressed> {
    let script: &'static Script = match what {
        What::Retry => &RETRY_MATCHING,
        What::Discard => &DISCARD_MATCHING,
        What::Move(_) => &MOVE_MATCHING,
    };
    let call = Call::script(script, queue, progressed)
        .argument(matching.state.as_str())
        .argument(matching.class.map(Class::as_str).unwrap_or_default())
        .argument(position.map_or("0", |position| &position.0))
        .number(STEP)
        .number(u8::from(matching.is_dry));
    if let What::Move(lane) = what { call.argument(lane.as_str()) } else { call }
}

fn progressed(answer: &mut Answer) -> Result<Progressed, UnexpectedAnswer> {
    let cursor = Some(answer.text()?).filter(|cursor| cursor != "0").map(Position);
    Ok(Progressed { cursor, looked_at: answer.number()?, changed: answer.number()? })
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Retry => "retried",
            What::Discard => "discarded",
            What::Move(_) => "moved",
        })
    }
}
