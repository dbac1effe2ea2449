//! The queue itself: its workers, relays and pauses.

use std::collections::BTreeSet;

use super::{finding::Finding, redis};
use crate::{context::Context, output::time::length, redis_client::Unanswered, shards, state};

/// An email should not have to wait for longer, if nothing is paused.
const LONG: std::time::Duration = std::time::Duration::from_secs(600);

/// Checks, and adds the relays that the workers name.
pub(super) async fn check(context: &Context, relays: &mut Vec<String>) -> Vec<Finding> {
    match look(context, relays).await {
        Ok(findings) => findings,
        Err(error) => vec![redis::refused(error)],
    }
}

async fn look(context: &Context, relays: &mut Vec<String>) -> Result<Vec<Finding>, Unanswered> {
    let (stats, workers) = (state::stats(context).await?, state::workers(context).await?);
    let mut findings = Vec::new();
    if let Some(left_out) = shards::left_out(context, &context.shards).await {
        findings.push(Finding::fault("shards", left_out.to_string(), left_out.way_out()));
    }
    if let Some(unserved) = shards::unserved(context, &context.shards).await {
        findings.push(Finding::fault("unserved-shards", unserved.to_string(), unserved.way_out()));
    }
    let live: Vec<_> = workers.iter().filter(|worker| worker.lease_until > stats.time).collect();
    if live.is_empty() {
        let way_out = "start native-worker with the same --redis-url and --queue, and read its log";
        findings.push(Finding::fault("workers", "no worker is alive: nothing is sent", way_out));
    } else {
        let in_flight: u64 = live.iter().map(|worker| worker.in_flight).sum();
        findings.push(Finding::good("workers", format!("{} alive, {in_flight} emails in flight", live.len())));
    }
    let versions: BTreeSet<_> = live.iter().filter_map(|worker| worker.version.as_deref()).collect();
    if versions.len() > 1 {
        let what =
            format!("the workers have different versions: {}", versions.into_iter().collect::<Vec<_>>().join(", "));
        findings.push(Finding::warning("worker-versions", what, "finish the upgrade"));
    }
    let of_workers: BTreeSet<_> = live.iter().filter_map(|worker| worker.relays.as_ref()).collect();
    if of_workers.len() > 1 {
        let way_out = "give all workers the same --transport";
        findings.push(Finding::warning("worker-relays", "the workers have different relays", way_out));
    }
    relays.extend(of_workers.into_iter().flatten().cloned().collect::<BTreeSet<_>>());
    let since_then = |since| length(stats.time.duration_since(since).unsigned_abs());
    for lane in &stats.lanes {
        if let Some(since) = lane.paused {
            let part = match stats.is_partly_paused(lane) {
                true => format!(", in {} of {} shards only", lane.paused_shards, stats.shards),
                false => String::new(),
            };
            let what = format!("the lane {} has been paused for {}{part}", lane.lane.as_str(), since_then(since));
            findings.push(Finding::fault("paused", what, format!("`emailq resume --lane {}`", lane.lane.as_str())));
        } else if let Some(waited) = lane.oldest.map(|oldest| stats.time.duration_since(oldest).unsigned_abs())
            && waited > LONG
        {
            let what = format!("an email waits in the lane {} for {}", lane.lane.as_str(), length(waited));
            findings.push(Finding::warning(
                "waiting",
                what,
                "`emailq list --status queued`, and `emailq why ID` for one of them",
            ));
        }
    }
    for relay in &stats.relays {
        let class = relay.class;
        let what =
            format!("{} has been held off for {} ({class}): {}", relay.name, since_then(relay.since), relay.error);
        findings.push(Finding::fault(
            "held-off",
            what,
            "mend the relay; its workers probe it by themselves, and what they would send waits",
        ));
    }
    if stats.failed > 0 {
        let way_out = "`emailq list --status failed` shows them; `emailq retry` or `emailq discard` decides";
        findings.push(Finding::warning("dead-letters", format!("{} emails have failed", stats.failed), way_out));
    }
    Ok(findings)
}
