//! A queue on a Redis of the test's own, with the calls that tests make most.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part")]
#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

pub mod breaking;

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use email_queue::{
    Class, EmailId, Lane, Queue, Record, Shards, State,
    call::{Call, CallError, Command, Redis, Value},
    maintenance::{Maintained, Maintenance, maintain},
    query,
    query::{Depth, Why, depth, why},
    transition::{
        ByteBudget, Claim, ClaimRef, Claimed, Claims, Enqueue, Enqueued, Finish, Finished, NewEmail, Next, Outcome,
        Periods, PoppedEntry, Progress, RoomFor, claim, enqueue, extend, finish, release,
    },
};
use jiff::Timestamp;
use testkit::RedisServer;

pub const EMAIL: &str = r#"{"from":"a@example.com","to":["b@example.com"],"subject":"Hi","text":"Hello"}"#;
/// A lease longer than any test.
pub const LONG: Duration = Duration::from_secs(60);
/// Emails that are sent are kept, and those that fail are tried again, for as long as any test takes.
pub const PERIODS: Periods = Periods { retention: LONG, retry_for: LONG };

/// As many bytes as there are.
pub const ANY: ByteBudget = ByteBudget { all: usize::MAX >> 12, first: usize::MAX >> 12 };

pub struct TestQueue {
    pub server: Arc<RedisServer>,
    pub queue: Queue,
    /// Who claims.
    pub worker: &'static str,
    pub client: Client,
    pops: Cell<u64>,
}

impl TestQueue {
    pub fn start() -> Self {
        let server = RedisServer::builder().without_persistence().start();
        Self::beside(&Arc::new(server))
    }

    /// Another client of the same Redis and the same queue, for another thread.
    pub fn beside(server: &Arc<RedisServer>) -> Self {
        let client = Client(RefCell::new(server.connection()));
        Self { server: Arc::clone(server), queue: Queue::default(), worker: "w", client, pops: Cell::default() }
    }

    /// Another queue on the Redis of `other`.
    pub fn on(other: &Self, name: &str) -> Self {
        Self { queue: name.parse().unwrap(), ..Self::beside(&other.server) }
    }

    /// The same queue as another worker sees it.
    pub fn other_worker(&self) -> Self {
        Self { queue: self.queue.clone(), worker: "other", ..Self::beside(&self.server) }
    }

    /// Every call is answered at once, because the client blocks.
    pub fn run<T>(&self, call: &Call<T>) -> T {
        self.try_run(call).unwrap()
    }

    pub fn try_run<T>(&self, call: &Call<T>) -> Result<T, CallError<redis::RedisError>> {
        now(call.run(&self.client))
    }

    /// Sends a call as a client does whose answer to the same call was lost.
    pub fn again<T>(&self, call: &Call<T>) -> T {
        now(call.run(&Again(&self.client))).unwrap()
    }

