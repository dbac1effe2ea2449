use clap::Args;
use serde_json::{Map, Value, json};

use crate::{
    context::Context,
    exit::Exit,
    output::{
        table::{cell, number},
        time::from_now,
    },
    state,
    view::iso,
};

/// Show what there is in the queue: emails by state and lane, what is paused or held off, and the counters.
#[derive(Args)]
pub(crate) struct Stats {}

const TOTALS: [&str; 8] = ["accepted", "sent", "failed", "delayed", "retried", "canceled", "discarded", "recovered"];

impl Stats {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let stats = state::stats(context).await?;
        if context.out.is_json() {
            context.out.json(&as_json(context, &stats))?;
            return Ok(Exit::Done);
        }
        let ago = |time| from_now(time, stats.time);
        let mut lanes = context.out.columns(&["lane", "queued", "oldest", "paused"]);
        for lane in &stats.lanes {
            let oldest = lane.oldest.map(ago).unwrap_or_default();
            let paused = lane.paused.map(ago).unwrap_or_default();
            lanes.row([cell(lane.lane.as_str()), number(lane.queued), cell(oldest), cell(paused)]);
        }
        context.out.table(lanes)?;
        context.out.say("")?;
        let mut states = context.out.columns(&["state", "emails", "counter", "emails"]);
        let counts = [
            ("queued", stats.queued()),
            ("scheduled", stats.scheduled),
            ("sending", stats.sending),
            ("delayed", stats.delayed),
            ("failed", stats.failed),
        ];
        for (place, total) in TOTALS.into_iter().enumerate() {
            let (state, emails) =
                counts.get(place).map_or(("", String::new()), |(state, count)| (*state, count.to_string()));
            states.row([cell(state), number(emails), cell(total), number(stats.total(total))]);
        }
        context.out.table(states)?;
        for what in ["failed", "delayed"] {
            let classes: Vec<_> = stats.by_class(what).map(|(class, count)| format!("{class} {count}")).collect();
            if !classes.is_empty() {
                context.out.say(&format!("\n{what} by class: {}", classes.join(", ")))?;
            }
        }
        for relay in &stats.relays {
            let (since, until) = (ago(relay.since), ago(relay.until));
            context.out.say(&format!(
                "\n{} is held off since {since} ({}), next probe {until}: {}",
                relay.name, relay.class, relay.error
            ))?;
        }
        match stats.workers {
            1 => context.out.say("\n1 worker is alive.")?,
            workers => context.out.say(&format!("\n{workers} workers are alive."))?,
        }
        state::remark_if_unused(context, &stats);
        Ok(Exit::Done)
    }
}

/// As the API's `GET /queue` has it, without the series.
pub(crate) fn as_json(context: &Context, stats: &email_queue::query::Stats) -> Value {
    let ms = |time: jiff::Timestamp| stats.time.duration_since(time).as_millis();
    let lanes = stats.lanes.iter().map(|lane| {
        json!({
            "name": lane.lane.as_str(), "queued": lane.queued, "oldest_ms": lane.oldest.map(ms),
            "paused": lane.paused.is_some(), "paused_since": lane.paused.map(iso),
        })
    });
    let lanes: Vec<_> = lanes.collect();
    let paused: Vec<_> =
        stats.lanes.iter().filter(|lane| lane.paused.is_some()).map(|lane| lane.lane.as_str()).collect();
    let relays = stats.relays.iter().map(|relay| {
        json!({
            "name": relay.name, "since": iso(relay.since), "until": iso(relay.until),
            "class": relay.class.as_str(), "error": relay.error, "failures": relay.failures,
        })
    });
    let relays: Vec<_> = relays.collect();
    let totals: Map<_, _> = TOTALS.iter().map(|name| ((*name).to_owned(), stats.total(name).into())).collect();
    let classes =
        |what| -> Map<_, _> { stats.by_class(what).map(|(class, count)| (class.to_owned(), count.into())).collect() };
    json!({
        "object": "queue",
        "name": context.shards.first().name(),
        "shards": context.shards.count(),
        "time": iso(stats.time),
        "paused": paused,
        "states": {
            "queued": stats.queued(), "scheduled": stats.scheduled, "sending": stats.sending, "delayed": stats.delayed,
            "failed": stats.failed,
        },
        "totals": totals,
        "lanes": lanes,
        "oldest_ms": stats.lanes.iter().filter_map(|lane| lane.oldest).min().map(ms),
        "classes": {"failed": classes("failed"), "delayed": classes("delayed")},
        "relays": relays,
        "workers": stats.workers,
    })
}
