//! A queue: filling it as the API does, and its counters.

use std::cell::RefCell;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use email_queue::call::{Call, Command, Redis, Value};
use email_queue::{EmailId, Lane, Queue, Submission};
use email_queue::{
    query::{Depth, depth},
    transition::{Enqueue, Enqueued, NewEmail, enqueue},
};
use harness::RedisServer;
use jiff::Timestamp;

use crate::redis_server;

/// How many emails go into one call: as many as the API takes in one request.
const BATCH: u64 = 100;

/// How many connections fill at once, so that Redis always has a call to work on.
const CONNECTIONS: usize = 3;

/// What filling took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filled {
    pub(crate) emails: u64,
    /// The length of all emails as JSON, together.
    pub(crate) json_bytes: u64,
    pub(crate) time: Duration,
}

/// The JSON of an email of usual fields and little text, as a client posts it: about 200 bytes.
pub(crate) fn email(number: u64) -> String {
    format!(
        "{{\"from\":\"Acme Orders <orders@acme.example>\",\"to\":[\"customer{number:08}@example.com\"],\
         \"subject\":\"Your order {number:08}\",\"text\":\"Thank you for your order {number:08}. \
         It has left our house and will be with you soon.\"}}"
    )
}

/// Puts emails on the normal lane by the call that the API makes, over several connections.
///
/// # Errors
/// Redis is unreachable or refuses.
pub(crate) fn fill(server: &RedisServer, emails: u64) -> anyhow::Result<Filled> {
    fill_with(server, emails, BATCH, &email)
}

/// The same with emails of any kind, made of their numbers, and so many of them a call.
///
/// # Errors
/// Redis is unreachable or refuses; an email is none.
pub(crate) fn fill_with(
    server: &RedisServer,
    emails: u64,
    batch: u64,
    email: &(dyn Fn(u64) -> String + Sync),
) -> anyhow::Result<Filled> {
    let clients = (0..CONNECTIONS).map(|_| Client::open(server)).collect::<anyhow::Result<Vec<_>>>()?;
    let (taken, json_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
    let start = Instant::now();
    thread::scope(|scope| {
        let fillers: Vec<_> = clients
            .into_iter()
            .map(|client| {
                scope.spawn(|| {
                    let client = client;
                    loop {
                        let first = taken.fetch_add(batch, Ordering::Relaxed);
                        if first >= emails {
                            return Ok(());
                        }
                        let bytes = client.enqueue(first..emails.min(first + batch), email)?;
                        json_bytes.fetch_add(bytes, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        fillers.into_iter().try_for_each(joined)
    })?;
    Ok(Filled { emails, json_bytes: json_bytes.into_inner(), time: start.elapsed() })
}

fn joined(thread: thread::ScopedJoinHandle<'_, anyhow::Result<()>>) -> anyhow::Result<()> {
    thread.join().unwrap_or_else(|_| bail!("a thread has panicked"))
}

/// A client of Redis that runs the calls of the shared crate.
pub(crate) struct Client {
    connection: RefCell<redis::Connection>,
    queue: Queue,
}

impl Client {
    /// # Errors
    /// The server does not accept a connection.
    pub(crate) fn open(server: &RedisServer) -> anyhow::Result<Client> {
        Self::of(server, Queue::default())
    }

    /// The same for another queue, or a shard of one.
    ///
    /// # Errors
    /// The server does not accept a connection.
    pub(crate) fn of(server: &RedisServer, queue: Queue) -> anyhow::Result<Client> {
        Ok(Client { connection: RefCell::new(redis_server::connect(server)?), queue })
    }

    /// Accepts one email in a call of its own.
    ///
    /// # Errors
    /// Redis is unreachable or refuses.
    pub(crate) fn enqueue_one(&self, number: u64) -> anyhow::Result<()> {
        self.enqueue(number..number + 1, &email).map(drop)
    }

    /// Accepts the emails of these numbers in one call. Answers the length of their JSON together.
    fn enqueue(&self, numbers: std::ops::Range<u64>, email: &dyn Fn(u64) -> String) -> anyhow::Result<u64> {
        let emails: Vec<NewEmail> = numbers.map(|number| new_email(&email(number))).collect::<anyhow::Result<_>>()?;
        let bytes = emails.iter().map(|email| email.json.len() as u64).sum();
        let call = Enqueue { emails: &emails, ..Enqueue::default() };
        let answer = self.run(&enqueue(&self.queue, call))?;
        ensure!(answer == Enqueued::Accepted, "Redis has not accepted emails: {answer:?}");
        Ok(bytes)
    }

    /// How many emails are where.
    ///
    /// # Errors
    /// Redis is unreachable.
    pub(crate) fn depth(&self) -> anyhow::Result<Depth> {
        self.run(&depth(&self.queue))
    }

    /// How many emails were ever accepted.
    ///
    /// # Errors
    /// Redis is unreachable.
    pub(crate) fn accepted(&self) -> anyhow::Result<u64> {
        self.total("accepted")
    }

    /// How many emails were ever sent.
    ///
    /// # Errors
    /// Redis is unreachable.
    pub(crate) fn sent(&self) -> anyhow::Result<u64> {
        self.total("sent")
    }

    fn total(&self, counter: &str) -> anyhow::Result<u64> {
        let total: Option<u64> = self.command(redis::cmd("HGET").arg(self.queue.totals()).arg(counter))?;
        Ok(total.unwrap_or(0))
    }

    /// A command of Redis' own.
    ///
    /// # Errors
    /// Redis is unreachable or refuses.
    pub(crate) fn command<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> anyhow::Result<T> {
        Ok(command.query(&mut *self.connection.borrow_mut())?)
    }

    /// Runs a call of the shared crate.
    ///
    /// # Errors
    /// Redis is unreachable or refuses.
    // Every call is answered at once, because the connection blocks.
    pub(crate) fn run<T>(&self, call: &Call<T>) -> anyhow::Result<T> {
        let mut context = Context::from_waker(Waker::noop());
        match pin!(call.run(self)).poll(&mut context) {
            Poll::Ready(answer) => answer.with_context(|| format!("Redis has not carried out {}", call.name())),
            Poll::Pending => bail!("a connection that blocks has not blocked"),
        }
    }
}

fn new_email(json: &str) -> anyhow::Result<NewEmail> {
    let submission = Submission::from_request(json.as_bytes(), None, Timestamp::now())?;
    Ok(NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: submission.email.to_json() })
}

impl Redis for Client {
    type Error = redis::RedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, redis::RedisError> {
        redis_calls::values(redis_calls::cmd(&command).query(&mut *self.connection.borrow_mut())?)
    }

    fn is_unknown_script(error: &redis::RedisError) -> bool {
        redis_calls::is_unknown_script(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_emails_are_valid_and_of_about_200_bytes_each() {
        let lengths = [0, 99_999_999].map(|number| new_email(&email(number)).unwrap().json.len());
        assert_eq!(lengths[0], lengths[1]);
        assert!((180..=220).contains(&lengths[0]), "{lengths:?}");
    }
}