    pub fn redis<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut cmd = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            cmd.arg(word);
        });
        cmd.query(&mut *self.client.0.borrow_mut()).unwrap()
    }

    pub fn set(&self, key: &str, value: &str) {
        let () = redis::cmd("SET").arg(key).arg(value).query(&mut *self.client.0.borrow_mut()).unwrap();
    }

    /// Restores a key from its [`DUMP`](https://redis.io/docs/latest/commands/dump/).
    pub fn restore(&self, key: &str, dump: &[u8]) {
        let mut restore = redis::cmd("RESTORE");
        let () = restore.arg(key).arg(0).arg(dump).query(&mut *self.client.0.borrow_mut()).unwrap();
    }

    /// A number from `INFO memory`.
    pub fn memory(&self, field: &str) -> usize {
        let info: String = self.redis("INFO memory");
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap().trim().parse().unwrap()
    }

    pub fn push(&self, list: &str, entry: &str) {
        let () = redis::cmd("LPUSH").arg(list).arg(entry).query(&mut *self.client.0.borrow_mut()).unwrap();
    }

    pub fn enqueue(&self, lane: Lane) -> EmailId {
        self.enqueue_due(lane, None)
    }

    pub fn enqueue_many(&self, count: usize) -> Vec<EmailId> {
        (0..count).map(|_| self.enqueue(Lane::Normal)).collect()
    }

    pub fn enqueue_due(&self, lane: Lane, due: Option<Timestamp>) -> EmailId {
        let id = EmailId::new();
        self.enqueue_as(&[id], lane, due);
        id
    }

    /// Enqueues many emails in one call.
    pub fn enqueue_batch(&self, lane: Lane, count: usize) -> Vec<EmailId> {
        let ids: Vec<_> = (0..count).map(|_| EmailId::new()).collect();
        self.enqueue_as(&ids, lane, None);
        ids
    }

    pub fn enqueue_as(&self, ids: &[EmailId], lane: Lane, due: Option<Timestamp>) {
        let emails: Vec<_> = ids.iter().map(|&id| NewEmail { id, lane, due, json: EMAIL.into() }).collect();
        let enqueue = enqueue(&self.queue, Enqueue { emails: &emails, ..Enqueue::default() });
        assert_eq!(self.run(&enqueue), Enqueued::Accepted);
    }

    pub fn claim(&self, max: usize, lease: Duration) -> Vec<Claimed> {
        self.claim_popped(max, lease, None)
    }

    pub fn claim_popped(&self, max: usize, lease: Duration, popped: Option<PoppedEntry>) -> Vec<Claimed> {
        let claims = self.claim_bytes(max, lease, ANY, popped);
        assert_eq!(claims.left, None);
        claims.emails
    }

    pub fn claim_bytes(&self, max: usize, lease: Duration, bytes: ByteBudget, popped: Option<PoppedEntry>) -> Claims {
        self.run(&claim(&self.queue, Claim { worker: self.worker, lease, max, bytes, popped }))
    }

    pub fn claim_ids(&self, max: usize) -> Vec<EmailId> {
        self.claim(max, LONG).iter().map(|claimed| claimed.claim.id).collect()
    }

    /// What `BRPOP` does when something waits.
    pub fn pop(&self) -> Option<PoppedEntry> {
        self.queue.lists().into_iter().find_map(|list| {
            let entry: Option<Vec<u8>> = self.redis(&format!("RPOP {list}"));
            entry.map(|entry| PoppedEntry { list: list.into(), entry: Arc::new(entry), number: self.next_pop() })
        })
    }

    fn next_pop(&self) -> u64 {
        self.pops.set(self.pops.get() + 1);
        self.pops.get()
    }

    pub fn finish(&self, claim: ClaimRef, outcome: Outcome) -> bool {
        self.finish_and_claim(claim, outcome, 0, LONG).recorded[0]
    }

    pub fn finish_with(&self, claim: ClaimRef, outcome: Outcome, progress: Progress) -> bool {
        let finished = [Finish::new(claim, outcome, progress)];
        self.run(&finish(&self.queue, self.worker, PERIODS, &finished, None)).recorded[0]
    }

    pub fn finish_and_claim(&self, claim: ClaimRef, outcome: Outcome, max: usize, lease: Duration) -> Finished {
        let finished = [Finish::new(claim, outcome, Progress::default())];
        let next = Next { lease, max, max_bytes: usize::MAX >> 12 };
        self.run(&finish(&self.queue, self.worker, PERIODS, &finished, Some(next)))
    }

    pub fn extend(&self, lease: Duration, claims: &[ClaimRef]) -> Vec<bool> {
        self.run(&extend(&self.queue, self.worker, lease, lease, claims)).in_flight
    }

    pub fn release(&self, claims: &[ClaimRef]) -> u64 {
        self.run(&release(&self.queue, self.worker, claims))
    }

    /// Does maintenance, as soon as this caller gets the lock.
    pub fn maintain(&self, settings: Maintenance) -> Maintained {
        testkit::wait::eventually_blocking(testkit::DEADLINE, "the lock of maintenance", || {
            let maintained = self.try_maintain(settings).unwrap();
            maintained.locked.then_some(maintained)
        })
    }

    pub fn try_maintain(&self, settings: Maintenance) -> Result<Maintained, CallError<redis::RedisError>> {
        now(maintain(&self.client, &self.queue, settings))
    }

    pub fn record(&self, id: EmailId) -> Option<Record> {
        self.run(&query::read(&self.queue, id))
    }

    pub fn state(&self, id: EmailId) -> State {
        self.record(id).unwrap().state
    }

    /// The ids of a sorted set of this queue.
    pub fn ids(&self, set: &str) -> Vec<EmailId> {
        let ids: Vec<String> = self.redis(&format!("ZRANGE {}:{set} 0 -1", self.queue.name()));
        ids.iter().map(|id| id.parse().unwrap()).collect()
    }

    /// What workers have in flight.
    pub fn sending(&self) -> Vec<EmailId> {
        let workers: Vec<String> = self.redis(&format!("ZRANGE {}:workers 0 -1", self.queue.name()));
        let ids = workers.iter().flat_map(|worker| {
            let ids: Vec<String> = self.redis(&format!("HKEYS {}:sending:{worker}", self.queue.name()));
            ids
        });
        ids.map(|id| id.parse().unwrap()).collect()
    }

    /// What has ended and is kept for its retention.
    pub fn finished(&self) -> Vec<EmailId> {
        self.groups("finished")
    }

    /// The ids of a sorted set that has several of them in a member.
    pub fn groups(&self, set: &str) -> Vec<EmailId> {
        let members: Vec<String> = self.redis(&format!("ZRANGE {}:{set} 0 -1", self.queue.name()));
        members.iter().flat_map(|ids| ids.split(' ')).map(|id| id.parse().unwrap()).collect()
    }

    /// How many bytes are stored, as the queue has counted them.
    pub fn stored(&self) -> usize {
        let stored: Option<usize> = self.redis(&format!("HGET {}:waiting bytes", self.queue.name()));
        stored.unwrap_or(0)
    }

    /// Checks that they are as many as all records have.
    pub fn check_bytes(&self) {
        let records: Vec<String> = self.redis(&format!("KEYS {}:email:*", self.queue.name()));
        let sum: usize = records.iter().map(|key| self.redis::<usize>(&format!("STRLEN {key}"))).sum();
        assert_eq!(self.stored(), sum);
    }

    /// Has maintenance count them anew, to the end.
    pub fn count_anew(&self) {
        let name = self.queue.name();
        self.redis::<()>(&format!("HDEL {name}:waiting counted recount recount:to recount:sum"));
        while !self.is_counted() {
            self.maintain(Maintenance { grace: LONG, ..eager() });
        }
    }

    /// Whether no count is called for, or under way.
    pub fn is_counted(&self) -> bool {
        self.redis(&format!("HEXISTS {}:waiting counted", self.queue.name()))
    }

    /// Every id that is known, in order, after checking that each is in the list where it is looked for.
    pub fn index(&self) -> Vec<EmailId> {
        let names = self.ids("index");
        let ends = names.iter().skip(1).map(Some).chain([None]);
        let ids = names.iter().zip(ends).flat_map(|(name, end)| {
            let ids: Vec<String> = self.redis(&format!("LRANGE {}:index:{name} 0 -1", self.queue.name()));
            let mut ids: Vec<EmailId> = ids.iter().map(|id| id.parse().unwrap()).collect();
            ids.sort();
            assert!(!ids.is_empty() && ids.iter().all(|id| id >= name && end.is_none_or(|end| id < end)), "{name}");
            ids
        });
        ids.collect()
    }

    /// The emails that wait in a lane, in the order of their places, after checking that they are counted right.
    pub fn waiting(&self, lane: Lane) -> Vec<EmailId> {
        let name = self.queue.name();
        let chunks: Vec<u64> = self.redis(&format!("ZRANGE {name}:waiting:{lane} 0 -1"));
        let mut places = BTreeMap::new();
        for chunk in chunks {
            let fields: BTreeMap<String, String> = self.redis(&format!("HGETALL {name}:waiting:{lane}:{chunk}"));
            assert!(!fields.is_empty(), "{chunk}");
            places.extend(fields.into_iter().map(|(place, id)| ((chunk, place), id.parse().unwrap())));
        }
        let count: Option<usize> = self.redis(&format!("HGET {name}:waiting {lane}"));
        assert_eq!(count.unwrap_or(0), places.len());
        places.into_values().collect()
    }

    /// Why an email has not been sent, which must be there.
    pub fn why(&self, id: EmailId) -> Why {
        self.try_why(id).unwrap().unwrap()
    }

    pub fn try_why(&self, id: EmailId) -> Result<Option<Why>, CallError<redis::RedisError>> {
        now(why(&self.client, &Shards::one(self.queue.clone()), id))
    }

    pub fn depth(&self) -> Depth {
        self.run(&depth(&self.queue))
    }
}

