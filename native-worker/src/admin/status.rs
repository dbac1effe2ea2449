//! The state of a worker, as its answers need it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use email_queue::query::{Stats, stats};
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::{sync::Mutex, time::timeout};

use crate::{gate::State, health::Phase, metrics::Snapshot, served_shard::ServedShard, shared::Shared};

/// For how long an answer of Redis is used again, so that requests cost Redis no more than a command every few seconds.
const FRESH: Duration = Duration::from_secs(3);

/// How long Redis is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// How many shards are asked at the same time.
const AT_ONCE: usize = 16;

/// What answers are made of.
pub(super) struct Status {
    shared: Arc<Shared>,
    shards: Vec<Arc<ServedShard>>,
    /// The last answer of Redis, or that there was none, and when. Locked while an answer is made, so that one is made at a time.
    stats: Mutex<Option<(Instant, Option<Stats>)>>,
}

impl Status {
    pub(super) fn new(shared: Arc<Shared>, shards: Vec<Arc<ServedShard>>) -> Self {
        Self { shared, shards, stats: Mutex::default() }
    }

    /// Whether the worker works.
    pub(super) fn is_alive(&self) -> bool {
        self.shared.health.is_alive()
    }

    /// The metrics, with the sizes of the moment.
    pub(super) async fn metrics(&self) -> String {
        let mut last = self.stats.lock().await;
        let snapshot = Snapshot {
            stats: self.stats(&mut last).await,
            in_flight: self.shards.iter().map(|shard| shard.in_flight.len()).sum(),
            connections: self.shared.transport.connections(),
            held_off: !self.shared.hold_off.gate.is_open(),
        };
        self.shared.metrics.text(&snapshot)
    }

    /// Why no email would be delivered now: one line each.
    pub(super) async fn obstacles(&self) -> Vec<String> {
        let mut obstacles = Vec::new();
        match self.shared.health.phase() {
            Phase::Starting => obstacles.push("starting: Redis is not checked yet".to_owned()),
            Phase::Working => {}
            Phase::Stopping => obstacles.push("stopping".to_owned()),
        }
        let mut last = self.stats.lock().await;
        if self.stats(&mut last).await.is_none() {
            obstacles.push("redis: it cannot be reached, or refuses".to_owned());
        }
        drop(last);
        for shard in &self.shards {
            if let Some(error) = shard.client.redis.refusals().error("claim") {
                obstacles.push(format!("redis: refuses to hand out emails of {}: {error}", shard.client.queue.name()));
            }
        }
        if let State::Closed(why) | State::ProbeDue(why) | State::Probing(why, _) =
            &*self.shared.hold_off.gate.watch().borrow()
        {
            obstacles.push(format!("relay: held off, {}", why.class));
        }
        obstacles
    }

    /// What there is in the queue; `None` while Redis does not say.
    async fn stats(&self, last: &mut Option<(Instant, Option<Stats>)>) -> Option<Stats> {
        match last {
            Some((when, stats)) if when.elapsed() < FRESH => stats.clone(),
            _ => {
                let ask =
                    |shard: Arc<ServedShard>| async move { stats(&shard.client.queue).run(&shard.client.redis).await };
                let all = stream::iter(self.shards.clone()).map(ask).buffer_unordered(AT_ONCE);
                let merged = all.try_fold(None, async |sum: Option<Stats>, more| {
                    let Some(mut sum) = sum else { return Ok(Some(more)) };
                    sum.merge(more);
                    Ok(Some(sum))
                });
                let stats = timeout(PATIENCE, merged).await.ok().and_then(Result::ok).flatten();
                *last = Some((Instant::now(), stats.clone()));
                stats
            }
        }
    }
}
