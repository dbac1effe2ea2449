use std::collections::BTreeMap;

use jiff::Timestamp;

use super::paused::time;
use crate::{
    EmailId, Queue, Shard, Shards,
    call::{Answer, Call, CallError, Redis, UnexpectedAnswer},
    script::WORKERS,
};

/// How many emails in flight are told of each worker.
const SHOWN: usize = 20;

/// A worker, and what it has in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerState {
    /// Its id, another one each time that it is started.
    pub id: String,
    /// The end of its lease, by Redis' clock. If that is over, maintenance requeues what it has in flight.
    pub lease_until: Timestamp,
    /// How many emails it has in flight.
    pub in_flight: u64,
    /// The twenty of those that it has had for longest, with since when.
    pub emails: Vec<(EmailId, Timestamp)>,
    /// The name of its machine. This and the rest are unknown of a worker of an earlier version.
    pub host: Option<String>,
    /// Its process id there.
    pub pid: Option<u32>,
    /// Its version.
    pub version: Option<String>,
    /// When it was started.
    pub started: Option<Timestamp>,
    /// How many emails it may have in flight at once.
    pub concurrency: Option<u64>,
    /// The relays that it hands emails to, without passwords.
    pub relays: Option<Vec<String>>,
    /// The shards in which it has a lease, as far as [several](workers_of_all) were asked.
    pub shards: Vec<Shard>,
}

impl WorkerState {
    /// Adds what the same worker has in flight in another shard.
    pub fn merge(&mut self, other: Self) {
        self.lease_until = self.lease_until.max(other.lease_until);
        self.in_flight += other.in_flight;
        self.emails.extend(other.emails);
        self.emails.sort_by_key(|(id, since)| (*since, *id));
        self.emails.truncate(SHOWN);
        self.shards.extend(other.shards);
        if self.host.is_none() {
            let Self { host, pid, version, started, concurrency, relays, .. } = other;
            (self.host, self.pid, self.version) = (host, pid, version);
            (self.started, self.concurrency, self.relays) = (started, concurrency, relays);
        }
    }
}

/// The workers of a queue or shard, those whose lease ends first before others. At most 200, and 5000 of the emails in flight, are
/// looked at.
pub fn workers(queue: &Queue) -> Call<Vec<WorkerState>> {
    Call::script(&WORKERS, queue, |answer| {
        let mut workers = Vec::new();
        while !answer.is_empty() {
            workers.push(worker(answer)?);
        }
        Ok(workers)
    })
}

/// The workers of all shards of a queue, in the order of their ids, one call for each shard.
///
/// # Errors
/// As [`Call::run`].
pub async fn workers_of_all<R: Redis>(redis: &R, shards: &Shards) -> Result<Vec<WorkerState>, CallError<R::Error>> {
    let mut all: BTreeMap<String, WorkerState> = BTreeMap::new();
    for shard in shards.all() {
        for worker in workers(&shards.queue(shard)).run(redis).await? {
            let worker = WorkerState { shards: vec![shard], ..worker };
            match all.get_mut(&worker.id) {
                Some(known) => known.merge(worker),
                None => _ = all.insert(worker.id.clone(), worker),
            }
        }
    }
    Ok(all.into_values().collect())
}

fn worker(answer: &mut Answer) -> Result<WorkerState, UnexpectedAnswer> {
    let id = answer.prose()?.unwrap_or_default();
    let lease_until = time(answer)?.ok_or(UnexpectedAnswer)?;
    let in_flight = answer.number()?;
    let shown: usize = answer.number()?;
    let mut emails = Vec::new();
    for _ in 0..shown {
        let id = answer.text()?.parse().map_err(|_| UnexpectedAnswer)?;
        emails.push((id, time(answer)?.ok_or(UnexpectedAnswer)?));
    }
    let fields: usize = answer.number()?;
    let mut with = BTreeMap::new();
    for _ in 0..fields {
        if let (Some(name), Some(value)) = (answer.prose()?, answer.prose()?) {
            with.insert(name, value);
        }
    }
    let number = |name: &str| with.get(name).and_then(|value| value.parse().ok());
    Ok(WorkerState {
        id,
        lease_until,
        in_flight,
        emails,
        pid: with.get("pid").and_then(|pid| pid.parse().ok()),
        started: with.get("started").and_then(|ms| Timestamp::from_millisecond(ms.parse().ok()?).ok()),
        concurrency: number("concurrency"),
        relays: with.get("relays").map(|relays| relays.lines().map(str::to_owned).collect()),
        host: with.remove("host"),
        version: with.remove("version"),
        shards: Vec::new(),
    })
}
