use std::fmt;

use crate::{
    Class, Queue, State,
    call::{Answer, Call, UnexpectedAnswer},
    script::{DISCARD_MATCHING, RETRY_MATCHING, Script},
};

/// Which emails an operator means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matching {
    state: State,
    class: Option<Class>,
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

/// About how many emails a call looks at. Each takes Redis up to 40 us.
const STEP: u64 = 200;

impl Matching {
    /// The emails in a state, and with a class of their last failure if it is given.
    ///
    /// # Errors
    /// That cannot be done with emails in this state, or they have no class.
    pub fn new(what: What, state: State, class: Option<Class>) -> Result<Self, NoMatch> {
        match (state, what) {
            (State::Failed | State::Delayed, _) => Ok(Self { state, class }),
            (State::Scheduled | State::Queued, What::Discard) if class.is_some() => Err(NoMatch::Class(state)),
            (State::Scheduled | State::Queued, What::Discard) => Ok(Self { state, class }),
            _ => Err(NoMatch::State(state, what)),
        }
    }
}

/// Does it with some of the emails that match, from a position on; `None` to begin. Call it until the returned position is `None`.
/// An action that was broken off, or whose answer was lost, is repeated without harm.
pub fn change_matching(queue: &Queue, what: What, matching: Matching, position: Option<&Position>) -> Call<Progressed> {
    let script: &'static Script = match what {
        What::Retry => &RETRY_MATCHING,
        What::Discard => &DISCARD_MATCHING,
    };
    Call::script(script, queue, progressed)
        .argument(matching.state.as_str())
        .argument(matching.class.map(Class::as_str).unwrap_or_default())
        .argument(position.map_or("0", |position| &position.0))
        .number(STEP)
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
        })
    }
}
