//! Spin's outbound Redis under WASI 0.3, and what the requests of an instance share of it.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use api::{
    backend::Backend,
    group_commit::GroupCommit,
    kept::{Connect, Fault, KeptConnection, Recent},
};
use email_queue::{
    Queue,
    call::{CallError, Command, Redis, Value},
    transition::{Enqueue, Enqueued},
};
use spin_sdk_wasip3::{
    redis::{Connection, RedisParameter},
    variables,
};

use super::GuestTasks;
use crate::spin_redis::{SpinRedisError, impl_conversions};

/// How long a request waits for Redis, all its commands together. Spin itself would wait for ever, and a network that has
/// forgotten a connection answers nothing. Longer than Redis takes for anything that it does in good health.
const PATIENCE: Duration = Duration::from_secs(4);

/// How many bytes of a command the line to Redis has to carry in a second. A large email on a slow line gets the time that it
/// takes to send it, on top of [`PATIENCE`].
const LEAST_PER_SECOND: u64 = 512 * 1024;

thread_local! {
    static REDIS_URL: Recent<Rc<str>> = const { Recent::new() };
    static CONNECTION: Rc<KeptConnection<Client>> = Rc::new(KeptConnection::new(Client));
    static COMMIT: Rc<GroupCommit<GuestTasks, SpinRedisError>> = Rc::default();
}

/// Spin's outbound Redis, by the connection of this instance, for one request.
pub(super) struct SpinRedis {
    /// How much longer the request waits for Redis.
    patience: Cell<Duration>,
}

impl SpinRedis {
    pub(super) fn new() -> Self {
        Self { patience: Cell::new(PATIENCE) }
    }

    /// Asks Redis something, and counts how long that takes.
    async fn ask<T>(&self, ask: impl AsyncFnOnce(UntilDeadline) -> T) -> T {
        let asked = Instant::now();
        let deadline = asked + self.patience.get();
        let answer = ask(UntilDeadline { asked, deadline }).await;
        self.patience.set(deadline.saturating_duration_since(Instant::now()));
        answer
    }
}

impl Redis for SpinRedis {
    type Error = SpinRedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, SpinRedisError> {
        self.ask(async |redis| redis.execute(command).await).await
    }

    fn is_unknown_script(error: &SpinRedisError) -> bool {
        error.is_unknown_script()
    }
}

impl Backend for SpinRedis {
    async fn enqueue(&self, queue: &Queue, emails: Enqueue<'_>) -> Result<Enqueued, CallError<SpinRedisError>> {
        let commit = COMMIT.with(Rc::clone);
        self.ask(async |redis| commit.enqueue(&redis, queue, emails).await).await
    }
}

/// The same for one question, which may be several commands.
struct UntilDeadline {
    asked: Instant,
    deadline: Instant,
}

impl Redis for UntilDeadline {
    type Error = SpinRedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, SpinRedisError> {
        let bytes: usize = command.arguments.iter().map(|argument| argument.len()).sum();
        let sending = Duration::from_millis(bytes as u64 * 1000 / LEAST_PER_SECOND);
        CONNECTION.with(Rc::clone).execute(&redis_url(self.asked).await, &command, self.deadline + sending).await
    }

    fn is_unknown_script(error: &SpinRedisError) -> bool {
        error.is_unknown_script()
    }
}

async fn redis_url(now: Instant) -> Rc<str> {
    if let Some(url) = REDIS_URL.with(|recent| recent.get(now)) {
        return url;
    }
    let url = Rc::from(variables::get("redis_url").await.unwrap_or_default());
    REDIS_URL.with(|recent| recent.keep(now, Rc::clone(&url)));
    url
}

struct Client;

impl Connect for Client {
    type Tasks = GuestTasks;
    type Connection = Connection;
    type Error = SpinRedisError;

    async fn open(&self, url: &str) -> Result<Connection, SpinRedisError> {
        Connection::open(url).await.map_err(SpinRedisError::no_connection)
    }

    async fn execute(&self, connection: &Connection, command: &Command<'_>) -> Result<Vec<Value>, SpinRedisError> {
        let arguments = command.arguments.iter().map(|argument| RedisParameter::Binary(argument.to_vec()));
        let answer = connection.execute(command.name, arguments).await;
        let answer = answer.map_err(|error| SpinRedisError::new(command.name, error))?;
        Ok(answer.into_iter().map(value).collect())
    }

    fn fault(error: &SpinRedisError) -> Fault {
        error.fault()
    }

    fn silent(command: &Command<'_>, was_sent: bool) -> SpinRedisError {
        SpinRedisError::silent(command.name, was_sent)
    }
}

impl_conversions!(spin_sdk_wasip3);
