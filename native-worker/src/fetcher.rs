//! Claims emails, and waits for one when the queue is empty.

use std::{sync::atomic::Ordering, time::Duration};

use email_queue::{
    Lane,
    call::CallError,
    maintenance::watch,
    query::depth,
    transition::{ByteBudget, Claim, Claims, PoppedEntry, claim},
};
use redis::RedisResult;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    blocking::Blocking,
    capacity::Capacity,
    ended::Ended,
    redis_error::ends_connection,
    served_shard::ServedShard,
    shard_connection::{Answered, RECONNECT, Untold},
};

/// The timeout of `BRPOP` in seconds. Longer would save little, and a silent connection is detected only after this
/// time.
const WAIT: u64 = 5;

/// The `BRPOP` timeout while draining, or while a lane is paused, in seconds; the queue is checked after each.
const WAIT_SHORT: u64 = 1;

/// How many results of one of several shards may wait to be recorded without a permit, those included that Redis refuses.
const MAX_UNRECORDED: usize = 1000;

/// Claims emails of a shard for a worker.
///
/// The only shard of a queue has all capacity, and holds it while it waits for an email. Of several shards, one that waits for
/// an email or for its node holds none.
pub(crate) struct Fetcher<'a> {
    shard: &'a ServedShard,
    blocking: Blocking<'a>,
    stop: &'a CancellationToken,
    give_up: &'a CancellationToken,
    /// How many fetches have failed in a row.
    failures: u32,
    /// Whether `BRPOP` has just timed out: then a claim would find nothing either.
    timed_out: bool,
    size_of_next: Option<usize>,
    /// The lanes that are paused, as the last claim said.
    paused: Vec<Lane>,
}

/// The result of a fetch.
pub(crate) enum Fetched {
    /// Claimed emails, and the capacity for them; none after the timeout of `BRPOP`. Without capacity the worker stops.
    Emails(Claims, Option<Capacity>),
    /// Redis refused, which was logged, or cannot be reached. The next fetch is after a back-off.
    Failed,
    /// The loop ends.
    Ended(Ended),
}

/// Why nothing was claimed.
enum Unclaimed {
    Failed,
    Stopped,
}

impl<'a> Fetcher<'a> {
    pub(crate) fn new(shard: &'a ServedShard, stop: &'a CancellationToken, give_up: &'a CancellationToken) -> Self {
        let blocking = Blocking::new(&shard.client.redis, &shard.blocked, &shard.client.queue);
        Self { shard, blocking, stop, give_up, failures: 0, timed_out: false, size_of_next: None, paused: Vec::new() }
    }