/// Maintenance that hardly keeps others from it, and that gives emails no grace.
pub fn eager() -> Maintenance {
    Maintenance {
        lock: Duration::from_millis(1),
        grace: Duration::ZERO,
        longest_lock: Duration::from_millis(1),
        ..Maintenance::default()
    }
}

/// What a future comes to that never waits.
pub fn now<T>(future: impl Future<Output = T>) -> T {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(output) => output,
        Poll::Pending => unreachable!("the client blocks"),
    }
}

struct Again<'a>(&'a Client);

impl Redis for Again<'_> {
    type Error = redis::RedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, redis::RedisError> {
        self.0.execute(command.resent()).await
    }

    fn is_unknown_script(error: &redis::RedisError) -> bool {
        Client::is_unknown_script(error)
    }
}

pub struct Client(RefCell<redis::Connection>);

impl Redis for Client {
    type Error = redis::RedisError;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, redis::RedisError> {
        redis_calls::values(redis_calls::cmd(&command).query(&mut *self.0.borrow_mut())?)
    }

    fn is_unknown_script(error: &redis::RedisError) -> bool {
        redis_calls::is_unknown_script(error)
    }
}

/// What a Redis that is full, whatever it is, is asked to make free.
pub fn memory(bytes: u64) -> RoomFor {
    RoomFor::Memory { bytes, again: true }
}

pub fn delayed(retry_in: Duration) -> Outcome {
    Outcome::Delayed { retry_in, class: Class::Deferred, error: "450 later".into() }
}

pub fn postponed(retry_in: Duration) -> Outcome {
    Outcome::Postponed { retry_in, class: Class::Connection, error: "connection refused".into() }
}

pub fn returned() -> Outcome {
    Outcome::Returned { class: Class::Connection, error: "connection refused".into() }
}

pub fn failed(error: &str) -> Outcome {
    Outcome::Failed { class: Class::Recipient, error: error.into() }
}
