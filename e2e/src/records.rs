use std::collections::BTreeMap;

use redis::{Commands, Connection, FromRedisValue, RedisResult};
use testkit::{DEADLINE, RedisServer, eventually};

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
        for set in ["waiting:high", "waiting:normal", "waiting:low", "scheduled", "sending"] {
            sizes.zcard(format!("emails:{set}"));
        }
        read::<Vec<usize>>(sizes.query(&mut self.redis)).into_iter().sum()
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
        let ids: Vec<String> = read(self.redis.zrange("emails:index", 0, -1));
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
        let mut ids: Vec<String> = read(self.redis.zrange("emails:sending", 0, -1));
        ids.retain(|id| self.field(id, "worker").is_some_and(|name| name.contains(&process)));
        ids
    }

    /// A field of an email's record.
    pub fn field(&mut self, id: &str, field: &str) -> Option<String> {
        read(self.redis.hget(format!("emails:email:{id}"), field))
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
