//! A connection to Redis that several tasks share, and that is replaced when it breaks or goes silent.
//!
//! A connection may be slow. It is replaced when it is silent: no byte in either direction while a reply is awaited. After a
//! power cut, or behind a firewall that has dropped its state, no packet ever says that a connection is gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use email_queue::{
    Refusal,
    call::{Call, CallError, Command, Redis, Value},
};
use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use redis_connection::RedisServer;
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{backoff::Backoff, connection::Connection, reachability::Reachability, throughput::Throughput};

/// For how long a connection may be silent while a reply is awaited, other than that to `BRPOP`.
const SILENCE: Duration = Duration::from_secs(5);

/// The back-off while Redis is unreachable.
pub(crate) const RECONNECT: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(3) };

/// A connection that is opened when it is first needed and replaced when it fails. Commands of several tasks share it.
pub(crate) struct SharedConnection {
    server: Arc<RedisServer>,
    current: Mutex<Current>,
    reachability: Arc<Reachability>,
    pub(crate) throughput: Throughput,
}

struct Current {
    /// And when it was opened.
    connection: Option<(Connection, Instant)>,
    /// How many connections there have been: a task that saw an old one fail must not discard the new one.
    number: u64,
}

/// The reply to a call that may have been repeated.
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    /// Whether an earlier try failed and Redis may have carried it out.
    pub(crate) repeated: bool,
}

impl SharedConnection {
    /// Does not connect.
    pub(crate) fn new(server: Arc<RedisServer>, reachability: Arc<Reachability>) -> Self {
        Self {
            server,
            current: Mutex::new(Current { connection: None, number: 0 }),
            reachability,
            throughput: Throughput::default(),
        }
    }

    /// Runs a call until Redis has replied, however long that takes, and repeats it when it fails: only for calls that may
    /// run twice. `None` when `stop` comes first; the reply to a command that was sent is awaited even then, until the
    /// connection is silent.
    ///
    /// # Errors
    /// Redis refuses, and would refuse again.
    pub(crate) async fn persist<T>(
        &self,
        call: &Call<T>,
        stop: &CancellationToken,
    ) -> Option<Result<Answered<T>, CallError<RedisError>>> {
        let mut failures = 0;
        let mut repeated = false;
        loop {
            // Only connecting is cancelled. A command that was sent may have been carried out, and its reply may be emails.
            let error = tokio::select! {
                connected = self.get() => match connected {
                    Ok(_) => match call.run(self).await {
                        Ok(answer) => return Some(Ok(Answered { answer, repeated })),
                        Err(error) => {
                            repeated = true;
                            self.report(call.name(), &error, failures);
                            error
                        }
                    },
                    Err(error) => CallError::Redis(error),
                },
                () = stop.cancelled() => return None,
            };
            if lasts(&error) {
                return Some(Err(error));
            }
            failures += 1;
            tokio::select! {
                () = sleep(RECONNECT.delay(failures)) => {}
                () = stop.cancelled() => return None,
            }
        }
    }

    /// Sends one command and waits for its reply, until the connection is silent.
    ///
    /// # Errors
    /// Redis is unreachable or silent, or refuses.
    pub(crate) async fn query(&self, command: &Cmd) -> RedisResult<redis::Value> {
        let (connection, number) = self.get().await?;
        let transfer = self.throughput.begin(connection.bytes_read());
        let answer = connection.ask(command, SILENCE).await;
        match &answer {
            Ok(_) => {
                transfer.end(connection.bytes_read());
                self.log_reachable();
            }
            Err(error) if ends_connection(error) => self.discard(number, error).await,
            Err(_) => {}
        }
        answer
    }

    /// Opens a connection that is not shared.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses.
    pub(crate) async fn open(&self) -> RedisResult<Connection> {
        Connection::open(&self.server).await
    }

