//! What there is in the queue, of all shards together.

use std::{collections::BTreeMap, io};

use email_queue::query::{self, Pauses, Stats, WorkerState};
use serde_json::json;

use crate::{context::Context, output::remark, redis_client::Unanswered};

/// Counts all that there is.
pub(crate) async fn stats(context: &Context) -> Result<Stats, Unanswered> {
    let mut all = context.run(&query::stats(context.shards.first())).await?;
    for shard in context.shards.all().skip(1) {
        all.merge(context.run(&query::stats(&context.shards.queue(shard))).await?);
    }
    Ok(all)
}

/// Says so if nobody has used the queue: its name may be misspelt.
pub(crate) fn remark_if_unused(context: &Context, stats: &Stats) {
    if stats.total("accepted") + stats.queued() + stats.sending + stats.workers == 0 {
        remark(&format!(
            "no email was posted to the queue {} yet, and no worker runs for it; if another one is meant, --queue names it",
            context.shards.first().name()
        ));
    }
}

/// The workers, in the order of their ids.
pub(crate) async fn workers(context: &Context) -> Result<Vec<WorkerState>, Unanswered> {
    let mut all: BTreeMap<String, WorkerState> = BTreeMap::new();
    for shard in context.shards.all() {
        for worker in context.run(&query::workers(&context.shards.queue(shard))).await? {
            match all.get_mut(&worker.id) {
                Some(known) => known.merge(worker),
                None => _ = all.insert(worker.id.clone(), worker),
            }
        }
    }
    Ok(all.into_values().collect())
}

/// Prints which lanes are paused.
///
/// # Errors
/// The output is closed.
pub(crate) fn tell_paused(context: &Context, pauses: &Pauses) -> io::Result<()> {
    let lanes: Vec<_> = pauses.iter().map(|(lane, _)| lane.as_str()).collect();
    if context.out.is_json() {
        return context.out.json(&json!({"object": "queue", "paused": lanes}));
    }
    match lanes.as_slice() {
        [] => context.out.say("Nothing is paused."),
        lanes => context.out.say(&format!("Paused: {}.", lanes.join(", "))),
    }
}
