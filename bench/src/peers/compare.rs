//! The same drain with other queues that use Redis, and ours right before and after.

use std::time::Duration;

use harness::Persistence;

use crate::bench::Bench;
use crate::drain;
use crate::redis_server;
use crate::report::{Row, Target};
use crate::samples::median;
use crate::worker::{CONCURRENCY, Log};

use super::{Peer, run};

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    // Many, because some of the others are faster with few. Not all of them finish in time.
    let emails = bench.pick(100_000, 20_000);
    let limit = Duration::from_secs(bench.pick(40, 15));
    let ours = |when: &str| -> anyhow::Result<f64> {
        bench.say(&format!("peers: {emails} emails with our worker, {when}"));
        let server = redis_server::start(bench, Persistence::None)?;
        Ok(drain::one_worker(bench, &server, emails, Log::Warnings)?.0.per_second())
    };
    let before = ours("before the others")?;
    let server = redis_server::start(bench, Persistence::None)?;
    let progress = |what: &str| bench.say(&format!("peers: {what}"));
    let peers = run(&bench.programs.peers, &server.url(), emails, CONCURRENCY, limit, &[], &progress);
    drop(server);
    let after = ours("after the others")?;

    let ours = median(&[before, after]);
    let note = format!("{before:.0} before the others, {after:.0} after");
    rows.push(Row::new("email-queue, one worker", ours, "emails/s").note(note));
    let mut failed = Vec::new();
    let mut fastest: Option<(f64, String)> = None;
    for Peer { name, version, survives_kill, result } in peers {
        match result {
            Ok(drained) => {
                let kill = if survives_kill { "survives kill -9" } else { "loses jobs at kill -9" };
                let note = format!("{version}; {:.0} B of Redis for each job; {kill}", drained.bytes_per_job);
                let rate = drained.per_second();
                rows.push(Row::new(&name, rate, "jobs/s").note(note));
                rows.push(Row::new("  email-queue", ours, "emails/s").over(rate, name.clone()));
                if fastest.as_ref().is_none_or(|(most, _)| rate > *most) {
                    fastest = Some((rate, name));
                }
            }
            Err(error) => failed.push(format!("{name}: {error:#}")),
        }
    }
    if let Some((rate, name)) = fastest {
        let row = Row::new("email-queue, beside the fastest of them", ours, "emails/s");
        rows.push(row.over(rate, name).target(Target::AtLeast(2.0)));
    }
    anyhow::ensure!(failed.is_empty(), "{}", failed.join("; "));
    Ok(())
}
