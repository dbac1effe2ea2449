//! Whether emails may be handed to the relay, by the last answer of Redis and the failures since.

use email_queue::EmailId;
use tokio::sync::watch;

use crate::transport::Failure;

/// Whether this worker may send to the relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum State {
    /// Emails may be handed to the relay.
    Open,
    /// No email may be handed over, because of this failure.
    Closed(Failure),
    /// The next email may be handed over, as a probe.
    ProbeDue(Failure),
    /// Only this email may be handed over: it is the probe.
    Probing(Failure, EmailId),
}

/// The state, and its moves.
pub(crate) struct Gate(watch::Sender<State>);

impl Gate {
    /// Open.
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(State::Open))
    }

    /// The state, now and whenever it changes.
    pub(crate) fn watch(&self) -> watch::Receiver<State> {
        self.0.subscribe()
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.0.borrow() == State::Open
    }

    /// Whether an email may be handed to the relay now, or why not.
    pub(crate) fn admits(&self, id: EmailId) -> Result<(), Failure> {
        match &*self.0.borrow() {
            State::Open => Ok(()),
            State::Probing(_, probe) if *probe == id => Ok(()),
            State::Closed(why) | State::ProbeDue(why) | State::Probing(why, _) => Err(why.clone()),
        }
    }

    /// Whether this email is the probe.
    pub(crate) fn is_probe(&self, id: EmailId) -> bool {
        matches!(&*self.0.borrow(), State::Probing(_, probe) if *probe == id)
    }

    /// Opens the gate. Returns whether it was closed.
    pub(crate) fn open(&self) -> bool {
        self.0.send_replace(State::Open) != State::Open
    }

    pub(crate) fn close(&self, why: Failure) {
        self.0.send_replace(State::Closed(why));
    }

    /// Lets the next email probe, unless a probe is due or in progress.
    pub(crate) fn allow_probe(&self, why: Failure) {
        self.change(|state| match state {
            State::ProbeDue(_) | State::Probing(..) => None,
            State::Open | State::Closed(_) => Some(State::ProbeDue(why.clone())),
        });
    }

    /// The same if the gate is closed, for the reason that it has.
    pub(crate) fn allow_probe_if_closed(&self) {
        self.change(|state| match state {
            State::Closed(why) => Some(State::ProbeDue(why.clone())),
            State::Open | State::ProbeDue(_) | State::Probing(..) => None,
        });
    }

    /// Ends the right to probe.
    pub(crate) fn revoke_probe(&self) {
        self.change(|state| match state {
            State::ProbeDue(why) | State::Probing(why, _) => Some(State::Closed(why.clone())),
            State::Open | State::Closed(_) => None,
        });
    }

    /// Makes this email the probe, if one is due.
    pub(crate) fn probe_with(&self, id: EmailId) {
        self.change(|state| match state {
            State::ProbeDue(why) => Some(State::Probing(why.clone(), id)),
            _ => None,
        });
    }

    /// If this email was the probe, lets another email probe.
    pub(crate) fn not_tried(&self, id: EmailId) {
        self.change(|state| match state {
            State::Probing(why, probe) if *probe == id => Some(State::ProbeDue(why.clone())),
            _ => None,
        });
    }

    fn change(&self, next: impl FnOnce(&State) -> Option<State>) {
        self.0.send_if_modified(|state| match next(state) {
            Some(next) => {
                *state = next;
                true
            }
            None => false,
        });
    }
}

#[cfg(test)]
mod tests {
    use email_queue::Class;

    use super::*;

    #[test]
    fn one_email_is_the_probe_and_another_replaces_it_if_it_was_not_tried() {
        let gate = Gate::new();
        let (first, second) = (EmailId::new(), EmailId::new());
        let why = Failure::new(Class::Connection, "refused");
        gate.probe_with(first);
        assert!(gate.is_open() && gate.admits(first).is_ok(), "there is nothing to probe");
        gate.close(why.clone());
        gate.probe_with(first);
        assert_eq!(gate.admits(first), Err(why.clone()), "another worker probes");
        gate.allow_probe(why.clone());
        assert_eq!(gate.admits(first), Err(why.clone()), "it is not the probe yet");
        gate.probe_with(first);
        gate.probe_with(second);
        gate.allow_probe(why.clone());
        assert!(gate.admits(first).is_ok() && gate.admits(second).is_err());
        gate.not_tried(second);
        gate.not_tried(first);
        gate.probe_with(second);
        assert!(gate.admits(first).is_err() && gate.is_probe(second));
        gate.revoke_probe();
        assert!(gate.admits(second).is_err());
        assert!(gate.open() && !gate.open());
    }
}
