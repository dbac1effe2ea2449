//! The state of a pool: idle sessions, the number of open ones, and the waiting emails. Dropping a [`Checkout`] or a
//! [`Slot`] returns it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use email_queue::Class;
use tokio::{sync::oneshot, time::Instant};

use super::limit::{ConnectionLimit, EmailKey, LimitEstimate};
use crate::transport::outcome::{Fault, Scope};

/// How long a session may be idle. By RFC 5321 4.5.3.2.7 servers close one after five minutes at the earliest; many do
/// sooner.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(30);

/// A session that can be pooled.
pub(super) trait Pooled: Send + Sized + 'static {
    /// Closes it in order. Takes a second at the most.
    fn quit(self) -> impl Future<Output = ()> + Send;
}

/// Position in the queue for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Priority {
    /// Behind all others.
    Last,
    /// Before all others: the email has waited already.
    First,
    /// Before all others, and for a new session rather than an idle one.
    FirstWithNew,
}

/// An idle session, or the right to open one.
pub(super) enum Acquired<S: Pooled> {
    Idle(Checkout<S>),
    Connect(Slot<S>),
}

/// A session in use. When it is dropped, the session is closed.
pub(super) struct Checkout<S: Pooled> {
    pub(super) session: S,
    pub(super) slot: Slot<S>,
}

/// The right to have one session with the server, which counts against the limit.
pub(super) struct Slot<S: Pooled> {
    stage: Stage,
    shared: Arc<Shared<S>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Open,
    /// The session, or the fault, was passed to the pool.
    Released,
}

pub(super) struct Shared<S: Pooled> {
    state: Mutex<State<S>>,
    pub(super) limit: ConnectionLimit,
}

struct State<S: Pooled> {
    /// Idle sessions, the one used last at the end.
    idle: Vec<Idle<S>>,
    /// How many sessions there are, including those that are being opened.
    open: usize,
    /// How many are being opened.
    connecting: usize,
    waiting: VecDeque<Waiter<S>>,
    /// Whether the server has accepted a sender since it last refused, or lost, a session.
    works: bool,
    estimate: LimitEstimate,
}

struct Idle<S> {
    session: S,
    since: Instant,
}

struct Waiter<S: Pooled> {
    new: bool,
    acquired: oneshot::Sender<Result<Acquired<S>, Fault>>,
}

impl<S: Pooled> Checkout<S> {
    /// Gives the session back for the next email.
    pub(super) fn put_back(self) {
        let Self { session, mut slot } = self;
        slot.stage = Stage::Released;
        slot.shared.put_back(session);
    }
}

impl<S: Pooled> Slot<S> {
    /// A session was opened.
    pub(super) fn connected(mut self, session: S) -> Checkout<S> {
        self.stage = Stage::Open;
        self.shared.connected();
        Checkout { session, slot: self }
    }

    /// No session could be opened. Returns the fault, unless the server only refuses more sessions beside the open
    /// ones, which is waited for.
    pub(super) fn not_connected(mut self, fault: Fault) -> Option<Fault> {
        self.stage = Stage::Released;
        self.shared.not_connected(Some(fault))
    }

    /// The server has accepted a sender.
    pub(super) fn works(&self) {
        self.shared.works();
    }

    /// Reports that the server closed the session or did not answer. The pool then opens one connection at a time.
    pub(super) fn doubt(self) {
        self.shared.lock().works = false;
    }

    /// The session was new, and could not be used for this email.
    pub(super) fn useless(mut self, fault: &Fault, email: EmailKey) {
        self.stage = Stage::Released;
        self.shared.useless(fault, email);
    }
}

impl<S: Pooled> Drop for Slot<S> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Connecting => drop(self.shared.not_connected(None)),
            Stage::Open => self.shared.closed(),
            Stage::Released => {}
        }
    }
}

impl<S: Pooled> Shared<S> {
    pub(super) fn new() -> Self {
        let state = State {
            idle: Vec::new(),
            open: 0,
            connecting: 0,
            waiting: VecDeque::new(),
            works: false,
            estimate: LimitEstimate::default(),
        };
        Self { state: Mutex::new(state), limit: ConnectionLimit::default() }
    }

    /// Adds a waiter.
    pub(super) fn wait(self: &Arc<Self>, priority: Priority) -> oneshot::Receiver<Result<Acquired<S>, Fault>> {
        let (acquired, granted) = oneshot::channel();
        let waiter = Waiter { new: priority == Priority::FirstWithNew, acquired };
        let mut state = self.lock();
        match priority {
            Priority::Last => state.waiting.push_back(waiter),
            Priority::First | Priority::FirstWithNew => state.waiting.push_front(waiter),
        }
        self.grant(state);
        granted
    }

