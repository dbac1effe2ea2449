//! The connection to Redis that all but `BRPOP` share.
//!
//! Every command on it has a deadline. A connection that does not keep it is taken for dead and replaced, however open
//! it looks: after a power cut or behind a firewall that forgot it, nothing ever comes to say that it is gone.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use email_queue::redis::{Call, CallError, Command, Redis, Value};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind, aio::MultiplexedConnection,
};
use tokio::{sync::Mutex, time::sleep};
use tokio_rustls::rustls::crypto::ring;
use tokio_util::sync::CancellationToken;

use crate::{backoff::Backoff, config::RedisUrl};

/// How long connecting may take, TLS and authentication included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long any command may take, other than `BRPOP`.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The pauses between two tries while Redis is away.
pub(crate) const RECONNECT: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(3) };

/// A connection that is opened when it is first needed and replaced when it fails. Commands of several tasks share it.
pub(crate) struct Connection {
    client: Client,
    current: Mutex<Current>,
    /// Whether the last thing we heard of Redis was bad, so that its going and coming are each said once.
    away: AtomicBool,
}

struct Current {
    connection: Option<MultiplexedConnection>,
    /// How many connections there have been; a task that saw an old one fail must not throw away the new one.
    number: u64,
}

/// What [`Connection::persist`] brings back.
pub(crate) struct Answered<T> {
    pub(crate) answer: T,
    /// Whether an earlier try failed in a way that leaves open whether Redis has carried it out.
    pub(crate) repeated: bool,
}

impl Connection {
    /// Opens nothing yet.
    ///
    /// # Errors
    /// When the client cannot be made of this URL.
    pub(crate) fn new(url: &RedisUrl) -> RedisResult<Self> {
        // An error means that a provider is installed already, and any will do.
        let _ = ring::default_provider().install_default();
        let client = Client::open(url.info().clone())?;
        let current = Mutex::new(Current { connection: None, number: 0 });
        Ok(Self { client, current, away: AtomicBool::new(false) })
    }

    /// Runs a call until Redis has answered it, however long that takes, and repeats it if it fails on the way: only
    /// for calls where twice does no harm. `None` when `stop` comes first; a command that has been sent is waited for
    /// even then, until its deadline.
    pub(crate) async fn persist<T>(&self, call: &Call<T>, stop: &CancellationToken) -> Option<Answered<T>> {
        let mut failures = 0;
        let mut repeated = false;
        loop {
            // Connecting may be given up at any time. A command that was sent is another matter: it may have been
            // carried out, and its answer may be emails.
            tokio::select! {
                connected = self.get() => if connected.is_ok() {
                    match call.run(self).await {
                        Ok(answer) => return Some(Answered { answer, repeated }),
                        Err(error) => {
                            repeated = true;
                            report(call.name(), &error, failures);
                        }
                    }
                },
                () = stop.cancelled() => return None,
            }
            failures += 1;
            tokio::select! {
                () = sleep(RECONNECT.delay(failures)) => {}
                () = stop.cancelled() => return None,
            }
        }
    }

    /// Sends one command and waits for its answer, both with a deadline.
    ///
    /// # Errors
    /// When Redis is away, does not answer in time, or refuses.
    pub(crate) async fn query(&self, command: &Cmd) -> RedisResult<redis::Value> {
        let (mut connection, number) = self.get().await?;
        let answer = connection.send_packed_command(command).await.and_then(redis::Value::extract_error);
        match &answer {
            Ok(_) => self.is_back(),
            Err(error) if ends_connection(error) => self.discard(number, error).await,
            Err(_) => {}
        }
        answer
    }

    /// A connection of one's own, with deadlines for opening it and, if `response_timeout` is given, for each command.
    ///
    /// # Errors
    /// When Redis cannot be reached or refuses us.
    pub(crate) async fn open(&self, response_timeout: Option<Duration>) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(response_timeout);
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// The present connection, or a new one: one try, by one task at a time.
    async fn get(&self) -> RedisResult<(MultiplexedConnection, u64)> {
        let mut current = self.current.lock().await;
        if let Some(connection) = &current.connection {
            return Ok((connection.clone(), current.number));
        }
        match self.open(Some(RESPONSE_TIMEOUT)).await {
            Ok(connection) => {
                current.number += 1;
                current.connection = Some(connection.clone());
                Ok((connection, current.number))
            }
            Err(error) => {
                self.is_away(&error);
                Err(error)
            }
        }
    }

    /// Throws a connection away. What fails later on one that has been replaced already is no news.
    async fn discard(&self, number: u64, error: &RedisError) {
        let mut current = self.current.lock().await;
        if current.number == number && current.connection.take().is_some() {
            self.is_away(error);
        }
    }

    /// How many connections there have been: another number than before means that one had to be replaced.
    pub(crate) async fn number(&self) -> u64 {
        self.current.lock().await.number
    }

    fn is_away(&self, error: &RedisError) {
        if !self.away.swap(true, Ordering::Relaxed) {
            tracing::warn!(%error, "Redis is away; trying again until it is back");
        }
    }

    fn is_back(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            tracing::info!("Redis is back");
        }
    }
}

impl Redis for Connection {
    type Error = RedisError;

    async fn execute(&self, command: Command<'_>) -> RedisResult<Vec<Value>> {
        let mut cmd = redis::cmd(command.name);
        for argument in command.arguments {
            cmd.arg(argument);
        }
        let mut values = Vec::new();
        flatten(self.query(&cmd).await?, &mut values)?;
        Ok(values)
    }

    fn is_unknown_script(error: &RedisError) -> bool {
        error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
    }
}

/// Whether a connection is of no more use after this error. A server that was demoted to a replica stays one: only a
/// new connection can lead to the new master.
fn ends_connection(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse | ErrorKind::Server(ServerErrorKind::ReadOnly))
        || error.is_unrecoverable_error()
}

/// Says what Redis refuses: at the first of several failures in a row, because it is then tried again until it works.
/// That Redis is away has been said.
pub(crate) fn report(call: &str, error: &CallError<RedisError>, failures: u32) {
    let away = matches!(error, CallError::Redis(error) if ends_connection(error));
    if failures == 0 && !away {
        tracing::warn!(call, %error, "Redis refuses; trying again");
    } else {
        tracing::debug!(call, %error, failures, "a call to Redis failed");
    }
}

fn flatten(value: redis::Value, values: &mut Vec<Value>) -> RedisResult<()> {
    values.push(match value {
        redis::Value::Nil => Value::Nil,
        redis::Value::Int(number) => Value::Int(number),
        redis::Value::BulkString(bytes) => Value::Bytes(bytes),
        redis::Value::SimpleString(status) => Value::Status(status),
        redis::Value::Okay => Value::Status("OK".to_owned()),
        redis::Value::Array(nested) => return nested.into_iter().try_for_each(|value| flatten(value, values)),
        _ => return Err((ErrorKind::UnexpectedReturnType, "a type that no script returns").into()),
    });
    Ok(())
}
