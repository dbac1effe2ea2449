//! A connection to Redis that several tasks share, and that is replaced when it breaks or goes silent.
//!
//! A line may be slow. What ends a connection is silence: no byte in either direction while an answer is waited for,
//! however open the connection looks. After a power cut or behind a firewall that forgot it, nothing ever comes to say that
//! it is gone.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use email_queue::{
    Refusal,
    call::{Call, CallError, Command, Redis, Value},
};
use redis::{Cmd, ErrorKind, RedisError, RedisResult, ServerErrorKind};
use tokio::{sync::Mutex, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    backoff::Backoff,
    config::RedisUrl,
    link::{Link, Target},
    pace::Pace,
    reachability::Reachability,
};

/// For how long nothing may come or go while an answer is waited for, other than that of `BRPOP`.
const SILENCE: Duration = Duration::from_secs(5);

/// The pauses between two tries while Redis is unreachable.
pub(crate) const RECONNECT: Backoff = Backoff { base: Duration::from_millis(100), max: Duration::from_secs(3) };

/// A connection that is opened when it is first needed and replaced when it fails. Commands of several tasks share it.
pub(crate) struct Connection {
    target: Target,
    address: String,
    current: Mutex<Current>,
    reachability: Arc<Reachability>,
    /// What the line has carried.
    pub(crate) pace: Pace,
}

struct Current {
    /// With when it was opened.
    link: Option<(Link, Instant)>,
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
    /// When the URL leads to nothing that can be connected to.
    pub(crate) fn new(url: &RedisUrl, reachability: Arc<Reachability>) -> RedisResult<Self> {
        Ok(Self {
            target: Target::new(url)?,
            address: url.to_string(),
            current: Mutex::new(Current { link: None, number: 0 }),
            reachability,
            pace: Pace::default(),
        })
    }

    /// Runs a call until Redis has answered it, however long that takes, and repeats it if it fails on the way: only
    /// for calls where twice does no harm. `None` when `stop` comes first; a command that has been sent is waited for
    /// even then, for as long as its line moves.
    ///
    /// # Errors
    /// When Redis refuses what it would refuse again.
    pub(crate) async fn persist<T>(
        &self,
        call: &Call<T>,
        stop: &CancellationToken,
    ) -> Option<Result<Answered<T>, CallError<RedisError>>> {
        let mut failures = 0;
        let mut repeated = false;
        loop {
            // Connecting may be given up at any time. A command that was sent is another matter: it may have been
            // carried out, and its answer may be emails.
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

    /// Sends one command and waits for its answer, for as long as the line moves.
    ///
    /// # Errors
    /// When Redis is unreachable or silent, or refuses.
    pub(crate) async fn query(&self, command: &Cmd) -> RedisResult<redis::Value> {
        let (link, number) = self.get().await?;
        let asked = self.pace.ask(link.bytes_read());
        let answer = link.ask(command, SILENCE).await;
        match &answer {
            Ok(_) => {
                asked.answered(link.bytes_read());
                self.is_back();
            }
            Err(error) if ends_connection(error) => self.discard(number, error).await,
            Err(_) => {}
        }
        answer
    }

    /// A connection of one's own.
    ///
    /// # Errors
    /// When Redis cannot be reached or refuses us.
    pub(crate) async fn open(&self) -> RedisResult<Link> {
        self.target.open().await
    }

    /// The present connection, or a new one: one try, by one task at a time.
    async fn get(&self) -> RedisResult<(Link, u64)> {
        let mut current = self.current.lock().await;
        if let Some((link, _)) = &current.link {
            return Ok((link.clone(), current.number));
        }
        match self.open().await {
            Ok(link) => {
                current.number += 1;
                current.link = Some((link.clone(), Instant::now()));
                Ok((link, current.number))
            }
            Err(error) => {
                self.is_away(Instant::now(), &error);
                Err(error)
            }
        }
    }

    /// Throws a connection away. What fails later on one that has been replaced already is no news.
    async fn discard(&self, number: u64, error: &RedisError) {
        let mut current = self.current.lock().await;
        if current.number == number
            && let Some((_, opened)) = current.link.take()
        {
            self.is_away(opened, error);
        }
    }

    /// How many connections there have been: another number than before means that one had to be replaced.
    pub(crate) async fn number(&self) -> u64 {
        self.current.lock().await.number
    }

    fn is_away(&self, opened: Instant, error: &RedisError) {
        if self.reachability.failed(opened) {
            let (redis, error) = (&self.address, explained(error));
            tracing::warn!(redis, error, "Redis is unreachable; trying again until it is back");
        }
    }

    fn is_back(&self) {
        if self.reachability.answered() {
            tracing::info!(redis = self.address, "Redis can be reached again");
        }
    }

    /// Says what Redis refuses: at the first of several failures in a row, because it is then tried again until it works.
    /// That Redis is unreachable has been said.
    pub(crate) fn report(&self, call: &str, error: &CallError<RedisError>, failures: u32) {
        let away = matches!(error, CallError::Redis(error) if ends_connection(error));
        let text = match error {
            CallError::Redis(error) => explained(error),
            CallError::Answer(_) => error.to_string(),
        };
        if failures == 0 && !away {
            tracing::warn!(call, redis = self.address, error = text, "Redis refuses; trying again");
        } else {
            tracing::debug!(call, redis = self.address, error = text, failures, "a call to Redis failed");
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
pub(crate) fn ends_connection(error: &RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Io | ErrorKind::Parse)
        || error.is_unrecoverable_error()
        || Refusal::of(&error.to_string()) == Some(Refusal::ReadOnly)
}

/// Whether the same call would fail again, until a person has changed something. Nothing is known to be so while Redis
/// cannot be reached, starts, is busy or full, or changes its roles.
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

/// An error of Redis in our words, where we have some, and in its own.
pub(crate) fn explained(error: &RedisError) -> String {
    let text = error.to_string();
    match Refusal::of(&text) {
        Some(refusal) => format!("{refusal} ({text})"),
        None => text,
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
