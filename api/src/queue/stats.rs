use std::collections::BTreeMap;

use email_queue::{
    Lane,
    call::Redis,
    maintenance::SAMPLES_APART,
    query::{self, HeldOffRelay, LaneStats, Minute, Stats},
};
use http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;

use crate::{
    backend::Failure,
    context::Context,
    error::ApiError,
    response::{Response, json},
};

/// `GET /queue`: what there is in the queue, and how it went in the last hour. Two commands per shard.
pub(crate) async fn stats<R: Redis<Error: Failure>>(context: &Context<'_, R>) -> Result<Response, ApiError> {
    let shards = context.settings.shards_with_emails();
    let mut stats: Option<Stats> = None;
    let mut histories = Vec::new();
    for shard in shards.all() {
        let queue = shards.queue(shard);
        let of_shard = query::stats(&queue).run(context.redis).await?;
        match &mut stats {
            Some(stats) => stats.merge(of_shard),
            None => stats = Some(of_shard),
        }
        histories.push(query::series(&queue, SAMPLES_APART).run(context.redis).await?);
    }
    // There is at least one shard.
    let stats = stats.ok_or_else(ApiError::unknown_path)?;
    let name = shards.first().name();
    let view = View::new(&stats, name, shards.count(), &query::minutes(&histories), query::sent_per_minute(&histories));
    Ok(json(StatusCode::OK, &view))
}

#[derive(Serialize)]
struct View<'a> {
    object: &'static str,
    name: &'a str,
    shards: u16,
    time: Timestamp,
    paused: Vec<Lane>,
    states: BTreeMap<&'static str, u64>,
    totals: BTreeMap<&'static str, u64>,
    lanes: [LaneView; 3],
    oldest_ms: Option<i64>,
    classes: BTreeMap<&'static str, BTreeMap<&'a str, u64>>,
    relays: Vec<RelayView<'a>>,
    workers: u64,
    series: Vec<MinuteView>,
}

#[derive(Serialize)]
struct LaneView {
    name: Lane,
    queued: u64,
    oldest_ms: Option<i64>,
    paused: bool,
    paused_since: Option<Timestamp>,
    sent_per_minute: Option<f64>,
}

#[derive(Serialize)]
struct RelayView<'a> {
    name: &'a str,
    since: Timestamp,
    until: Timestamp,
    class: &'static str,
    error: &'a str,
    failures: u64,
}

#[derive(Serialize)]
struct MinuteView {
    time: Timestamp,
    accepted: u64,
    sent: u64,
    delayed: u64,
    failed: u64,
    latency_ms: Option<Latency>,
}

#[derive(Serialize)]
struct Latency {
    p50: u64,
    p95: u64,
    p99: u64,
}

impl<'a> View<'a> {
    fn new(stats: &'a Stats, name: &'a str, shards: u16, minutes: &[Minute], rates: [Option<f64>; 3]) -> Self {
        let mut nth = 0;
        let lanes = stats.lanes.map(|lane| {
            nth += 1;
            LaneView::new(lane, stats.time, rates[nth - 1])
        });
        let total = |name| (name, stats.total(name));
        Self {
            object: "queue",
            name,
            shards,
            time: stats.time,
            paused: lanes.iter().filter(|lane| lane.paused).map(|lane| lane.name).collect(),
            states: BTreeMap::from([
                ("queued", stats.queued()),
                ("scheduled", stats.scheduled),
                ("sending", stats.sending),
                ("delayed", stats.delayed),
                ("failed", stats.failed),
            ]),
            totals: ["accepted", "sent", "failed", "delayed", "retried", "canceled", "discarded", "recovered"]
                .map(total)
                .into(),
            oldest_ms: lanes.iter().filter_map(|lane| lane.oldest_ms).max(),
            lanes,
            classes: ["failed", "delayed"].map(|what| (what, stats.by_class(what).collect())).into(),
            relays: stats.relays.iter().map(RelayView::new).collect(),
            workers: stats.workers,
            series: minutes.iter().map(MinuteView::new).collect(),
        }
    }
}

impl LaneView {
    fn new(
        LaneStats { lane, queued, oldest, paused }: LaneStats,
        now: Timestamp,
        sent_per_minute: Option<f64>,
    ) -> Self {
        let age = |since: Timestamp| (now.as_millisecond() - since.as_millisecond()).max(0);
        Self {
            name: lane,
            queued,
            oldest_ms: oldest.map(age),
            paused: paused.is_some(),
            paused_since: paused,
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
