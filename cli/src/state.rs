//! What there is in the queue, of all shards together.

use std::io;

use email_queue::{
    Lane, Queue,
    call::Call,
    query::{self, PausedLanes, Pauses, Series, Stats, WorkerState},
};

use crate::{context::Context, output::remark, redis_client::Unanswered};

/// Counts all that there is.
pub(crate) async fn stats(context: &Context) -> Result<Stats, Unanswered> {
    let stats = query::stats_of_all(&context.redis, &context.shards).await;
    stats.map_err(|error| context.redis.unanswered("stats", error))
}

/// The last hour of each shard.
pub(crate) async fn history(context: &Context) -> Result<Vec<Series>, Unanswered> {
    let history = query::series_of_all(&context.redis, &context.shards).await;
    history.map_err(|error| context.redis.unanswered("series", error))
}

/// The workers, in the order of their ids.
pub(crate) async fn workers(context: &Context) -> Result<Vec<WorkerState>, Unanswered> {
    let workers = query::workers_of_all(&context.redis, &context.shards).await;
    workers.map_err(|error| context.redis.unanswered("workers", error))
}

/// Pauses or resumes lanes in all shards, and prints which are paused then.
///
/// # Errors
/// Redis cannot be reached, or refuses, or the output is closed.
pub(crate) async fn pause_or_resume(
    context: &Context,
    call: impl Fn(&Queue, &[Lane]) -> Call<Pauses>,
    lanes: &[Lane],
) -> anyhow::Result<()> {
    let mut pauses = Vec::new();
    for shard in context.shards.all() {
        pauses.push(context.run(&call(&context.shards.queue(shard), lanes)).await?);
    }
    tell_paused(context, &PausedLanes::of(&pauses))?;
    remark_if_unused(context, &stats(context).await?);
    Ok(())
}

/// Prints which lanes are paused.
fn tell_paused(context: &Context, lanes: &PausedLanes) -> io::Result<()> {
    if context.out.is_json() {
        return context.out.json(lanes);
    }
    let named = |lanes: &[Lane]| lanes.iter().map(|lane| lane.as_str()).collect::<Vec<_>>().join(", ");
    match lanes.paused.as_slice() {
        [] => context.out.say("Nothing is paused.")?,
        lanes => context.out.say(&format!("Paused: {}.", named(lanes)))?,
    }
    remark_if_partly(&lanes.partly_paused);
    Ok(())
}

/// Says which lanes are paused in some shards only, and what can be done.
pub(crate) fn remark_if_partly(lanes: &[Lane]) {
    for lane in lanes {
        remark(&format!(
            "the lane {lane} is paused in some shards only, because a pause was broken off, or came from a program that was given \
             fewer shards; `emailq pause --lane {lane}` pauses it in all, `emailq resume --lane {lane}` in none"
        ));
    }
}

/// Says so if nobody has used the queue: its name may be misspelt.
pub(crate) fn remark_if_unused(context: &Context, stats: &Stats) {
    if stats.total("accepted") + stats.queued() + stats.other_entries() + stats.sending + stats.workers == 0 {
        remark(&format!(
            "no email was posted to the queue {} yet, and no worker runs for it; if another one is meant, --queue names it",
            context.shards.first().name()
        ));
    }
}
