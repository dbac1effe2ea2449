//! The emails that wait for a session, and what they get. Dropping a [`Checkout`] or a [`Slot`] returns it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::sync::oneshot;

use super::{
    limit::{ConnectionLimit, EmailKey},
    sessions::{Next, Sessions},
};
use crate::{
    metrics::Connections,
    transport::outcome::{Fault, Scope},
};

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
    sessions: Sessions<S>,
    waiting: VecDeque<Waiter<S>>,
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
        self.shared.lock().sessions.doubt();
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
        let state = State { sessions: Sessions::new(), waiting: VecDeque::new() };
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

    /// Removes and returns the sessions that have been idle for so long.
    pub(super) fn take_idle(self: &Arc<Self>, for_at_least: Duration) -> Vec<S> {
        let mut state = self.lock();
        let old = state.sessions.take_idle(for_at_least);
        self.grant(state);
        old
    }

    /// How many sessions there are, and may be.
    pub(super) fn connections(&self) -> Connections {
        let (open, idle) = self.lock().sessions.counts();
        Connections { open, idle, limit: self.limit.get() }
    }

    fn lock(&self) -> MutexGuard<'_, State<S>> {
        // Nothing panics under the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A session can be used by the next email.
    fn put_back(self: &Arc<Self>, session: S) {
        let mut state = self.lock();
        if state.sessions.exceed(&self.limit) {
            state.sessions.closed();
            tokio::spawn(session.quit());
        } else {
            state.sessions.put_back(session);
        }
        self.grant(state);
    }

    /// A session was closed.
    fn closed(self: &Arc<Self>) {
        let mut state = self.lock();
        state.sessions.closed();
        self.grant(state);
    }

    /// The server has accepted a sender.
    fn works(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.sessions.works() {
            self.grant(state);
        }
    }

    fn connected(self: &Arc<Self>) {
        let mut state = self.lock();
        state.sessions.connected(&self.limit);
        self.grant(state);
    }

    /// A session could not be opened. Returns the fault, unless the server only refuses more sessions beside the open
    /// ones, which is waited for.
    fn not_connected(self: &Arc<Self>, fault: Option<Fault>) -> Option<Fault> {
        let mut state = self.lock();
        state.sessions.not_connected();
        let fault = fault.filter(|fault| !state.sessions.is_limited(fault.failure.class, &self.limit));
        if let Some(fault) = &fault {
            self.give_up(&mut state, fault);
        }
        self.grant(state);
        fault
    }

    /// A new session could not be used for this email.
    fn useless(self: &Arc<Self>, fault: &Fault, email: EmailKey) {
        let mut state = self.lock();
        state.sessions.closed();
        if fault.scope == Scope::Relay && !state.sessions.may_be_limited(fault.failure.class, email, &self.limit) {
            self.give_up(&mut state, fault);
        }
        self.grant(state);
    }

    /// Passes the fault to all waiting emails, if no other session is open.
    fn give_up(&self, state: &mut State<S>, fault: &Fault) {
        if !state.sessions.down(&self.limit) {
            return;
        }
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
            let Some(next) = state.sessions.next(new, &self.limit) else { return };
            let Some(first) = state.waiting.pop_front() else { return };
            let acquired = match next {
                Next::Idle(session) => {
                    let slot = Slot { stage: Stage::Open, shared: Arc::clone(self) };
                    Acquired::Idle(Checkout { session, slot })
                }
                Next::Connect => Acquired::Connect(Slot { stage: Stage::Connecting, shared: Arc::clone(self) }),
            };
            // A waiter that was dropped meanwhile returns it. Dropping the slot here would take the lock again.
            match first.acquired.send(Ok(acquired)) {
                Err(Ok(Acquired::Idle(Checkout { session, mut slot }))) => {
                    slot.stage = Stage::Released;
                    state.sessions.put_back(session);
                }
                Err(Ok(Acquired::Connect(mut slot))) => {
                    slot.stage = Stage::Released;
                    state.sessions.not_connected();
                }
                Ok(()) | Err(Err(_)) => {}
            }
        }
    }
}
