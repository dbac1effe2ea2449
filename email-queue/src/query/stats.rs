use std::collections::BTreeMap;

use jiff::Timestamp;

use super::paused::time;
use crate::{
    Class, Lane, Queue,
    call::{Answer, Call, UnexpectedAnswer},
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
    /// When the one was accepted that is next.
    pub oldest: Option<Timestamp>,
    /// Since when it is paused.
    pub paused: Option<Timestamp>,
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
            lane.oldest = [lane.oldest, other.oldest].into_iter().flatten().min();
            lane.paused = [lane.paused, other.paused].into_iter().flatten().min();
        }
        self.scheduled += other.scheduled;
        self.delayed += other.delayed;
        self.sending += other.sending;
        self.failed += other.failed;
        self.workers = self.workers.max(other.workers);
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
}

/// Counts what there is in a queue or shard. Takes Redis less than a millisecond, however many emails there are.
pub fn stats(queue: &Queue) -> Call<Stats> {
    Call::script(&STATS, queue, read)
}

fn read(answer: &mut Answer) -> Result<Stats, UnexpectedAnswer> {
    let now = time(answer)?.ok_or(UnexpectedAnswer)?;
    let mut lane = |lane| {
        let (queued, oldest, paused) = (answer.number()?, time(answer)?, time(answer)?);
        Ok(LaneStats { lane, queued, oldest, paused })
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
        relays: Vec::new(),
        totals: BTreeMap::new(),
    };
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
