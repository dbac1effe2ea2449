use std::collections::BTreeMap;

use redis::{Commands, Connection, FromRedisValue, RedisResult};
use testkit::{DEADLINE, RedisServer, eventually, record};

use crate::Worker;

/// What Redis holds of the queue `emails`, read as any Redis client can.
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
        // All at one moment, because emails move from one to the other.
        let mut sizes = redis::pipe();
        sizes.atomic();
        sizes.hmget("emails:waiting", &["high", "normal", "low"]).zcard("emails:scheduled").zcard("emails:sending");
        let (waiting, scheduled, sending): (Vec<Option<usize>>, usize, usize) = read(sizes.query(&mut self.redis));
        waiting.into_iter().flatten().sum::<usize>() + scheduled + sending
    }

    /// Waits until each email is sent, failed or canceled.
    ///
    /// # Panics
    /// After [`DEADLINE`], when emails are still unfinished.
    pub async fn wait_until_finished(&mut self) {
        eventually(DEADLINE, "an end of every email", async || self.unfinished() == 0).await;
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
        assert_eq!(self.unfinished(), 0);
        let states = self.states();
        assert_eq!(states.keys().collect::<Vec<_>>(), ["sent"], "{states:?}");
    }

    /// The emails that Redis takes to be in the hand of this worker.
    pub fn held_by(&mut self, worker: &Worker) -> Vec<String> {
        let process = format!(":{}:", worker.process.id());
        let holders: BTreeMap<String, String> = read(self.redis.hgetall("emails:holders"));
        holders.into_iter().filter(|(_, worker)| worker.contains(&process)).map(|(id, _)| id).collect()
    }

    /// A field of an email's record; a number that is 0 is none.
    pub fn field(&mut self, id: &str, field: &str) -> Option<String> {
        record::field(&mut self.redis, id, field)
    }

    /// How many entries the list of the normal lane has.
    pub fn listed(&mut self) -> usize {
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
