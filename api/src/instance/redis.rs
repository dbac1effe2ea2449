//! Redis for an instance, and for one request to it: the shared connection, with a deadline.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::{Duration, Instant},
};

use email_queue::{
    Queue, Shard, Shards,
    call::{CallError, Command, Redis, Value},
    transition::{Enqueue, Enqueued},
};

use super::host::Host;
use crate::{
    backend::{Backend, TimeShare, random_shard},
    deadline::Deadline,
    group_commit::GroupCommit,
    nodes::Nodes,
    redis_client::RedisClient,
};

/// How many bytes of a command the network to Redis must carry in a second. A large email on a slow network gets the time to send
/// it, on top of [`Host::REDIS_TIMEOUT`].
const MIN_BYTES_PER_SECOND: u64 = 512 * 1024;

/// How often a shard is picked at random until it is none that is avoided.
const PICKS: usize = 4;

/// For how long a shard that has not taken emails is avoided.
const AVOIDED: Duration = Duration::from_secs(1);

type ClientError<H> = <<H as Host>::RedisClient as RedisClient>::Error;

/// What the requests to an instance share.
pub(super) struct InstanceRedis<H: Host> {
    host: H,
    nodes: Nodes<H, H::RedisClient>,
    /// For commands that wait for replicas: Redis carries out nothing else of a connection meanwhile.
    replicated: Nodes<H, H::RedisClient>,
    commit: GroupCommit<H, ClientError<H>>,
    /// Shards that have not taken emails, each with the time until which it is avoided.
    avoided: RefCell<BTreeMap<Shard, Instant>>,
}

impl<H: Host> InstanceRedis<H> {
    /// Connects to nothing yet.
    pub(super) fn new(host: H, client: H::RedisClient) -> Self {
        let (nodes, replicated) = (Nodes::new(client.clone()), Nodes::new(client));
        Self { host, nodes, replicated, commit: GroupCommit::default(), avoided: RefCell::default() }
    }

    pub(super) fn host(&self) -> &H {
        &self.host
    }

    fn is_avoided(&self, shard: Shard) -> bool {
        let mut avoided = self.avoided.borrow_mut();
        let is_avoided = avoided.get(&shard).is_some_and(|until| Instant::now() < *until);
        if !is_avoided {
            avoided.remove(&shard);
        }
        is_avoided
    }
}

/// Redis for one request.
pub(super) struct RequestRedis<'a, H: Host> {
    redis: &'a InstanceRedis<H>,
    /// How much longer the request waits for Redis.
    time_left: Cell<Duration>,
    share: Cell<TimeShare>,
}

impl<'a, H: Host> RequestRedis<'a, H> {
    pub(super) fn new(redis: &'a InstanceRedis<H>) -> Self {
        Self { redis, time_left: Cell::new(H::REDIS_TIMEOUT), share: Cell::default() }
    }

    /// Makes a call, and counts how long it takes.
    async fn call<T>(&self, call: impl AsyncFnOnce(UntilDeadline<'a, H>) -> T) -> T {
        let began = Instant::now();
        let time_left = self.time_left.get();
        let (half, whole) = (began + time_left / 2, began + time_left);
        let deadline = match self.share.get() {
            TimeShare::All => Deadline::at(whole),
            TimeShare::HalfToConnect => Deadline { connected: half, answered: whole },
            TimeShare::Half => Deadline { connected: began + time_left / 4, answered: half },
        };
        let answer = call(UntilDeadline { redis: self.redis, began, deadline }).await;
        self.time_left.set(whole.saturating_duration_since(Instant::now()));
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

    fn shard_for(&self, shards: &Shards, emails: &Enqueue<'_>) -> Shard {
        if shards.count() == 1 {
            return Shard::FIRST;
        }
        let open = self.redis.commit.shard_for(shards, emails);
        open.unwrap_or_else(|| {
            let mut picks = std::iter::repeat_with(|| random_shard(shards)).take(PICKS);
            picks.find(|shard| !self.redis.is_avoided(*shard)).unwrap_or_else(|| random_shard(shards))
        })
    }

    fn shard_failed(&self, shard: Shard) {
        self.redis.avoided.borrow_mut().insert(shard, Instant::now() + AVOIDED);
    }

    fn take(&self, share: TimeShare) {
        self.share.set(share);
    }
}

/// The same for one call, which may be several commands.
struct UntilDeadline<'a, H: Host> {
    redis: &'a InstanceRedis<H>,
    began: Instant,
    deadline: Deadline,
}

impl<H: Host> Redis for UntilDeadline<'_, H> {
    type Error = ClientError<H>;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, ClientError<H>> {
        let bytes: usize = command.arguments.iter().map(|argument| argument.len()).sum();
        let sending = Duration::from_millis(bytes as u64 * 1000 / MIN_BYTES_PER_SECOND);
        let url = self.redis.host.redis_url(self.began).await;
        let deadline = self.deadline.later(sending);
        let Some(replication) = command.replication else {
            return self.redis.nodes.execute(&url, &command, deadline).await;
        };
        self.redis.replicated.execute(&url, &command, deadline.later(replication.timeout())).await
    }

    fn is_unknown_script(error: &ClientError<H>) -> bool {
        H::RedisClient::is_unknown_script(error)
    }
}