    /// Claims emails; if there are none, waits until one is pushed, up to five seconds, and claims it.
    ///
    /// Must not be cancelled: Redis may have sent an entry that has not arrived.
    pub(crate) async fn fetch(&mut self) -> Fetched {
        let shard = self.shard;
        let config = &shard.shared.config;
        let is_empty = std::mem::take(&mut self.timed_out) && !config.drain;
        if shard.shared.drained.is_over() {
            return self.drained();
        }
        if !shard.is_alone() && !self.may_claim().await {
            return Fetched::Failed;
        }
        let mut capacity = None;
        if shard.is_alone() || !is_empty {
            match Capacity::wait(shard, self.size_of_next, self.stop).await {
                Ok(some) => capacity = Some(some),
                Err(ended) => {
                    // Nothing of this shard is left that could be sent.
                    shard.shared.drained.set(shard.shard, ended == Ended::HeldOff);
                    return Fetched::Ended(ended);
                }
            }
        }
        let mut claims = Claims::default();
        if let Some(capacity) = capacity.as_ref().filter(|_| !is_empty) {
            match self.claim_some(capacity, None).await {
                Ok(some) => claims = some,
                Err(Unclaimed::Failed) => return Fetched::Failed,
                Err(Unclaimed::Stopped) => return Fetched::Ended(Ended::Stopped),
            }
        }
        self.note_paused(&claims);
        if claims.is_empty() && claims.left.is_none() {
            if config.drain && shard.shared.drained.set(shard.shard, is_drained(shard).await) {
                return self.drained();
            }
            if self.stop.is_cancelled() {
                return Fetched::Ended(Ended::Stopped);
            }
            capacity = capacity.filter(|_| shard.is_alone());
            let popped = self.pop().await;
            if popped.is_ok() {
                shard.client.redis.carried_out("BRPOP");
            }
            match popped {
                // Only a claim tells that a lane is not paused any more.
                Ok(None) => self.timed_out = self.paused.is_empty(),
                Ok(Some(popped)) => match self.claim_popped(capacity, popped).await {
                    Some(claimed) => {
                        (claims, capacity) = claimed;
                        self.note_paused(&claims);
                    }
                    None => return Fetched::Failed,
                },
                Err(error) => {
                    shard.shared.metrics.redis_failed(ends_connection(&error));
                    shard.client.redis.report("BRPOP", &CallError::Redis(error)).await;
                    return Fetched::Failed;
                }
            }
        }
        if let Some(capacity) = &capacity {
            let has_more = claims.emails.len() == capacity.max() || claims.left.is_some();
            shard.has_more.store(has_more, Ordering::Relaxed);
        }
        self.failures = 0;
        self.size_of_next = claims.left;
        if let Some(first) = claims.emails.first() {
            shard.shared.hold_off.gate.probe_with(first.claim.id);
            if config.drain {
                shard.shared.drained.set(shard.shard, false);
            }
        }
        Fetched::Emails(claims, capacity)
    }

    /// Waits for an entry of a lane that is not paused: not for long while one is, because it may be resumed.
    async fn pop(&mut self) -> RedisResult<Option<PoppedEntry>> {
        let lanes: Vec<_> = Lane::ALL.into_iter().filter(|lane| !self.paused.contains(lane)).collect();
        let seconds = if self.shard.shared.config.drain || !self.paused.is_empty() { WAIT_SHORT } else { WAIT };
        if !lanes.is_empty() {
            return self.blocking.pop(&lanes, seconds).await;
        }
        tokio::select! {
            () = sleep(Duration::from_secs(seconds)) => {}
            () = self.stop.cancelled() => {}
        }
        Ok(None)
    }

    /// Notes which lanes are paused, and logs a change.
    fn note_paused(&mut self, claims: &Claims) {
        if self.paused == claims.paused {
            return;
        }
        let queue = self.shard.client.queue.name();
        let lanes = claims.paused.iter().map(Lane::to_string).collect::<Vec<_>>().join(", ");
        if lanes.is_empty() {
            tracing::info!(queue, "no lane is paused any more");
        } else {
            tracing::warn!(queue, lanes, "lanes are paused: their emails wait until somebody resumes them");
        }
        self.paused.clone_from(&claims.paused);
    }

    fn drained(&self) -> Fetched {
        let is_open = self.shard.shared.hold_off.gate.is_open();
        Fetched::Ended(if is_open { Ended::Drained } else { Ended::HeldOff })
    }