    /// The present connection, or a new one: one try, by one task at a time.
    async fn get(&self) -> RedisResult<(Connection, u64)> {
        let mut current = self.current.lock().await;
        if let Some((connection, _)) = &current.connection {
            return Ok((connection.clone(), current.number));
        }
        match self.open().await {
            Ok(connection) => {
                current.number += 1;
                current.connection = Some((connection.clone(), Instant::now()));
                Ok((connection, current.number))
            }
            Err(error) => {
                self.log_unreachable(Instant::now(), &error);
                Err(error)
            }
        }
    }

    /// Discards a connection, unless it has been replaced already.
    async fn discard(&self, number: u64, error: &RedisError) {
        let mut current = self.current.lock().await;
        if current.number == number
            && let Some((_, opened)) = current.connection.take()
        {
            self.log_unreachable(opened, error);
        }
    }

    /// How many connections there have been. It changes when one had to be replaced.
    pub(crate) async fn number(&self) -> u64 {
        self.current.lock().await.number
    }

    fn log_unreachable(&self, opened: Instant, error: &RedisError) {
        if self.reachability.failed(opened) {
            let error = explained(error);
            tracing::warn!(redis = %self.server.url(), error, "Redis is unreachable; trying again until it is back");
        }
    }

    fn log_reachable(&self) {
        if self.reachability.answered() {
            tracing::info!(redis = %self.server.url(), "Redis is reachable again");
        }
    }

    /// Logs that a call has failed: at `warn` if it is the first in a row and Redis refused it. That Redis is unreachable is
    /// logged elsewhere.
    pub(crate) fn report(&self, call: &str, error: &CallError<RedisError>, failures: u32) {
        let unreachable = matches!(error, CallError::Redis(error) if ends_connection(error));
        let text = match error {
            CallError::Redis(error) => explained(error),
            CallError::Answer(_) | CallError::NotReplicated(_) => error.to_string(),
        };
        if failures == 0 && !unreachable {
            tracing::warn!(call, redis = %self.server.url(), error = text, "Redis refuses; trying again");
        } else {
            tracing::debug!(call, redis = %self.server.url(), error = text, failures, "a call to Redis failed");
        }
    }
}

impl Redis for SharedConnection {
    type Error = RedisError;

    async fn execute(&self, command: Command<'_>) -> RedisResult<Vec<Value>> {
        redis_calls::values(self.query(&redis_calls::cmd(&command)).await?)
    }

    fn is_unknown_script(error: &RedisError) -> bool {
        redis_calls::is_unknown_script(error)
    }
}

/// Whether a connection cannot be used after this error. A master that became a replica stays one: only a new connection can
/// lead to the new master.
pub(crate) fn ends_connection(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
        || error.is_unrecoverable_error()
        || Refusal::of(&error.to_string()) == Some(Refusal::ReadOnly)
}

/// Whether the same call would fail until a person changes something. It would not while Redis cannot be reached, starts, is
/// busy or full, or changes its role.
pub(crate) fn lasts(error: &CallError<RedisError>) -> bool {
    let CallError::Redis(error) = error else { return true };
    let text = error.to_string();
    if matches!(Refusal::of(&text), Some(Refusal::Full | Refusal::ReadOnly | Refusal::OtherNode)) {
        return false;
    }
    match error.kind() {
        ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig | ErrorKind::UnexpectedReturnType => true,
        ErrorKind::Server(ServerErrorKind::ResponseError) => !text.contains("max number of clients"),
        ErrorKind::Server(kind) => matches!(kind, ServerErrorKind::NoPerm | ServerErrorKind::CrossSlot),
        ErrorKind::Extension => matches!(error.code(), Some("WRONGTYPE" | "WRONGPASS" | "NOAUTH")),
        _ => false,
    }
}

/// An error of Redis with an explanation, where there is one.
pub(crate) fn explained(error: &RedisError) -> String {
    let text = error.to_string();
    match Refusal::of(&text) {
        Some(refusal) => format!("{refusal} ({text})"),
        None => text,
    }
}
