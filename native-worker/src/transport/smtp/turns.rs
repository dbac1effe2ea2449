//! What the sessions with a server and those who wait for them have in common, and what whoever had a turn holds in flight.
//! Dropped, that goes back by itself.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, time::Instant};

use super::{
    limit::{ConnectionLimit, EmailKey, Lessons},
    outcome::{Fault, Kind, Scope},
};

/// How long a session may wait. Servers close them after five minutes at the earliest (RFC 5321 4.5.3.2.7), and many
/// sooner, with less patience.
pub(super) const MAX_IDLE: Duration = Duration::from_secs(30);

/// What a pool has to know of a session.
pub(super) trait Pooled: Send + Sized + 'static {
    /// Whether it is open, as far as is known, and the server has said nothing unasked.
    fn is_quiet(&mut self) -> bool;

    /// Says goodbye. Takes a second at the most.
    fn quit(self) -> impl Future<Output = ()> + Send;
}

/// Where to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Behind all others.
    Back,
    /// Before all others: it has been its turn already.
    Front,
    /// Before all others, and for a new session: one that waits would not do.
    New,
}

/// A session that has waited, or the right to open one.
pub(super) enum Turn<S: Pooled> {
    Reuse(Lease<S>),
    Connect(Seat<S>),
}

/// A session in use. When it is dropped, the session is closed.
pub(super) struct Lease<S: Pooled> {
    pub(super) session: S,
    pub(super) seat: Seat<S>,
}

/// The right to have one session with the server.
pub(super) struct Seat<S: Pooled> {
    stage: Stage,
    shared: Arc<Shared<S>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Connecting,
    Open,
    /// It has been told what became of it.
    Given,
}

pub(super) struct Shared<S: Pooled> {
    state: Mutex<State<S>>,
    pub(super) limit: ConnectionLimit,
}

struct State<S: Pooled> {
    /// Sessions that wait, the one used last at the end.
    idle: Vec<Idle<S>>,
    /// How many sessions there are, those that are being opened included.
    open: usize,
    /// How many are being opened.
    connecting: usize,
    waiting: VecDeque<Waiter<S>>,
    /// Whether the server was seen to take an email since it was last seen not to.
    works: bool,
    lessons: Lessons,
}

struct Idle<S> {
    session: S,
    since: Instant,
}

struct Waiter<S: Pooled> {
    new: bool,
    turn: oneshot::Sender<Result<Turn<S>, Fault>>,
}

impl<S: Pooled> Lease<S> {
    /// It can be used by the next email.
    pub(super) fn put_back(self) {
        let Self { session, mut seat } = self;
        seat.stage = Stage::Given;
        seat.shared.put_back(session);
    }
}

impl<S: Pooled> Seat<S> {
    /// A session was opened.
    pub(super) fn connected(mut self, session: S) -> Lease<S> {
        self.stage = Stage::Open;
        self.shared.connected();
        Lease { session, seat: self }
    }

    /// No session could be opened. Gives the fault, unless it is only to be waited out: the server takes no more sessions
    /// beside those that it has.
    pub(super) fn not_connected(mut self, fault: Fault) -> Option<Fault> {
        self.stage = Stage::Given;
        self.shared.not_connected(Some(fault))
    }

    /// The server takes emails.
    pub(super) fn works(&self) {
        self.shared.works();
    }

    /// The server has closed the session, or gone silent: perhaps it works no more.
    pub(super) fn doubtful(self) {
        self.shared.lock().works = false;
    }

    /// The session was new, and is of no use to this email.
    pub(super) fn useless(mut self, fault: &Fault, email: EmailKey) {
        self.stage = Stage::Given;
        self.shared.useless(fault, email);
    }
}

impl<S: Pooled> Drop for Seat<S> {
    fn drop(&mut self) {
        match self.stage {
            Stage::Connecting => drop(self.shared.not_connected(None)),
            Stage::Open => self.shared.closed(),
            Stage::Given => {}
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
            lessons: Lessons::default(),
        };
        Self { state: Mutex::new(state), limit: ConnectionLimit::default() }
    }

