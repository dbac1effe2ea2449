//! The connection to Redis that the requests of an instance share.
//!
//! It outlives the requests. It is opened once, however many wait for it, and replaced when it breaks.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    rc::Rc,
    time::{Duration, Instant},
};

use email_queue::call::{Command, Value};

use crate::{
    backend::Failure,
    deadline::Deadline,
    redis_client::{Fault, RedisClient},
    runtime::{Runtime, timeout},
};

/// A command that failed is sent again only if it failed sooner than this. What took longer met a Redis that does not answer,
/// and the client would wait for the same time-out again.
pub(crate) const RESEND_WITHIN: Duration = Duration::from_secs(1);

/// A connection that outlives the requests that use it.
pub(crate) struct SharedConnection<R: Runtime, C: RedisClient> {
    client: C,
    /// The node of a cluster; `None` for the one that the URL leads to.
    node: Option<String>,
    open: RefCell<Option<Rc<Open<C::Connection>>>>,
    /// While one request opens a connection: wakes the others.
    opening: RefCell<Option<Vec<R::Notify>>>,
    /// How often opening has failed, and the last error.
    failures: Cell<u64>,
    failure: RefCell<Option<C::Error>>,
}

struct Open<C> {
    url: String,
    connection: C,
}

impl<R: Runtime, C: RedisClient> SharedConnection<R, C> {
    /// Opens nothing yet.
    pub(crate) fn new(client: C, node: Option<String>) -> Self {
        Self {
            client,
            node,
            open: RefCell::default(),
            opening: RefCell::default(),
            failures: Cell::new(0),
            failure: RefCell::default(),
        }
    }

    /// The address of the node, if it is not the one that the URL leads to.
    pub(crate) fn node(&self) -> Option<&str> {
        self.node.as_deref()
    }

