//! How fast one worker empties a queue if sending takes no time, and what that costs.

use std::time::Duration;

use harness::Persistence;

use crate::bench::Bench;
use crate::drain::{self, Drained};
use crate::redis_benchmark;
use crate::redis_server;
use crate::report::{Row, Target};
use crate::samples::median;
use crate::worker::Log;

/// How often each drain is measured, right after its limit. Figures are medians, so that a moment of other load does
/// not count.
const ROUNDS: u32 = 3;

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let emails = bench.pick(200_000, 20_000);
    let warnings = rounds(bench, "RUST_LOG=warn", emails, Persistence::None, Log::Warnings)?;
    rows.push(Row::new("redis-benchmark RPOP, right before each", warnings.median(|round| round.rpop), "/s"));
    rows.push(warnings.row("one worker, null:, RUST_LOG=warn").target(Target::AtLeast(0.5)));
    let cost = |time: fn(&Drained) -> Duration| warnings.median(|Round { drained, .. }| drained.each(time(drained)));
    rows.push(Row::new("  worker CPU", cost(|drained| drained.worker_cpu), "µs/email"));
    rows.push(Row::new("  Redis CPU", cost(|drained| drained.redis_cpu), "µs/email"));
    rows.push(Row::new("  worker's peak RSS", warnings.median(|round| round.peak as f64) / 1e6, "MB"));

    let default = rounds(bench, "default log", emails, Persistence::None, Log::Default)?;
    rows.push(default.row("one worker, null:, default log to a file"));
    let durable = rounds(bench, "appendonly everysec", emails, Persistence::EverySecond, Log::Warnings)?;
    rows.push(durable.row("one worker, null:, appendonly everysec (RPOP too)"));
    Ok(())
}

/// What the rounds of one setting have shown.
struct Rounds(Vec<Round>);

struct Round {
    rpop: f64,
    drained: Drained,
    /// The worker's peak RSS in bytes.
    peak: u64,
}

impl Rounds {
    fn median(&self, figure: impl Fn(&Round) -> f64) -> f64 {
        median(&self.0.iter().map(figure).collect::<Vec<_>>())
    }

    fn row(&self, what: &str) -> Row {
        let row = Row::new(what, self.median(|round| round.drained.per_second()), "emails/s");
        row.over(self.median(|round| round.rpop), "redis-benchmark RPOP")
    }
}

fn rounds(bench: &Bench<'_>, what: &str, emails: u64, persistence: Persistence, log: Log) -> anyhow::Result<Rounds> {
    let mut rounds = Vec::new();
    for round in 1..=ROUNDS {
        bench.say(&format!("drain: {emails} emails, {what}, round {round} of {ROUNDS}"));
        let server = redis_server::start(bench, persistence)?;
        let rpop = redis_benchmark::run(bench, &server)?.rpop;
        let (drained, peak) = drain::one_worker(bench, &server, emails, log)?;
        rounds.push(Round { rpop, drained, peak });
    }
    Ok(Rounds(rounds))
}
