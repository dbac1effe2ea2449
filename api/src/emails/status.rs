//! The names of states in requests.

use email_queue::State;

/// A state by its `last_event` or by its own name.
pub(super) fn parse_state(word: &str) -> Option<State> {
    if word == State::Delayed.last_event() { Some(State::Delayed) } else { word.parse().ok() }
}
