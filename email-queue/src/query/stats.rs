use std::collections::BTreeMap;

use jiff::Timestamp;

use super::paused::time;
use crate::{
    Class, Lane, Queue, Shards,
    call::{Answer, Call, CallError, Redis, UnexpectedAnswer},
    script::STATS,
};

/// What there is in a queue, or in all of its shards.
#[derive(Debug, Clone, PartialEq)]
pub struct Stats {
    /// When it was counted, by Redis' clock.
    pub time: Timestamp,
    /// The lanes, the most urgent first.
    pub lanes: [LaneStats; 3],
    /// Emails for later, without those that are delayed.
    pub scheduled: u64,
    /// Emails that wait for another attempt. Those that an earlier version has delayed count as scheduled.
    pub delayed: u64,
    /// Emails in flight.
    pub sending: u64,
    /// Dead letters.
    pub failed: u64,
    /// Workers with a live lease.
    pub workers: u64,
    /// How many of the shards no live worker serves: all of them while none lives, and the last ones where the workers were started with
    /// fewer shards than the API.
    pub unserved_shards: u16,
    /// How many shards were counted.
    pub shards: u16,
    /// The relays that are held off.
    pub relays: Vec<HeldOffRelay>,
    /// The counters since the queue was created, by the names that they have in Redis.
    pub totals: BTreeMap<String, u64>,
}

/// What there is in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneStats {
    /// Which lane.
    pub lane: Lane,
    /// How many emails wait in it.
    pub queued: u64,
    /// How many entries its list has besides those of the emails that wait: what other programs have pushed and no worker has claimed yet,
    /// of which nothing else is known. Also what canceled, discarded and moved emails have left there, until a claim drops it.
    pub other_entries: u64,
    /// Since when the email waits in the lane that is next: since it was accepted, became due, was retried or moved. Up to a minute
    /// before that, or as long as no history was kept. Of one that came back to the front, as when its relay fails, since its first
    /// failure, or since it was accepted; the latter too where it has waited for longer than the history goes back.
    pub oldest: Option<Timestamp>,
    /// Since when it is paused, in the shard where that is longest.
    pub paused: Option<Timestamp>,
    /// In how many of the shards it is paused. Less than all where a pause or its end was broken off, or came from a program that was
    /// given fewer shards.
    pub paused_shards: u16,
}

/// A relay that is held off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldOffRelay {
    /// Its URL without a password.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
    /// Until when, unless a worker probes it by then and it still fails.
    pub until: Timestamp,
    /// The kind of its last failure.
    pub class: Class,
    /// The last failure.
    pub error: String,
    /// How many probes have failed in a row, the first failure included.
    pub failures: u64,
}

impl Stats {
    /// Adds what there is in another shard of the queue. Every worker serves all shards, so they are not added.
    pub fn merge(&mut self, other: Self) {
        self.time = self.time.max(other.time);
        for (lane, other) in self.lanes.iter_mut().zip(other.lanes) {
            lane.queued += other.queued;
            lane.other_entries += other.other_entries;
            lane.paused_shards += other.paused_shards;
            lane.oldest = [lane.oldest, other.oldest].into_iter().flatten().min();
            lane.paused = [lane.paused, other.paused].into_iter().flatten().min();
        }
        self.scheduled += other.scheduled;
        self.delayed += other.delayed;
        self.sending += other.sending;
        self.failed += other.failed;
        self.workers = self.workers.max(other.workers);
        self.unserved_shards += other.unserved_shards;
        self.shards += other.shards;
        self.relays.extend(other.relays);
        for (name, count) in other.totals {
            *self.totals.entry(name).or_default() += count;
        }
    }

    /// A counter since the queue was created; `accepted` includes what other programs have pushed.
    #[must_use]
    pub fn total(&self, name: &str) -> u64 {
        let of = |name| self.totals.get(name).copied().unwrap_or_default();
        of(name) + if name == "accepted" { of("adopted") } else { 0 }
    }

    /// How many emails have `failed`, or were `delayed`, by the class of the failure, since the queue was created.
    pub fn by_class(&self, what: &str) -> impl Iterator<Item = (&str, u64)> {
        self.totals.iter().filter_map(move |(name, count)| Some((name.strip_prefix(what)?.strip_prefix(':')?, *count)))
    }

    /// How many emails wait in all lanes.
    #[must_use]
    pub fn queued(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.queued).sum()
    }

    /// How many entries all lists have besides those of [`queued`](Self::queued) emails.
    #[must_use]
    pub fn other_entries(&self) -> u64 {
        self.lanes.iter().map(|lane| lane.other_entries).sum()
    }

    /// Whether a lane is paused in some of the shards, and not in all.
    #[must_use]
    pub fn is_partly_paused(&self, lane: &LaneStats) -> bool {
        lane.paused_shards > 0 && lane.paused_shards < self.shards
    }
}

/// Counts what there is in all shards of a queue, one call for each.
///
/// # Errors
/// As [`Call::run`].
pub async fn stats_of_all<R: Redis>(redis: &R, shards: &Shards) -> Result<Stats, CallError<R::Error>> {
    let mut sum = stats(shards.first()).run(redis).await?;
    for shard in shards.all().skip(1) {
        sum.merge(stats(&shards.queue(shard)).run(redis).await?);
    }
    Ok(sum)
}

/// Counts what there is in a queue or shard. Takes Redis less than a millisecond, however many emails there are.
pub fn stats(queue: &Queue) -> Call<Stats> {
    Call::script(&STATS, queue, read)
}

fn read(answer: &mut Answer) -> Result<Stats, UnexpectedAnswer> {
    let now = time(answer)?.ok_or(UnexpectedAnswer)?;
    let mut lane = |lane| {
        let (queued, other_entries) = (answer.number()?, answer.number()?);
        let (oldest, paused) = (time(answer)?, time(answer)?);
        Ok(LaneStats { lane, queued, other_entries, oldest, paused, paused_shards: paused.is_some().into() })
    };
    let [high, normal, low] = Lane::ALL;
    let lanes = [lane(high)?, lane(normal)?, lane(low)?];
    let in_scheduled: u64 = answer.number()?;
    let delayed = answer.number()?;
    let mut stats = Stats {
        time: now,
        lanes,
        scheduled: in_scheduled.saturating_sub(delayed),
        delayed,
        sending: answer.number()?,
        failed: answer.number()?,
        workers: answer.number()?,
        unserved_shards: 0,
        shards: 1,
        relays: Vec::new(),
        totals: BTreeMap::new(),
    };
    stats.unserved_shards = (stats.workers == 0).into();
    let (name, since, until) = (answer.prose()?, time(answer)?, time(answer)?);
    let class = answer.prose()?.and_then(|class| class.parse().ok());
    let (error, failures) = (answer.prose()?, answer.optional()?);
    if let (Some(name), Some(since), Some(until), Some(class)) = (name, since, until, class) {
        let (error, failures) = (error.unwrap_or_default(), failures.unwrap_or_default());
        stats.relays.push(HeldOffRelay { name, since, until, class, error, failures });
    }
    while !answer.is_empty() {
        let (name, count) = (answer.prose()?, answer.prose()?);
        // Something else may have written there.
        if let Some((name, count)) = name.zip(count.and_then(|count| count.parse().ok())) {
            stats.totals.insert(name, count);
        }
    }
    Ok(stats)
}
