//! A mail server with limits and faults, as real ones have.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering},
    },
    time::Duration,
};

use testkit::{Action, Received, SmtpServer, Stage, smtp_server::Step};
use tokio::time::sleep;

/// The domain of recipients that the relay refuses for good.
pub(crate) const REFUSED: &str = "refused.example";

/// A sender whose emails the relay limits.
pub(crate) const THROTTLED_SENDER: &str = "newsletter@soak.example";

const MAX_CONNECTIONS: usize = 5;
const MAX_MESSAGES_IN_A_SESSION: usize = 20;
const MAX_RECIPIENTS: usize = 10;

/// The relay's present fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Mood {
    /// It has its limits, and now and then a session breaks.
    Usual,
    /// It greets with 421.
    Closed,
    /// It requires a login that fails.
    WantsLogin,
    /// It has no room for any message.
    OutOfSpace,
}

#[derive(Clone)]
pub(crate) struct Relay {
    server: Arc<SmtpServer>,
    state: Arc<State>,
}

struct State {
    mood: AtomicU8,
    well: AtomicBool,
    open: AtomicUsize,
    random: Mutex<fastrand::Rng>,
    messages: Mutex<HashMap<usize, usize>>,
}

impl Relay {
    pub(crate) async fn start(seed: u64) -> Self {
        let state = Arc::new(State {
            mood: AtomicU8::new(Mood::Usual as u8),
            well: AtomicBool::new(false),
            open: AtomicUsize::new(0),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            messages: Mutex::default(),
        });
        let script = {
            let state = Arc::clone(&state);
            move |step: &Step<'_>| state.action(step)
        };
        let server = Arc::new(SmtpServer::builder().script(script).start().await);
        tokio::spawn({
            let (server, state) = (Arc::downgrade(&server), Arc::clone(&state));
            async move {
                while let Some(server) = server.upgrade() {
                    state.open.store(server.open_connections(), Ordering::Relaxed);
                    drop(server);
                    sleep(Duration::from_millis(5)).await;
                }
            }
        });
        Self { server, state }
    }

    pub(crate) fn url(&self) -> String {
        self.server.url()
    }

    pub(crate) fn set_mood(&self, mood: Mood) {
        self.state.mood.store(mood as u8, Ordering::Relaxed);
        if mood == Mood::Closed {
            self.server.close_connections();
        }
    }

    /// From now on it accepts everything, except for recipients that it refuses for good.
    pub(crate) fn be_well(&self) {
        self.set_mood(Mood::Usual);
        self.state.well.store(true, Ordering::Relaxed);
    }

    /// How many messages have arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.server.count(Stage::EndOfData)
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.server.received()
    }
}

impl State {
    fn action(&self, step: &Step<'_>) -> Action {
        if step.recipient.is_some_and(|recipient| recipient.ends_with(REFUSED)) && step.stage == Stage::Rcpt {
            return Action::reply(550, "5.1.1 no such user");
        }
        if self.well.load(Ordering::Relaxed) {
            return Action::Accept;
        }
        self.in_mood(step).unwrap_or_else(|| self.by_chance(step))
    }

    /// The action at a step, by the limits and the present fault.
    fn in_mood(&self, step: &Step<'_>) -> Option<Action> {
        let mood = self.mood.load(Ordering::Relaxed);
        let is = |expected: Mood| mood == expected as u8;
        match step.stage {
            Stage::Connect if is(Mood::Closed) => Some(Action::reply(421, "4.3.2 closed for maintenance")),
            Stage::Connect if self.open.load(Ordering::Relaxed) > MAX_CONNECTIONS => {
                Some(Action::reply(421, "4.7.0 too many connections from your address"))
            }
            Stage::Mail if is(Mood::WantsLogin) => Some(Action::reply(530, "5.7.0 authentication required")),
            Stage::Mail if is(Mood::OutOfSpace) => Some(Action::reply(452, "4.3.1 insufficient system storage")),
            Stage::Mail if step.sender == THROTTLED_SENDER && self.chance(30) => {
                Some(Action::reply(450, "4.7.1 too many messages from this sender, try again later"))
            }
            Stage::Mail => {
                let mut messages = self.messages.lock().unwrap_or_else(PoisonError::into_inner);
                let messages = messages.entry(step.connection).or_default();
                *messages += 1;
                let over = *messages > MAX_MESSAGES_IN_A_SESSION;
                over.then(|| Action::reply(451, "4.7.0 too many messages in this session"))
            }
            Stage::Rcpt if step.recipients.len() >= MAX_RECIPIENTS => {
                Some(Action::reply(452, "4.5.3 too many recipients"))
            }
            _ => None,
        }
    }

    fn by_chance(&self, step: &Step<'_>) -> Action {
        match step.stage {
            Stage::Rcpt if self.chance(2) => Action::reply(450, "4.2.0 greylisted, try again later"),
            Stage::Hello | Stage::Data | Stage::Body if self.chance(1) => Action::Drop,
            Stage::EndOfData if self.chance(1) => Action::StoreThenDrop,
            Stage::EndOfData if self.chance(1) => Action::reply(451, "4.3.0 try again later"),
            Stage::EndOfData => Action::accept_after(Duration::from_millis(10)),
            _ => Action::Accept,
        }
    }

    /// True in so many of a hundred cases.
    fn chance(&self, percent: u8) -> bool {
        self.random.lock().unwrap_or_else(PoisonError::into_inner).u8(..100) < percent
    }
}