    /// Puts somebody into the queue.
    pub(super) fn wait(self: &Arc<Self>, place: Place) -> oneshot::Receiver<Result<Turn<S>, Fault>> {
        let (turn, granted) = oneshot::channel();
        let waiter = Waiter { new: place == Place::New, turn };
        let mut state = self.lock();
        match place {
            Place::Back => state.waiting.push_back(waiter),
            Place::Front | Place::New => state.waiting.push_front(waiter),
        }
        self.grant(state);
        granted
    }

    /// Takes out the sessions that have waited for so long, and gives turns again.
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

    /// A session is no more.
    fn closed(self: &Arc<Self>) {
        let mut state = self.lock();
        state.open -= 1;
        self.grant(state);
    }

    /// The server takes emails.
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
        state.lessons.proven(&self.limit, established);
        self.grant(state);
    }

    /// A session could not be opened. Gives the fault, unless it is one only to be waited out: the server takes no more
    /// sessions beside those that it has.
    fn not_connected(self: &Arc<Self>, fault: Option<Fault>) -> Option<Fault> {
        let mut state = self.lock();
        state.open -= 1;
        state.connecting -= 1;
        let established = state.open - state.connecting;
        let fault = fault.and_then(|fault| {
            let may_be_a_limit = matches!(fault.failure.kind, Kind::Connection | Kind::Throttled | Kind::Timeout);
            if established > 0 && may_be_a_limit {
                state.lessons.refused(&self.limit, established, Instant::now());
                return None;
            }
            self.give_up(&mut state, &fault);
            Some(fault)
        });
        self.grant(state);
        fault
    }

    /// A new session is of no use to this email.
    fn useless(self: &Arc<Self>, fault: &Fault, email: EmailKey) {
        let mut state = self.lock();
        state.open -= 1;
        let established = state.open - state.connecting;
        if fault.scope == Scope::Server {
            if established > 0 && fault.failure.kind == Kind::Throttled {
                state.lessons.refused_email(email, &self.limit, established, Instant::now());
            } else {
                self.give_up(&mut state, fault);
            }
        }
        self.grant(state);
    }

    /// Where no other session works, everybody who waits is told.
    fn give_up(&self, state: &mut State<S>, fault: &Fault) {
        state.works = false;
        if state.open > state.connecting {
            return;
        }
        state.lessons.down(&self.limit, Instant::now());
        for waiter in state.waiting.drain(..) {
            // Whoever does not listen any more need not know.
            let _ = waiter.turn.send(Err(fault.clone()));
        }
    }

    /// Gives turns to those who wait, as far as there are any.
    fn grant(self: &Arc<Self>, mut state: MutexGuard<'_, State<S>>) {
        while let Some(first) = state.waiting.front() {
            if first.turn.is_closed() {
                state.waiting.pop_front();
                continue;
            }
            let new = first.new;
            let Some(session) = state.next(new, &self.limit) else { return };
            let Some(first) = state.waiting.pop_front() else { return };
            let turn = match session {
                Some(session) => {
                    let seat = Seat { stage: Stage::Open, shared: Arc::clone(self) };
                    Turn::Reuse(Lease { session, seat })
                }
                None => Turn::Connect(Seat { stage: Stage::Connecting, shared: Arc::clone(self) }),
            };
            // Whoever has gone has no use for it. What it is made of would tell us so under the lock, if it were dropped.
            match first.turn.send(Ok(turn)) {
                Err(Ok(Turn::Reuse(Lease { session, mut seat }))) => {
                    seat.stage = Stage::Given;
                    state.idle.push(Idle { session, since: Instant::now() });
                }
                Err(Ok(Turn::Connect(mut seat))) => {
                    seat.stage = Stage::Given;
                    state.open -= 1;
                    state.connecting -= 1;
                }
                Ok(()) | Err(Err(_)) => {}
            }
        }
    }
}

impl<S: Pooled> State<S> {
    /// A session that waits, or `Some(None)` for the right to open one. It counts as open from now on.
    fn next(&mut self, new: bool, limit: &ConnectionLimit) -> Option<Option<S>> {
        while !new && let Some(idle) = self.idle.pop() {
            // The one used last comes first: the others may then be needed no more.
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
            } else if self.connecting > 0 || !self.lessons.climb(limit, Instant::now()) {
                return None;
            }
        }
        self.open += 1;
        self.connecting += 1;
        Some(None)
    }
}