    /// Waits after a fetch that failed, or until `stop`.
    pub(crate) async fn back_off(&mut self) {
        self.failures += 1;
        tokio::select! {
            () = sleep(RECONNECT.delay(self.failures)) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Whether one of several shards may take capacity to claim with: its node answers, again, if it did not at the last
    /// fetch; and it has not too many results to record that have given their permits back.
    async fn may_claim(&self) -> bool {
        let ServedShard { shared, client, in_flight, .. } = self.shard;
        if in_flight.len() >= shared.config.concurrency + MAX_UNRECORDED {
            return false;
        }
        let call = watch(&client.queue);
        self.failures == 0 || client.redis.once(&call, self.stop).await.is_ok()
    }

    /// Claims up to as many emails as there is capacity for. Waits however long Redis is unreachable, unless there are other
    /// shards. If a reply is lost on the way, the emails in it return to the queue when their lease is over.
    async fn claim_some(&self, capacity: &Capacity, popped: Option<PoppedEntry>) -> Result<Claims, Unclaimed> {
        let bytes = capacity.room.budget(self.shard.bytes_at_once());
        // What was popped is claimed even by a worker that stops.
        let until = if popped.is_some() { self.give_up } else { self.stop };
        let call = self.claim(capacity.max(), bytes, popped);
        let emails = &self.shard.client.emails;
        if self.shard.is_alone() {
            let answered = emails.persist(&call, until).await.ok_or(Unclaimed::Stopped)?;
            return answered.map(|answered| answered.answer).map_err(|_| Unclaimed::Failed);
        }
        emails.once(&call, until).await.map_err(|untold| match untold {
            Untold::Stopped => Unclaimed::Stopped,
            Untold::Refused(_) | Untold::Failed { .. } => Unclaimed::Failed,
        })
    }

    fn claim(&self, max: usize, bytes: ByteBudget, popped: Option<PoppedEntry>) -> email_queue::call::Call<Claims> {
        let (client, lease) = (&self.shard.client, self.shard.shared.config.lease);
        claim(&client.queue, Claim { worker: &client.worker, lease, max, bytes, popped })
    }

    /// Claims the entry that `BRPOP` has removed from its list. Repeats the claim until it succeeds, across reconnects, or
    /// until `give_up`. After that, maintenance requeues an id, but JSON that another program has pushed is lost.
    ///
    /// Without capacity the entry returns to the front of its list, as an email if it was none, and the next fetch waits for
    /// capacity. `None` if Redis refuses.
    async fn claim_popped(
        &self,
        capacity: Option<Capacity>,
        popped: PoppedEntry,
    ) -> Option<(Claims, Option<Capacity>)> {
        let mut refusals = 0;
        // When all shards are drained, the loops of others have ended, and so will this one.
        let is_over = self.shard.shared.drained.is_over();
        let mut capacity = capacity.or_else(|| if is_over { None } else { Capacity::now(self.shard) });
        loop {
            let claimed = match &capacity {
                Some(capacity) => self.claim_some(capacity, Some(popped.clone())).await,
                None => self.put_back(&popped).await,
            };
            match claimed {
                Ok(mut claims) => {
                    claims.set_popped_json(popped.entry);
                    if capacity.is_none() && !claims.is_empty() {
                        // An earlier try has claimed it, and its reply was lost.
                        capacity = Capacity::wait(self.shard, claims.left, self.stop).await.ok();
                    }
                    return Some((claims, capacity));
                }
                // Maintenance requeues it.
                Err(Unclaimed::Failed) if popped.is_id() => return None,
                Err(Unclaimed::Failed) => refusals += 1,
                Err(Unclaimed::Stopped) => break,
            }
            capacity = capacity.filter(|_| self.shard.is_alone());
            tokio::select! {
                () = sleep(RECONNECT.delay(refusals)) => {}
                () = self.give_up.cancelled() => break,
            }
        }
        if !popped.is_id() {
            let bytes = popped.entry.len();
            tracing::error!(
                bytes,
                "Redis became unreachable while the worker stopped: an entry pushed by another program is lost"
            );
        }
        Some((Claims::default(), capacity))
    }

    /// Returns an entry to Redis: there is no room for it, so that the claim brings nothing but its size.
    async fn put_back(&self, popped: &PoppedEntry) -> Result<Claims, Unclaimed> {
        let call = self.claim(1, ByteBudget { all: 0, first: 0 }, Some(popped.clone()));
        let answered = self.shard.client.emails.persist(&call, self.give_up).await.ok_or(Unclaimed::Stopped)?;
        answered.map(|Answered { answer, .. }| answer).map_err(|_| Unclaimed::Failed)
    }
}

async fn is_drained(shard: &ServedShard) -> bool {
    let client = &shard.client;
    shard.in_flight.is_empty() && depth(&client.queue).run(&client.redis).await.is_ok_and(|depth| depth.is_drained())
}
