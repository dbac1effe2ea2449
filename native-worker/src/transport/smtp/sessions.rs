//! The sessions with a server: which are idle, how many are open, and whether one more may be opened.

use std::time::Duration;

use email_queue::Class;
use tokio::time::Instant;

use super::limit::{ConnectionLimit, EmailKey, LimitEstimate};

/// How long a session may be idle. By RFC 5321 4.5.3.2.7 servers close one after five minutes at the earliest; many do
/// sooner.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(30);

pub(super) struct Sessions<S> {
    /// Idle sessions, the one used last at the end.
    idle: Vec<Idle<S>>,
    /// How many sessions there are, including those that are being opened.
    open: usize,
    /// How many are being opened.
    connecting: usize,
    /// Whether the server has accepted a sender since it last refused, or lost, a session.
    works: bool,
    estimate: LimitEstimate,
}

struct Idle<S> {
    session: S,
    since: Instant,
}

/// An idle session, or the right to open one, which counts as open from then on.
pub(super) enum Next<S> {
    Idle(S),
    Connect,
}

impl<S> Sessions<S> {
    pub(super) fn new() -> Self {
        Self { idle: Vec::new(), open: 0, connecting: 0, works: false, estimate: LimitEstimate::default() }
    }

    /// What an email can have now, if anything; with `new` no idle session.
    pub(super) fn next(&mut self, new: bool, limit: &ConnectionLimit) -> Option<Next<S>> {
        while !new && let Some(idle) = self.idle.pop() {
            // The one used last comes first, so that sessions that are not needed become idle for long.
            if idle.since.elapsed() < MAX_IDLE {
                return Some(Next::Idle(idle.session));
            }
            self.open -= 1;
        }
        let at_once = if self.works { self.established().max(1) } else { 1 };
        if self.connecting >= at_once {
            return None;
        }
        if limit.get().is_some_and(|limit| self.open >= limit) {
            if new && !self.idle.is_empty() {
                self.idle.remove(0);
                self.open -= 1;
            } else if self.connecting > 0 || !self.estimate.raise(limit, Instant::now()) {
                return None;
            }
        }
        self.open += 1;
        self.connecting += 1;
        Some(Next::Connect)
    }

    /// Keeps a session for the next email.
    pub(super) fn put_back(&mut self, session: S) {
        self.idle.push(Idle { session, since: Instant::now() });
    }

    /// Removes and returns the sessions that have been idle for so long.
    pub(super) fn take_idle(&mut self, for_at_least: Duration) -> Vec<S> {
        let fresh = self.idle.partition_point(|idle| idle.since.elapsed() >= for_at_least);
        let old: Vec<_> = self.idle.drain(..fresh).map(|idle| idle.session).collect();
        self.open -= old.len();
        old
    }

    /// Whether there are more sessions than the limit.
    pub(super) fn exceed(&self, limit: &ConnectionLimit) -> bool {
        limit.get().is_some_and(|limit| self.open > limit)
    }

    /// A session was closed.
    pub(super) fn closed(&mut self) {
        self.open -= 1;
    }

    /// A session was opened.
    pub(super) fn connected(&mut self, limit: &ConnectionLimit) {
        self.connecting -= 1;
        let established = self.established();
        self.estimate.opened(limit, established);
    }

    /// No session was opened.
    pub(super) fn not_connected(&mut self) {
        self.open -= 1;
        self.connecting -= 1;
    }

    /// The server has accepted a sender. Returns whether that is new.
    pub(super) fn works(&mut self) -> bool {
        !std::mem::replace(&mut self.works, true)
    }

    /// The server closed a session or did not answer.
    pub(super) fn doubt(&mut self) {
        self.works = false;
    }

    /// No session was opened because of a fault of this class. Returns whether the server only refuses more sessions
    /// beside the open ones.
    pub(super) fn is_limited(&mut self, class: Class, limit: &ConnectionLimit) -> bool {
        let established = self.established();
        let may_be_a_limit = matches!(class, Class::Connection | Class::Throttled | Class::Timeout);
        let is_limited = established > 0 && may_be_a_limit;
        if is_limited {
            self.estimate.refused(limit, established, Instant::now());
        }
        is_limited
    }

    /// A new session could not be used for this email because of a fault of this class. Returns whether the server may
    /// only refuse more sessions beside the open ones.
    pub(super) fn may_be_limited(&mut self, class: Class, email: EmailKey, limit: &ConnectionLimit) -> bool {
        let established = self.established();
        let may_be_limited = established > 0 && class == Class::Throttled;
        if may_be_limited {
            self.estimate.refused_email(email, limit, established, Instant::now());
        }
        may_be_limited
    }

    /// The server cannot be used. Returns whether no other session is open.
    pub(super) fn down(&mut self, limit: &ConnectionLimit) -> bool {
        self.works = false;
        let is_down = self.established() == 0;
        if is_down {
            self.estimate.down(limit, Instant::now());
        }
        is_down
    }

    /// How many there are, those included that are being opened, and how many of them are idle.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.open, self.idle.len())
    }

    fn established(&self) -> usize {
        self.open - self.connecting
    }
}
