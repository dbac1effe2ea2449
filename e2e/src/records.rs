use std::collections::BTreeMap;

use redis::{Commands, Connection, FromRedisValue, RedisResult};
use testkit::{DEADLINE, RedisServer, eventually, record};

use crate::Worker;

/// Counts all at one moment, because emails move from one to the other.
const UNFINISHED: &str = "
    local sum = redis.call('ZCARD', 'emails:scheduled')
    for _, waiting in ipairs(redis.call('HMGET', 'emails:waiting', 'high', 'normal', 'low')) do
        sum = sum + (waiting or 0)
    end
    for _, worker in ipairs(redis.call('ZRANGE', 'emails:workers', 0, -1)) do
        sum = sum + redis.call('HLEN', 'emails:sending:' .. worker)
    end
    return sum";

/// Reads the queue `emails` from Redis with plain commands.
pub struct Records {
    redis: Connection,
}

impl Records {
    /// Connects to a Redis that must be there.
    #[must_use]
    pub fn of(redis: &RedisServer) -> Self {
        Self { redis: redis.connection() }
    }

    /// How many emails wait, are scheduled or are being sent.
    pub fn unfinished(&mut self) -> usize {
        read(redis::cmd("EVAL").arg(UNFINISHED).arg(0).query(&mut self.redis))
    }

    /// Waits until each email is sent, failed or canceled.
    ///
    /// # Panics
    /// After [`DEADLINE`], when emails are still unfinished.
    pub async fn wait_until_finished(&mut self) {
        eventually(DEADLINE, "an end of every email", async || self.unfinished() == 0).await;
    }

    /// Waits until each email is sent, also one whose request was refused without an answer from Redis and that Redis takes
    /// on a moment later.
    ///
    /// # Panics
    /// After [`DEADLINE`], when some are not.
    pub async fn wait_until_sent(&mut self) {
        eventually(DEADLINE, "all emails to be sent", async || self.all_sent()).await;
    }

    /// How many emails are in which state.
    pub fn states(&mut self) -> BTreeMap<String, usize> {
        let ids = record::ids(&mut self.redis);
        let mut states = BTreeMap::new();
        for id in ids {
            *states.entry(self.field(&id, "state").unwrap_or_default()).or_default() += 1;
        }
        states
    }

    /// Checks that all emails are sent, and that nothing is left in any set or list of unfinished ones.
    ///
    /// # Panics
    /// When it is otherwise.
    #[track_caller]
    pub fn assert_all_sent(&mut self) {
        self.all_sent().unwrap_or_else(|unsent| panic!("not all emails are sent: {unsent}"));
        assert!(!self.states().is_empty());
    }

    /// Whether all emails are sent; otherwise what is not.
    fn all_sent(&mut self) -> Result<(), String> {
        let unfinished = self.unfinished();
        if unfinished > 0 {
            let waiting: Vec<String> = read(self.redis.hgetall("emails:waiting"));
            return Err(format!("{unfinished} are unfinished; waiting: {waiting:?}"));
        }
        let headers = record::ids(&mut self.redis).into_iter().map(|id| (record::header(&mut self.redis, &id), id));
        let unsent: Vec<_> = headers.filter(|(header, _)| !header.starts_with("sent ")).collect();
        if unsent.is_empty() { Ok(()) } else { Err(format!("{unsent:?}")) }
    }

    /// The emails that this worker has in flight, as Redis has it.
    pub fn in_flight_at(&mut self, worker: &Worker) -> Vec<String> {
        let process = format!(":{}:", worker.process.id());
        let workers = self.workers().into_iter().filter(|worker| worker.contains(&process));
        workers.flat_map(|worker| read::<Vec<String>>(self.redis.hkeys(format!("emails:sending:{worker}")))).collect()
    }

    /// Workers that may have emails in flight.
    fn workers(&mut self) -> Vec<String> {
        read(self.redis.zrange("emails:workers", 0, -1))
    }

    /// A field of an email's record; a number that is 0 is none.
    pub fn field(&mut self, id: &str, field: &str) -> Option<String> {
        record::field(&mut self.redis, id, field)
    }

    /// How many entries the list of the normal lane has.
    pub fn entries(&mut self) -> usize {
        read(self.redis.llen("emails"))
    }

    /// Waits until so many clients block in `BRPOP`.
    ///
    /// # Panics
    /// After [`DEADLINE`].
    pub async fn wait_for_blocked(&mut self, clients: usize) {
        let line = format!("blocked_clients:{clients}");
        eventually(DEADLINE, &line, async || {
            let info: String = read(redis::cmd("INFO").arg("clients").query(&mut self.redis));
            info.lines().any(|found| found.trim_end() == line)
        })
        .await;
    }
}

fn read<T: FromRedisValue>(answer: RedisResult<T>) -> T {
    answer.unwrap_or_else(|error| panic!("the test cannot ask Redis: {error}"))
}