    /// Runs a command on the Redis of `url`: on the open connection, or on a new one if none is open or it is to another URL.
    ///
    /// A connection that broke is not used again. If it was open before this command, Redis may have closed it since; the
    /// command is then sent again on a new one, as [`Command::resent`]. So Redis may carry out a command twice.
    ///
    /// When the future is dropped, Redis may or may not carry out the command.
    ///
    /// # Errors
    /// As the client says; [`RedisClient::timed_out`] at the deadline. The connection is then not used again either: if the network
    /// has lost it, no answer comes until the operating system gives up sending.
    pub(crate) async fn execute(
        &self,
        url: &str,
        command: &Command<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Value>, C::Error> {
        let now = Instant::now();
        let sent = Sent { on: RefCell::new(None), ever: Cell::new(false) };
        let time = deadline.answered.saturating_duration_since(now);
        let answer = timeout::<R, _>(time, self.send(url, command, deadline, now, &sent)).await;
        answer.unwrap_or_else(|| {
            if let Some(open) = sent.on.take() {
                self.discard(&open);
            }
            Err(C::timed_out(command, sent.ever.get()))
        })
    }

    /// Sends a command, at most twice. `sent` gets the connection that it is sent on.
    async fn send(
        &self,
        url: &str,
        command: &Command<'_>,
        deadline: Deadline,
        began: Instant,
        sent: &Sent<C::Connection>,
    ) -> Result<Vec<Value>, C::Error> {
        let (open, was_open) = self.connection(url, command, deadline).await?;
        sent.on(&open);
        let (answer, fault) = self.send_on(&open, command).await;
        if fault != Some(Fault::Broken) || !was_open || began.elapsed() >= RESEND_WITHIN {
            return answer;
        }
        drop((open, sent.on.take()));
        // Redis may have carried out the first one, whatever happens to the second.
        let (open, _) = self.connection(url, command, deadline).await.map_err(Failure::after_lost_answer)?;
        sent.on(&open);
        self.send_on(&open, &command.resent()).await.0.map_err(Failure::after_lost_answer)
    }

    async fn send_on(
        &self,
        open: &Rc<Open<C::Connection>>,
        command: &Command<'_>,
    ) -> (Result<Vec<Value>, C::Error>, Option<Fault>) {
        let answer = self.execute_on(&open.connection, command).await;
        let fault = answer.as_ref().err().and_then(C::fault);
        if fault.is_some() {
            self.discard(open);
        }
        (answer, fault)
    }

    /// The reply to a command, and behind it the one to the command that waits for its replication.
    async fn execute_on(&self, connection: &C::Connection, command: &Command<'_>) -> Result<Vec<Value>, C::Error> {
        let mut reply = self.client.execute(connection, command).await?;
        if let Some(replication) = command.replication {
            let wait = replication.wait();
            let confirmed = self.client.execute(connection, &Command::from(&wait)).await;
            // The first command has been carried out, whatever happens to this one.
            reply.extend(confirmed.map_err(Failure::after_lost_answer)?);
        }
        Ok(reply)
    }

    /// Gives a connection to no more commands. Those that wait for an answer on it keep it open until then.
    fn discard(&self, connection: &Rc<Open<C::Connection>>) {
        // Another request may have replaced it already.
        self.open.borrow_mut().take_if(|open| Rc::ptr_eq(open, connection));
    }

    /// A connection, and whether it was open before.
    async fn connection(
        &self,
        url: &str,
        command: &Command<'_>,
        deadline: Deadline,
    ) -> Result<(Rc<Open<C::Connection>>, bool), C::Error> {
        let failures = self.failures.get();
        loop {
            if let Some(open) = self.open_to(url) {
                return Ok((open, true));
            }
            // If opening failed while this request waited, it fails too: to try again one after the other takes too long.
            if failures != self.failures.get()
                && let Some(failure) = self.failure.borrow().clone()
            {
                return Err(failure);
            }
            let Some(opened) = self.wait_for_another() else { break };
            opened.await;
        }
        let _opening = Opening::begin(&self.opening);
        let connection = self.open(url, command, deadline).await.inspect_err(|error| {
            self.failures.set(self.failures.get() + 1);
            *self.failure.borrow_mut() = Some(error.clone());
        })?;
        let open = Rc::new(Open { url: url.to_owned(), connection });
        *self.open.borrow_mut() = Some(Rc::clone(&open));
        Ok((open, false))
    }

    async fn open(&self, url: &str, command: &Command<'_>, deadline: Deadline) -> Result<C::Connection, C::Error> {
        let opening = self.client.open(url, self.node());
        if !deadline.has_alternative() {
            // The caller gives up then.
            return opening.await;
        }
        let time = deadline.connected.saturating_duration_since(Instant::now());
        timeout::<R, _>(time, opening).await.unwrap_or_else(|| Err(C::timed_out(command, false)))
    }

    /// If another request is opening a connection: ready when that has succeeded or failed.
    fn wait_for_another(&self) -> Option<impl Future<Output = ()> + use<R, C>> {
        let mut opening = self.opening.borrow_mut();
        let waiting = opening.as_mut()?;
        let (notify, notified) = R::notify();
        waiting.push(notify);
        Some(notified)
    }

    fn open_to(&self, url: &str) -> Option<Rc<Open<C::Connection>>> {
        self.open.borrow().as_ref().filter(|open| open.url == url).cloned()
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

/// Dropped when the connection is open, when opening has failed, and when the request that opens it is dropped.
struct Opening<'a, N>(&'a RefCell<Option<Vec<N>>>);

impl<'a, N> Opening<'a, N> {
    fn begin(waiting: &'a RefCell<Option<Vec<N>>>) -> Self {
        *waiting.borrow_mut() = Some(Vec::new());
        Self(waiting)
    }
}

impl<N> Drop for Opening<'_, N> {
    fn drop(&mut self) {
        let waiting = self.0.take();
        drop(waiting);
    }
}

#[cfg(test)]
mod tests;
