//! What the requests of one thread share, and Redis as one request asks it.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use api::{backend::Backend, budget::Budget, group_commit::GroupCommit, kept::KeptConnection, settings::Settings};
use email_queue::{
    Queue,
    call::{CallError, Command, Redis, Value},
    transition::{Enqueue, Enqueued},
};

use crate::{
    redis_client::{RedisClient, RedisError},
    tasks::LocalTasks,
};

/// How long a request waits for Redis, all its commands together. Longer than Redis takes for anything in good health.
const TIMEOUT: Duration = Duration::from_secs(2);

/// How many bytes of a command the network to Redis has to carry in a second. A large email on a slow network gets the time
/// that it takes to send it, on top of [`TIMEOUT`].
const LEAST_PER_SECOND: u64 = 512 * 1024;

/// What the requests of one thread share.
pub(crate) struct Thread {
    pub(crate) settings: Settings,
    pub(crate) budget: Rc<Budget<LocalTasks>>,
    redis_url: String,
    connection: KeptConnection<RedisClient>,
    commit: GroupCommit<LocalTasks, RedisError>,
}

impl Thread {
    pub(crate) fn new(settings: Settings, redis_url: String) -> Self {
        Self {
            settings,
            budget: Rc::default(),
            redis_url,
            connection: KeptConnection::new(RedisClient),
            commit: GroupCommit::default(),
        }
    }

    /// Redis, for one request.
    pub(crate) fn redis(&self) -> RequestRedis<'_> {
        RequestRedis { thread: self, left: Cell::new(TIMEOUT) }
    }
}

/// Redis by the connection of a thread, for one request.
pub(crate) struct RequestRedis<'a> {
    thread: &'a Thread,
    /// How much longer the request waits for Redis.
    left: Cell<Duration>,
}

impl RequestRedis<'_> {
    /// Asks Redis something, and counts how long that takes.
    async fn ask<T>(&self, ask: impl AsyncFnOnce(UntilDeadline<'_>) -> T) -> T {
        let deadline = Instant::now() + self.left.get();
        let answer = ask(UntilDeadline { thread: self.thread, deadline }).await;
        self.left.set(deadline.saturating_duration_since(Instant::now()));
        answer
    }
}

impl Redis for RequestRedis<'_> {
    type Error = RedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, RedisError> {
        self.ask(async |redis| redis.execute(command).await).await
    }

    fn is_unknown_script(error: &RedisError) -> bool {
        error.is_unknown_script()
    }
}

impl Backend for RequestRedis<'_> {
    async fn enqueue(&self, queue: &Queue, emails: Enqueue<'_>) -> Result<Enqueued, CallError<RedisError>> {
        self.ask(async |redis| self.thread.commit.enqueue(&redis, queue, emails).await).await
    }
}

/// The same for one question, which may be several commands.
struct UntilDeadline<'a> {
    thread: &'a Thread,
    deadline: Instant,
}

impl Redis for UntilDeadline<'_> {
    type Error = RedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, RedisError> {
        let bytes: usize = command.arguments.iter().map(|argument| argument.len()).sum();
        let sending = Duration::from_millis(bytes as u64 * 1000 / LEAST_PER_SECOND);
        let Thread { connection, redis_url, .. } = self.thread;
        connection.execute(redis_url, &command, self.deadline + sending).await
    }

    fn is_unknown_script(error: &RedisError) -> bool {
        error.is_unknown_script()
    }
}
