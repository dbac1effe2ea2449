//! Redis for one request to an instance: the shared connection, with a deadline.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use email_queue::{
    Queue,
    call::{CallError, Command, Redis, Value},
    transition::{Enqueue, Enqueued},
};

use super::{Host, Instance};
use crate::{backend::Backend, redis_client::RedisClient};

/// How many bytes of a command the network to Redis must carry in a second. A large email on a slow network gets the time to send
/// it, on top of [`Host::REDIS_TIMEOUT`].
const MIN_BYTES_PER_SECOND: u64 = 512 * 1024;

type ClientError<H> = <<H as Host>::RedisClient as RedisClient>::Error;

pub(super) struct InstanceRedis<'a, H: Host> {
    instance: &'a Instance<H>,
    /// How much longer the request waits for Redis.
    time_left: Cell<Duration>,
}

impl<'a, H: Host> InstanceRedis<'a, H> {
    pub(super) fn new(instance: &'a Instance<H>) -> Self {
        Self { instance, time_left: Cell::new(H::REDIS_TIMEOUT) }
    }

    /// Makes a call, and counts how long it takes.
    async fn call<T>(&self, call: impl AsyncFnOnce(UntilDeadline<'a, H>) -> T) -> T {
        let began = Instant::now();
        let deadline = began + self.time_left.get();
        let answer = call(UntilDeadline { instance: self.instance, began, deadline }).await;
        self.time_left.set(deadline.saturating_duration_since(Instant::now()));
        answer
    }
}

impl<H: Host> Redis for InstanceRedis<'_, H> {
    type Error = ClientError<H>;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, ClientError<H>> {
        self.call(async |redis| redis.execute(command).await).await
    }

    fn is_unknown_script(error: &ClientError<H>) -> bool {
        H::RedisClient::is_unknown_script(error)
    }
}

impl<H: Host> Backend for InstanceRedis<'_, H> {
    async fn enqueue(&self, queue: &Queue, emails: Enqueue<'_>) -> Result<Enqueued, CallError<ClientError<H>>> {
        self.call(async |redis| self.instance.commit.enqueue(&redis, queue, emails).await).await
    }
}

/// The same for one call, which may be several commands.
struct UntilDeadline<'a, H: Host> {
    instance: &'a Instance<H>,
    began: Instant,
    deadline: Instant,
}

impl<H: Host> Redis for UntilDeadline<'_, H> {
    type Error = ClientError<H>;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, ClientError<H>> {
        let bytes: usize = command.arguments.iter().map(|argument| argument.len()).sum();
        let sending = Duration::from_millis(bytes as u64 * 1000 / MIN_BYTES_PER_SECOND);
        let url = self.instance.host.redis_url(self.began).await;
        self.instance.connection.execute(&url, &command, self.deadline + sending).await
    }

    fn is_unknown_script(error: &ClientError<H>) -> bool {
        H::RedisClient::is_unknown_script(error)
    }
}
