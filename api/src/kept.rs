//! What an instance that serves many requests keeps between them: its connection to Redis, and for a second each what
//! the operator has set.
//!
//! Requests that are served at the same time share the connection. It is opened once, however many wait for it, and
//! replaced when it breaks.

mod recent;

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
    time::{Duration, Instant},
};

use email_queue::call::{Command, Value};

pub use recent::Recent;

use crate::{
    backend::Failure,
    tasks::{Tasks, within},
};

/// A command that failed is repeated only if it failed sooner than this. What took longer met a Redis that is silent,
/// and the client would wait for the same silence again.
pub(crate) const REPEAT_WITHIN: Duration = Duration::from_secs(1);

/// A client of Redis whose connections take commands from several requests at the same time.
pub trait Connect {
    /// How requests wait for each other.
    type Tasks: Tasks;
    /// An open connection. Dropping it closes it.
    type Connection;
    /// What can go wrong.
    type Error: Failure + Clone;

    /// Opens a connection to the Redis of a URL.
    ///
    /// # Errors
    /// When there is none.
    fn open(&self, url: &str) -> impl Future<Output = Result<Self::Connection, Self::Error>>;

    /// Sends one command and returns its answer, which is that of no other command on the same connection.
    ///
    /// # Errors
    /// As [`Redis::execute`](email_queue::call::Redis::execute).
    fn execute(
        &self,
        connection: &Self::Connection,
        command: &Command<'_>,
    ) -> impl Future<Output = Result<Vec<Value>, Self::Error>>;

    /// What an error of [`execute`](Self::execute) says of the connection.
    fn fault(error: &Self::Error) -> Fault;

    /// The error of a command that Redis has not answered in time, or that was not even sent by then.
    fn silent(command: &Command<'_>, was_sent: bool) -> Self::Error;
}

/// What an error says of the connection on which it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Redis has answered with it: the connection is as good as before.
    None,
    /// Redis has answered with it, and it is no longer the Redis to ask. A new connection may lead to the one that is.
    WrongServer,
    /// It is not known to be an answer: the connection is broken, and Redis may or may not have carried out the command.
    Broken,
}

/// A connection that outlives the requests that use it.
pub struct KeptConnection<C: Connect> {
    client: C,
    kept: RefCell<Option<Rc<Open<C::Connection>>>>,
    /// While one request opens a connection: what the others wait for.
    opening: RefCell<Option<Vec<<C::Tasks as Tasks>::Hold>>>,
    /// How often opening one has failed, and with what the last time.
    failures: Cell<u64>,
    failure: RefCell<Option<C::Error>>,
}

struct Open<C> {
    url: String,
    connection: C,
}

impl<C: Connect> KeptConnection<C> {
    /// Keeps nothing yet.
    pub fn new(client: C) -> Self {
        Self {
            client,
            kept: RefCell::default(),
            opening: RefCell::default(),
            failures: Cell::new(0),
            failure: RefCell::default(),
        }
    }

    /// Runs a command on the Redis of `url`: on the connection that is kept, or on a new one if there is none or it is
    /// to another Redis.
    ///
    /// A connection that broke is not used again. If it was one that had been kept, Redis may have closed it since; the
    /// command is then sent once more, on a new one, as [`Command::again`]. So a command has to be one that Redis may
    /// carry out twice.
    ///
    /// # Errors
    /// As the client says; and [`Connect::silent`] at the deadline. The connection is then not used again either: a
    /// network that has forgotten it would stay silent for as long as its host goes on sending.
    pub async fn execute(&self, url: &str, command: &Command<'_>, deadline: Instant) -> Result<Vec<Value>, C::Error> {
        let now = Instant::now();
        let sent = Sent { on: RefCell::new(None), ever: Cell::new(false) };
        let answer =
            within::<C::Tasks, _>(deadline.saturating_duration_since(now), self.ask(url, command, now, &sent)).await;
        answer.unwrap_or_else(|| {
            if let Some(open) = sent.on.take() {
                self.forget(&open);
            }
            Err(C::silent(command, sent.ever.get()))
        })
    }