    /// Takes out the sessions that have been idle for so long.
    pub(super) fn take_idle(self: &Arc<Self>, for_at_least: Duration) -> Vec<S> {
        let mut state = self.lock();
        let fresh = state.idle.partition_point(|idle| idle.since.elapsed() >= for_at_least);
        let old: Vec<_> = state.idle.drain(..fresh).map(|idle| idle.session).collect();
        state.open -= old.len();
        self.grant(state);
        old
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session can be used by the next email.
    fn put_back(self: &Arc<Self>, session: S) {
        let mut state = self.lock();
        if self.limit.get().is_some_and(|limit| state.open > limit) {
            state.open -= 1;
            tokio::spawn(session.quit());
        } else {
            state.idle.push(Idle { session, since: Instant::now() });
        }
        self.grant(state);
    }

    /// A session was closed.
    fn closed(self: &Arc<Self>) {
        let mut state = self.lock();
        state.open -= 1;
        self.grant(state);
    }

    /// The server has accepted a sender.
    fn works(self: &Arc<Self>) {
        let mut state = self.lock();
        if !std::mem::replace(&mut state.works, true) {
            self.grant(state);
        }
    }

    fn connected(self: &Arc<Self>) {
        let mut state = self.lock();
        state.connecting -= 1;
        let established = state.open - state.connecting;
        state.estimate.opened(&self.limit, established);
        self.grant(state);
    }

    /// A session could not be opened. Returns the fault, unless the server only refuses more sessions beside the open
    /// ones, which is waited for.
    fn not_connected(self: &Arc<Self>, fault: Option<Fault>) -> Option<Fault> {
        let mut state = self.lock();
        state.open -= 1;
        state.connecting -= 1;
        let established = state.open - state.connecting;
        let fault = fault.and_then(|fault| {
            let may_be_a_limit = matches!(fault.failure.class, Class::Connection | Class::Throttled | Class::Timeout);
            if established > 0 && may_be_a_limit {
                state.estimate.refused(&self.limit, established, Instant::now());
                return None;
            }
            self.give_up(&mut state, &fault);
            Some(fault)
        });
        self.grant(state);
        fault
    }

    /// A new session could not be used for this email.
    fn useless(self: &Arc<Self>, fault: &Fault, email: EmailKey) {
        let mut state = self.lock();
        state.open -= 1;
        let established = state.open - state.connecting;
        if fault.scope == Scope::Relay {
            if established > 0 && fault.failure.class == Class::Throttled {
                state.estimate.refused_email(email, &self.limit, established, Instant::now());
            } else {
                self.give_up(&mut state, fault);
            }
        }
        self.grant(state);
    }

    /// Passes the fault to all waiting emails, if no other session is open.
    fn give_up(&self, state: &mut State<S>, fault: &Fault) {
        state.works = false;
        if state.open > state.connecting {
            return;
        }
        state.estimate.down(&self.limit, Instant::now());
        for waiter in state.waiting.drain(..) {
            // It fails for a waiter that was dropped.
            let _ = waiter.acquired.send(Err(fault.clone()));
        }
    }

    /// Passes sessions, and the right to open them, to waiting emails.
    fn grant(self: &Arc<Self>, mut state: MutexGuard<'_, State<S>>) {
        while let Some(first) = state.waiting.front() {
            if first.acquired.is_closed() {
                state.waiting.pop_front();
                continue;
            }
            let new = first.new;
            let Some(session) = state.next(new, &self.limit) else { return };
            let Some(first) = state.waiting.pop_front() else { return };
            let acquired = match session {
                Some(session) => {
                    let slot = Slot { stage: Stage::Open, shared: Arc::clone(self) };
                    Acquired::Idle(Checkout { session, slot })
                }
                None => Acquired::Connect(Slot { stage: Stage::Connecting, shared: Arc::clone(self) }),
            };
            // A waiter that was dropped meanwhile gives it back. Dropping the slot here would take the lock again.
            match first.acquired.send(Ok(acquired)) {
                Err(Ok(Acquired::Idle(Checkout { session, mut slot }))) => {
                    slot.stage = Stage::Released;
                    state.idle.push(Idle { session, since: Instant::now() });
                }
                Err(Ok(Acquired::Connect(mut slot))) => {
                    slot.stage = Stage::Released;
                    state.open -= 1;
                    state.connecting -= 1;
                }
                Ok(()) | Err(Err(_)) => {}
            }
        }
    }
}

impl<S: Pooled> State<S> {
    /// An idle session, or `Some(None)` for the right to open one, which counts as open from now on.
    fn next(&mut self, new: bool, limit: &ConnectionLimit) -> Option<Option<S>> {
        while !new && let Some(idle) = self.idle.pop() {
            // The one used last comes first, so that sessions that are not needed become idle for long.
            if idle.since.elapsed() < MAX_IDLE {
                return Some(Some(idle.session));
            }
            self.open -= 1;
        }
        let established = self.open - self.connecting;
        let at_once = if self.works { established.max(1) } else { 1 };
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
        Some(None)
    }
}
