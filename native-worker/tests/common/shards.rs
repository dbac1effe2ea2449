//! The shards of a queue, and a client that enqueues emails in them.

use std::cell::RefCell;

use email_queue::{
    EmailId, Lane, Queue, Record, Shard, Shards, State,
    call::{Call, Command, Redis, Value},
    query::read,
    transition::{Enqueue, Enqueued, NewEmail, enqueue},
};
use futures_util::FutureExt;
use jiff::Timestamp;
use redis::{Connection, RedisError, RedisResult};

/// So many shards of the queue `{emails}`.
pub(crate) fn shards(count: u16) -> Shards {
    Shards::new("{emails}".parse().unwrap(), count).unwrap()
}

/// A connection to the Redis of one shard.
pub(crate) struct ShardClient {
    pub(crate) queue: Queue,
    shard: Shard,
    redis: RefCell<Connection>,
}

impl ShardClient {
    pub(crate) fn new(redis: Connection, shards: &Shards, shard: Shard) -> Self {
        Self { queue: shards.queue(shard), shard, redis: RefCell::new(redis) }
    }

    /// All shards of one Redis.
    pub(crate) fn all(redis: impl Fn() -> Connection, count: u16) -> Vec<Self> {
        let shards = shards(count);
        shards.all().map(|shard| Self::new(redis(), &shards, shard)).collect()
    }

    /// Enqueues an email, as the API does.
    pub(crate) fn enqueue(&self, to: &str) -> EmailId {
        self.enqueue_due(to, None)
    }

    /// The same for a time.
    pub(crate) fn enqueue_due(&self, to: &str, due: Option<Timestamp>) -> EmailId {
        let json = format!(r#"{{"from":"a@x.example","to":["{to}"],"subject":"s","text":"t"}}"#);
        let id = EmailId::new().in_shard(self.shard);
        let emails = [NewEmail { id, lane: Lane::Normal, due, json: json.into() }];
        let enqueued = self.run(&enqueue(&self.queue, Enqueue { emails: &emails, ..Enqueue::default() }));
        assert_eq!(enqueued, Enqueued::Accepted);
        id
    }

    /// Many of them, to `<number>@<domain>`.
    pub(crate) fn enqueue_many(&self, count: usize, domain: &str) {
        for number in 0..count {
            self.enqueue(&format!("{number}@{domain}"));
        }
    }

    /// Pushes an entry as another program does.
    pub(crate) fn push(&self, entry: &str) {
        self.query::<u64>(redis::cmd("LPUSH").arg(self.queue.name()).arg(entry));
    }

    pub(crate) fn record(&self, id: EmailId) -> Option<Record> {
        self.run(&read(&self.queue, id))
    }

    pub(crate) fn state(&self, id: EmailId) -> Option<State> {
        self.record(id).map(|record| record.state)
    }

    /// All ids known.
    pub(crate) fn ids(&self) -> Vec<EmailId> {
        let index = format!("{}:index", self.queue.name());
        let lists: Vec<String> = self.query(redis::cmd("ZRANGE").arg(&index).arg(0).arg(-1));
        let ids = |list| self.query::<Vec<String>>(redis::cmd("LRANGE").arg(format!("{index}:{list}")).arg(0).arg(-1));
        lists.into_iter().flat_map(ids).map(|id| id.parse().unwrap()).collect()
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.queue.name())
    }

    pub(crate) fn query<T: redis::FromRedisValue>(&self, command: &redis::Cmd) -> T {
        command.query(&mut *self.redis.borrow_mut()).unwrap()
    }

    pub(crate) fn run<T>(&self, call: &Call<T>) -> T {
        // Every call is answered at once, because the client blocks.
        call.run(self).now_or_never().unwrap().unwrap()
    }
}

impl Redis for ShardClient {
    type Error = RedisError;

    async fn execute(&self, command: Command<'_>) -> RedisResult<Vec<Value>> {
        redis_calls::values(redis_calls::cmd(&command).query(&mut *self.redis.borrow_mut())?)
    }

    fn is_unknown_script(error: &RedisError) -> bool {
        redis_calls::is_unknown_script(error)
    }
}
