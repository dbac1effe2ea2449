use clap::Args;
use email_queue::query::{LaneStats, QueueView, TOTALS};

use crate::{
    context::Context,
    exit::Exit,
    output::{
        self,
        table::{cell, number},
        time::{from_now, length},
    },
    shards, state,
};

/// Show what there is in the queue: emails by state and lane, what is paused or held off, and the counters.
#[derive(Args)]
pub(crate) struct Stats {}

impl Stats {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let stats = state::stats(context).await?;
        if context.out.is_json() {
            let history = state::history(context).await?;
            context.out.json(&QueueView::new(context.shards.first(), &stats, &history))?;
            return Ok(Exit::Done);
        }
        let ago = |time| from_now(time, stats.time);
        let mut lanes = context.out.columns(&["lane", "queued", "other entries", "oldest", "paused"]);
        for lane in &stats.lanes {
            let LaneStats { lane: name, queued, other_entries, oldest, paused, paused_shards } = *lane;
            let oldest = oldest.map(ago).unwrap_or_default();
            let paused = match paused.map(ago) {
                Some(paused) if stats.is_partly_paused(lane) => {
                    format!("{paused}, in {paused_shards} of {} shards", stats.shards)
                }
                paused => paused.unwrap_or_default(),
            };
            lanes.row([cell(name.as_str()), number(queued), number(other_entries), cell(oldest), cell(paused)]);
        }
        context.out.table(lanes)?;
        if stats.other_entries() > 0 {
            context.out.say(
                "\nOther entries: what other programs have pushed to the lists and no worker has claimed yet, and what canceled, discarded \
                 and moved emails have left there, until a claim drops it.",
            )?;
        }
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
                context.out.say(&format!("\n{what} by class, since the queue was created: {}", classes.join(", ")))?;
            }
        }
        for relay in &stats.relays {
            let (held, until) = (length(stats.time.duration_since(relay.since).unsigned_abs()), ago(relay.until));
            context.out.say(&format!(
                "\n{} has been held off for {held} ({}), next probe {until}: {}",
                relay.name, relay.class, relay.error
            ))?;
        }
        match stats.workers {
            1 => context.out.say("\n1 worker is alive.")?,
            workers => context.out.say(&format!("\n{workers} workers are alive."))?,
        }
        if stats.workers > 0 && stats.unserved_shards > 0 {
            let unserved = shards::unserved(context, &context.shards).await;
            if let Some(unserved) = unserved {
                output::remark(&format!("{unserved}; {}", unserved.way_out()));
            }
        }
        let partly = stats.lanes.iter().filter(|lane| stats.is_partly_paused(lane)).map(|lane| lane.lane);
        state::remark_if_partly(&partly.collect::<Vec<_>>());
        state::remark_if_unused(context, &stats);
        Ok(Exit::Done)
    }
}
