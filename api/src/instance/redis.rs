//! Redis for an instance, and for one request to it: the shared connection, with a deadline.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use email_queue::{
    Queue,
    call::{CallError, Command, Redis, Value},
    transition::{Enqueue, Enqueued},
};

use super::host::Host;
use crate::{
    backend::Backend, group_commit::GroupCommit, redis_client::RedisClient, shared_connection::SharedConnection,
};

/// How many bytes of a command the network to Redis must carry in a second. A large email on a slow network gets the time to send
/// it, on top of [`Host::REDIS_TIMEOUT`].
const MIN_BYTES_PER_SECOND: u64 = 512 * 1024;

type ClientError<H> = <<H as Host>::RedisClient as RedisClient>::Error;

/// What the requests to an instance share.
pub(super) struct InstanceRedis<H: Host> {
    host: H,
    connection: SharedConnection<H, H::RedisClient>,
    /// For commands that wait for replicas: Redis carries out nothing else of a connection meanwhile.
    replicated: SharedConnection<H, H::RedisClient>,
    commit: GroupCommit<H, ClientError<H>>,
}

impl<H: Host> InstanceRedis<H> {
    /// Connects to nothing yet.
    pub(super) fn new(host: H, client: H::RedisClient) -> Self {
        let (connection, replicated) = (SharedConnection::new(client.clone()), SharedConnection::new(client));
        Self { host, connection, replicated, commit: GroupCommit::default() }
    }

    pub(super) fn host(&self) -> &H {
        &self.host
    }
}

/// Redis for one request.
pub(super) struct RequestRedis<'a, H: Host> {
    redis: &'a InstanceRedis<H>,
    /// How much longer the request waits for Redis.
    time_left: Cell<Duration>,
}

impl<'a, H: Host> RequestRedis<'a, H> {
    pub(super) fn new(redis: &'a InstanceRedis<H>) -> Self {
        Self { redis, time_left: Cell::new(H::REDIS_TIMEOUT) }
    }

    /// Makes a call, and counts how long it takes.
    async fn call<T>(&self, call: impl AsyncFnOnce(UntilDeadline<'a, H>) -> T) -> T {
        let began = Instant::now();
        let deadline = began + self.time_left.get();
        let answer = call(UntilDeadline { redis: self.redis, began, deadline }).await;
        self.time_left.set(deadline.saturating_duration_since(Instant::now()));
        answer
    }
}

impl<H: Host> Redis for RequestRedis<'_, H> {
    type Error = ClientError<H>;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, ClientError<H>> {
        self.call(async |redis| redis.execute(command).await).await
    }

    fn is_unknown_script(error: &ClientError<H>) -> bool {
        H::RedisClient::is_unknown_script(error)
    }
}

impl<H: Host> Backend for RequestRedis<'_, H> {
    async fn enqueue(&self, queue: &Queue, emails: Enqueue<'_>) -> Result<Enqueued, CallError<ClientError<H>>> {
        self.call(async |redis| self.redis.commit.enqueue(&redis, queue, emails).await).await
    }
}

/// The same for one call, which may be several commands.
struct UntilDeadline<'a, H: Host> {
    redis: &'a InstanceRedis<H>,
    began: Instant,
    deadline: Instant,
}

impl<H: Host> Redis for UntilDeadline<'_, H> {
    type Error = ClientError<H>;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, ClientError<H>> {
        let bytes: usize = command.arguments.iter().map(|argument| argument.len()).sum();
        let sending = Duration::from_millis(bytes as u64 * 1000 / MIN_BYTES_PER_SECOND);
        let url = self.redis.host.redis_url(self.began).await;
        let Some(replication) = command.replication else {
            return self.redis.connection.execute(&url, &command, self.deadline + sending).await;
        };
        self.redis.replicated.execute(&url, &command, self.deadline + sending + replication.timeout()).await
    }

    fn is_unknown_script(error: &ClientError<H>) -> bool {
        H::RedisClient::is_unknown_script(error)
    }
}
