//! What there is in a queue as JSON: the HTTP API answers with it, and `emailq` prints it for programs.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use super::{
    HeldOffRelay, LaneStats, Minute, Stats, WorkerState,
    series::{Series, minutes, sent_per_minute},
};
use crate::{Lane, Queue, Shard};

/// The counters that are shown, by the names that they have in Redis.
pub const TOTALS: [&str; 9] =
    ["accepted", "sent", "failed", "delayed", "retried", "retried_by_hand", "canceled", "discarded", "recovered"];

/// What there is in a queue, over all of its shards.
#[derive(Debug, Serialize)]
pub struct QueueView<'a> {
    object: &'static str,
    name: &'a str,
    shards: u16,
    time: Timestamp,
    paused: Vec<Lane>,
    partly_paused: Vec<Lane>,
    states: BTreeMap<&'static str, u64>,
    totals: BTreeMap<&'static str, u64>,
    lanes: [LaneView; 3],
    oldest_ms: Option<i64>,
    classes: BTreeMap<&'static str, BTreeMap<&'a str, u64>>,
    relays: Vec<RelayView<'a>>,
    workers: u64,
    unserved_shards: u16,
    series: Vec<MinuteView>,
}

#[derive(Debug, Serialize)]
struct LaneView {
    name: Lane,
    queued: u64,
    other_entries: u64,
    oldest_ms: Option<i64>,
    paused: bool,
    paused_since: Option<Timestamp>,
    paused_shards: u16,
    sent_per_minute: Option<f64>,
}

#[derive(Debug, Serialize)]
struct RelayView<'a> {
    name: &'a str,
    since: Timestamp,
    until: Timestamp,
    class: &'static str,
    error: &'a str,
    failures: u64,
}

#[derive(Debug, Serialize)]
struct MinuteView {
    time: Timestamp,
    accepted: u64,
    sent: u64,
    delayed: u64,
    failed: u64,
    latency_ms: Option<Latency>,
}

#[derive(Debug, Serialize)]
struct Latency {
    p50: u64,
    p95: u64,
    p99: u64,
}

impl<'a> QueueView<'a> {
    /// Of the first shard's name, and of what all shards have.
    #[must_use]
    pub fn new(first: &'a Queue, stats: &'a Stats, history: &[Series]) -> Self {
        let rates = sent_per_minute(history);
        let lanes = stats.lanes.map(|lane| LaneView::new(lane, stats.time, rates[lane.lane as usize]));
        let named = |is_so: &dyn Fn(&LaneStats) -> bool| {
            stats.lanes.iter().filter(|lane| is_so(lane)).map(|lane| lane.lane).collect()
        };
        Self {
            object: "queue",
            name: first.name(),
            shards: stats.shards,
            time: stats.time,
            paused: named(&|lane| lane.paused.is_some()),
            partly_paused: named(&|lane| stats.is_partly_paused(lane)),
            states: BTreeMap::from([
                ("queued", stats.queued()),
                ("scheduled", stats.scheduled),
                ("sending", stats.sending),
                ("delayed", stats.delayed),
                ("failed", stats.failed),
            ]),
            totals: TOTALS.map(|name| (name, stats.total(name))).into(),
            oldest_ms: lanes.iter().filter_map(|lane| lane.oldest_ms).max(),
            lanes,
            classes: ["failed", "delayed"].map(|what| (what, stats.by_class(what).collect())).into(),
            relays: stats.relays.iter().map(RelayView::new).collect(),
            workers: stats.workers,
            unserved_shards: stats.unserved_shards,
            series: minutes(history).iter().map(MinuteView::new).collect(),
        }
    }
}

impl LaneView {
    fn new(lane: LaneStats, now: Timestamp, sent_per_minute: Option<f64>) -> Self {
        let LaneStats { lane, queued, other_entries, oldest, paused, paused_shards } = lane;
        Self {
            name: lane,
            queued,
            other_entries,
            oldest_ms: oldest.map(|since| (now.as_millisecond() - since.as_millisecond()).max(0)),
            paused: paused.is_some(),
            paused_since: paused,
            paused_shards,
            sent_per_minute: sent_per_minute.map(|rate| (rate * 10.0).round() / 10.0),
        }
    }
}

impl<'a> RelayView<'a> {
    fn new(HeldOffRelay { name, since, until, class, error, failures }: &'a HeldOffRelay) -> Self {
        let class = class.as_str();
        Self { name, since: *since, until: *until, class, error, failures: *failures }
    }
}

impl MinuteView {
    fn new(minute: &Minute) -> Self {
        let percentile = |percent| minute.latencies.percentile(percent);
        let latency = || Some(Latency { p50: percentile(50)?, p95: percentile(95)?, p99: percentile(99)? });
        Self {
            // It is a time of now.
            time: Timestamp::from_millisecond(minute.began_ms).unwrap_or_default(),
            accepted: minute.accepted,
            sent: minute.sent,
            delayed: minute.delayed,
            failed: minute.failed,
            latency_ms: latency(),
        }
    }
}

/// The workers of a queue, over all of its shards.
#[derive(Debug, Serialize)]
pub struct WorkersView<'a> {
    object: &'static str,
    data: Vec<WorkerView<'a>>,
}

#[derive(Debug, Serialize)]
struct WorkerView<'a> {
    id: &'a str,
    host: Option<&'a str>,
    pid: Option<u32>,
    version: Option<&'a str>,
    started_at: Option<Timestamp>,
    lease_until: Timestamp,
    concurrency: Option<u64>,
    relays: Option<&'a [String]>,
    shards: Vec<u16>,
    in_flight: u64,
    emails: Vec<InFlight>,
}

#[derive(Debug, Serialize)]
struct InFlight {
    id: String,
    since: Timestamp,
}

impl<'a> WorkersView<'a> {
    /// Of what [`workers_of_all`](super::workers_of_all) has returned.
    #[must_use]
    pub fn new(workers: &'a [WorkerState]) -> Self {
        Self { object: "list", data: workers.iter().map(WorkerView::new).collect() }
    }
}

impl<'a> WorkerView<'a> {
    fn new(worker: &'a WorkerState) -> Self {
        Self {
            id: &worker.id,
            host: worker.host.as_deref(),
            pid: worker.pid,
            version: worker.version.as_deref(),
            started_at: worker.started,
            lease_until: worker.lease_until,
            concurrency: worker.concurrency,
            relays: worker.relays.as_deref(),
            shards: worker.shards.iter().copied().map(Shard::number).collect(),
            in_flight: worker.in_flight,
            emails: worker.emails.iter().map(|&(id, since)| InFlight { id: id.to_string(), since }).collect(),
        }
    }
}