    /// Runs a command, at most twice. `sent` gets the connection that it is sent on.
    async fn ask(
        &self,
        url: &str,
        command: &Command<'_>,
        began: Instant,
        sent: &Sent<C::Connection>,
    ) -> Result<Vec<Value>, C::Error> {
        let (open, was_kept) = self.connection(url).await?;
        sent.on(&open);
        let (answer, fault) = self.run(&open, command).await;
        if fault != Fault::Broken || !was_kept || began.elapsed() >= REPEAT_WITHIN {
            return answer;
        }
        drop((open, sent.on.take()));
        // Redis may have carried out the first one, whatever comes of the second.
        let (open, _) = self.connection(url).await.map_err(Failure::after_loss)?;
        sent.on(&open);
        self.run(&open, &command.resent()).await.0.map_err(Failure::after_loss)
    }

    async fn run(
        &self,
        open: &Rc<Open<C::Connection>>,
        command: &Command<'_>,
    ) -> (Result<Vec<Value>, C::Error>, Fault) {
        let answer = self.client.execute(&open.connection, command).await;
        let fault = answer.as_ref().err().map_or(Fault::None, C::fault);
        if fault != Fault::None {
            self.forget(open);
        }
        (answer, fault)
    }

    /// Keeps a connection no longer. Those that still wait for an answer on it have it until then.
    fn forget(&self, open: &Rc<Open<C::Connection>>) {
        // Another request may have replaced it already.
        self.kept.borrow_mut().take_if(|kept| Rc::ptr_eq(kept, open));
    }

    /// A connection, and whether it was there before.
    async fn connection(&self, url: &str) -> Result<(Rc<Open<C::Connection>>, bool), C::Error> {
        let failures = self.failures.get();
        loop {
            if let Some(kept) = self.kept(url) {
                return Ok((kept, true));
            }
            // What failed while this request waited would fail for it as well, and each would wait for all before it.
            if failures != self.failures.get()
                && let Some(failure) = self.failure.borrow().clone()
            {
                return Err(failure);
            }
            let Some(opened) = self.wait_for_another() else { break };
            opened.await;
        }
        let _opening = Opening::begin(&self.opening);
        let connection = self.client.open(url).await.inspect_err(|error| {
            self.failures.set(self.failures.get() + 1);
            *self.failure.borrow_mut() = Some(error.clone());
        })?;
        let open = Rc::new(Open { url: url.to_owned(), connection });
        *self.kept.borrow_mut() = Some(Rc::clone(&open));
        Ok((open, false))
    }

    /// Whether another request is opening a connection: then its end.
    fn wait_for_another(&self) -> Option<impl Future<Output = ()> + use<C>> {
        let mut opening = self.opening.borrow_mut();
        let waiting = opening.as_mut()?;
        let (hold, end) = C::Tasks::wait();
        waiting.push(hold);
        Some(end)
    }

    fn kept(&self, url: &str) -> Option<Rc<Open<C::Connection>>> {
        self.kept.borrow().as_ref().filter(|kept| kept.url == url).cloned()
    }
}

/// Whether a command was sent.
struct Sent<C> {
    /// The connection that it was sent on last.
    on: RefCell<Option<Rc<Open<C>>>>,
    /// Whether it was sent at all.
    ever: Cell<bool>,
}

impl<C> Sent<C> {
    fn on(&self, open: &Rc<Open<C>>) {
        self.on.replace(Some(Rc::clone(open)));
        self.ever.set(true);
    }
}

/// Dropped when the connection is open, when there is none, and when the request that opens it is given up.
struct Opening<'a, H>(&'a RefCell<Option<Vec<H>>>);

impl<'a, H> Opening<'a, H> {
    fn begin(waiting: &'a RefCell<Option<Vec<H>>>) -> Self {
        *waiting.borrow_mut() = Some(Vec::new());
        Self(waiting)
    }
}

impl<H> Drop for Opening<'_, H> {
    fn drop(&mut self) {
        let waiting = self.0.take();
        drop(waiting);
    }
}

#[cfg(test)]
mod tests;
