//! Runs the calls of `email-queue`, each on the node that serves its queue.

use std::{
    cell::RefCell,
    collections::HashMap,
    io,
    time::{Duration, Instant},
};

use email_queue::{
    Redirect, Refusal,
    call::{Call, CallError, Command, Redis, Value},
};
use redis::{Cmd, ErrorKind, FromRedisValue, RedisError, RedisResult};
use redis_connection::{Address, Connection, RedisServer};
use tokio::time::{sleep, timeout};

/// How long connecting may take, TLS and login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a reply may take, which may have megabytes.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a call is repeated while a slot of a cluster moves, or no node serves it.
const SLOT_TIMEOUT: Duration = Duration::from_secs(2);

/// How often in a row a command may be led from node to node.
const MAX_HOPS: usize = 5;

/// Redis: one server, or the nodes of a cluster as far as calls are led to them.
pub(crate) struct RedisClient {
    server: RedisServer,
    /// Open connections: that of the URL is under `None`.
    connections: RefCell<HashMap<Option<Address>, Connection>>,
    /// The nodes that serve other queues than that of the URL does, by their hash tags.
    serving: RefCell<HashMap<Vec<u8>, Address>>,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {error}")]
pub(crate) struct Unanswered {
    call: &'static str,
    pub(crate) error: CallError<RedisError>,
    /// Where Redis is.
    pub(crate) server: String,
}

impl Unanswered {
    /// Whether Redis cannot be reached or does not answer; otherwise it refuses.
    pub(crate) fn is_unreachable(&self) -> bool {
        match &self.error {
            CallError::Redis(error) => {
                matches!(error.kind(), ErrorKind::Io) || Redirect::of(&error.to_string()) == Some(Redirect::Later)
            }
            CallError::Answer(_) | CallError::NotReplicated(_) => false,
        }
    }
}

impl RedisClient {
    /// Does not connect.
    pub(crate) fn new(server: RedisServer) -> Self {
        Self { server, connections: RefCell::default(), serving: RefCell::default() }
    }

    /// Runs a call.
    ///
    /// # Errors
    /// Redis cannot be reached, does not answer in time, or refuses.
    pub(crate) async fn run<T>(&self, call: &Call<T>) -> Result<T, Unanswered> {
        call.run(self).await.map_err(|error| self.unanswered(call.name(), error))
    }

    /// Runs a command that is none of the queue's, at the server of the URL.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub(crate) async fn ask<T: FromRedisValue>(&self, name: &'static str, command: &Cmd) -> Result<T, Unanswered> {
        let answer = self.send_to(None, command).await.and_then(|value| Ok(redis::from_redis_value(value)?));
        answer.map_err(|error| self.unanswered(name, CallError::Redis(error)))
    }

    /// The server of the URL.
    pub(crate) fn server(&self) -> &RedisServer {
        &self.server
    }

    /// An error of a call, with the server.
    pub(crate) fn unanswered(&self, call: &'static str, error: CallError<RedisError>) -> Unanswered {
        Unanswered { call, error, server: self.server.to_string() }
    }

    async fn send(&self, tag: Option<&[u8]>, command: &Cmd) -> RedisResult<redis::Value> {
        let began = Instant::now();
        let mut hops = 0;
        loop {
            let node = tag.and_then(|tag| self.serving.borrow().get(tag).cloned());
            let error = match self.send_to(node.as_ref(), command).await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            match Redirect::of(&error.to_string()) {
                Some(Redirect::Moved(address)) if hops < MAX_HOPS => {
                    let at = node.map(|node| self.server.at(node));
                    let named = at.as_ref().unwrap_or(&self.server).named(&address);
                    let (Some(tag), Some(address)) = (tag, named) else { return Err(error) };
                    self.serving.borrow_mut().insert(tag.to_owned(), address);
                    hops += 1;
                }
                Some(Redirect::Later) if began.elapsed() < SLOT_TIMEOUT => sleep(Duration::from_millis(100)).await,
                _ => {
                    // That of the URL knows which one has taken its place.
                    if let (Some(tag), ErrorKind::Io) = (tag, error.kind()) {
                        self.serving.borrow_mut().remove(tag);
                    }
                    return Err(error);
                }
            }
        }
    }

    async fn send_to(&self, node: Option<&Address>, command: &Cmd) -> RedisResult<redis::Value> {
        let key = node.cloned();
        let open = self.connections.borrow().get(&key).cloned();
        let connection = match open {
            Some(connection) => connection,
            None => {
                let opened = match node {
                    Some(address) => in_time(CONNECT_TIMEOUT, self.server.at(address.clone()).open()).await?,
                    None => in_time(CONNECT_TIMEOUT, self.server.open()).await?,
                };
                self.connections.borrow_mut().insert(key.clone(), opened.clone());
                opened
            }
        };
        let answer = in_time(REPLY_TIMEOUT, connection.send(command)).await.and_then(redis::Value::extract_error);
        answer.inspect_err(|error| {
            if ends_connection(error) {
                self.connections.borrow_mut().remove(&key);
            }
        })
    }
}

impl Redis for RedisClient {
    type Error = RedisError;

    async fn execute(&self, command: Command<'_>) -> RedisResult<Vec<Value>> {
        redis_calls::values(self.send(command.hash_tag(), &redis_calls::cmd(&command)).await?)
    }

    fn is_unknown_script(error: &RedisError) -> bool {
        redis_calls::is_unknown_script(error)
    }
}

/// A master that became a replica stays one: only a new connection can lead to the new master.
fn ends_connection(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Io
        || error.is_unrecoverable_error()
        || Refusal::of(&error.to_string()) == Some(Refusal::ReadOnly)
}

async fn in_time<T>(limit: Duration, future: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    let late = |_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer in time").into());
    timeout(limit, future).await.unwrap_or_else(late)
}
