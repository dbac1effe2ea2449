//! What there is in the queue, of all shards together.

use email_queue::{
    Lane, Queue,
    call::Call,
    query::{self, PausedLanes, Pauses, Series, Stats, WorkerState},
    transition,
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

/// Pauses lanes in all shards, or all lanes if none is named, and prints which are paused then.
///
/// # Errors
/// Redis cannot be reached, or refuses, or the output is closed.
pub(crate) async fn pause(context: &Context, lanes: &[Lane]) -> anyhow::Result<()> {
    let paused = in_all_shards(context, |queue| transition::pause(queue, lanes)).await?;
    tell(context, None, &paused).await
}

/// Resumes lanes in all shards, or all lanes if none is named, and prints which were paused, and which still are.
///
/// # Errors
/// Redis cannot be reached, or refuses, or the output is closed.
pub(crate) async fn resume(context: &Context, lanes: &[Lane]) -> anyhow::Result<()> {
    let before = in_all_shards(context, query::paused).await?;
    let paused = in_all_shards(context, |queue| transition::resume(queue, lanes)).await?;
    let resumed: Vec<_> = before.paused.into_iter().filter(|lane| !paused.paused.contains(lane)).collect();
    let told = match (resumed.as_slice(), lanes) {
        ([], []) => "Nothing was paused.".to_owned(),
        ([], lanes) => format!("Not paused before: {}.", named(lanes)),
        (resumed, _) => format!("Resumed: {}.", named(resumed)),
    };
    tell(context, Some(told), &paused).await
}

/// Asks or changes each shard, and says which lanes are paused then.
///
/// # Errors
/// Redis cannot be reached, or refuses. It may be done in some shards.
pub(crate) async fn in_all_shards(
    context: &Context,
    call: impl Fn(&Queue) -> Call<Pauses>,
) -> Result<PausedLanes, Unanswered> {
    let mut pauses = Vec::new();
    for shard in context.shards.all() {
        pauses.push(context.run(&call(&context.shards.queue(shard))).await?);
    }
    Ok(PausedLanes::of(&pauses))
}

/// Prints what was done, and which lanes are paused.
async fn tell(context: &Context, done: Option<String>, lanes: &PausedLanes) -> anyhow::Result<()> {
    if context.out.is_json() {
        context.out.json(lanes)?;
    } else {
        let paused = Some(&*lanes.paused).filter(|lanes| !lanes.is_empty());
        let paused = paused.map(|lanes| format!("Paused: {}.", named(lanes)));
        let sentences: Vec<_> = [done, paused].into_iter().flatten().collect();
        context.out.say(&sentences.join(" "))?;
        remark_if_partly(&lanes.partly_paused);
    }
    remark_if_unused(context, &stats(context).await?);
    Ok(())
}

/// Lanes in words.
pub(crate) fn named(lanes: &[Lane]) -> String {
    lanes.iter().map(|lane| lane.as_str()).collect::<Vec<_>>().join(", ")
}

/// Says which lanes are paused in some shards only, and what can be done.
pub(crate) fn remark_if_partly(lanes: &[Lane]) {
    for lane in lanes {
        remark(&format!(
            "the lane {lane} is paused in some shards only, because a pause was broken off, or came from a program that was given \
             fewer shards; `emailq pause --lane {lane}` pauses it in all shards, `emailq resume --lane {lane}` resumes it in all"
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
