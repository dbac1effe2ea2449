//! Throughput at large backlogs, and with several workers.

use std::time::Duration;

use harness::{Persistence, RedisServer};

use crate::bench::Bench;
use crate::drain;
use crate::queue::{self, Client};
use crate::redis_server;
use crate::report::{Row, Target};
use crate::samples::median;
use crate::worker::{Log, Worker};

/// A rate at a large backlog and at a small one are the same if they differ by no more than this.
const SAME: Target = Target::Between(0.85, 1.15);

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    backlogs(bench, rows)?;
    workers(bench, rows)
}

/// The levels alternate, each with its own Redis, so that a slow moment of the machine affects all.
fn backlogs(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let sizes = bench.pick([1_000, 100_000, 1_000_000], [1_000, 20_000, 100_000]);
    let mut levels = Vec::new();
    for backlog in sizes {
        bench.say(&format!("scale: filling to a backlog of {backlog}"));
        levels.push(Level::start(bench, backlog)?);
    }
    let (turns, emails) = (bench.pick(15, 3), bench.pick(20_000, 10_000));
    for turn in 1..=turns {
        bench.say(&format!("scale: {emails} emails in and out at each backlog, turn {turn} of {turns}"));
        for level in &mut levels {
            level.take_turn(bench, emails)?;
        }
    }
    show(rows, "enqueue", &levels, |level| median(&level.enqueue));
    show(rows, "drain", &levels, |level| median(&level.drain));
    Ok(())
}

fn show(rows: &mut Vec<Row>, kind: &str, levels: &[Level], rate: impl Fn(&Level) -> f64) {
    let smallest = &levels[0];
    for (place, level) in levels.iter().enumerate() {
        let row = Row::new(format!("{kind} at a backlog of {}", level.backlog), rate(level), "emails/s");
        let of = format!("that at {}", smallest.backlog);
        rows.push(if place == 0 { row } else { row.over(rate(smallest), of).target(SAME) });
    }
}

/// How many emails are put in before they are taken out again: the backlog stays between its size and so many more. The
/// same for all sizes, because the first milliseconds after a pause are slow, and count the more the shorter a piece is.
const PIECE: u64 = 10_000;

/// A queue that is kept at about one size, and the rates seen there, one for each turn.
struct Level {
    backlog: u64,
    server: RedisServer,
    enqueue: Vec<f64>,
    drain: Vec<f64>,
}

impl Level {
    fn start(bench: &Bench<'_>, backlog: u64) -> anyhow::Result<Level> {
        let server = redis_server::start(bench, Persistence::None)?;
        queue::fill(&server, backlog)?;
        Ok(Level { backlog, server, enqueue: Vec::new(), drain: Vec::new() })
    }

    /// Moves `emails` in and out, a [`PIECE`] at a time.
    fn take_turn(&mut self, bench: &Bench<'_>, emails: u64) -> anyhow::Result<()> {
        let client = Client::open(&self.server)?;
        let (mut entered, mut left) = (Moved::default(), Moved::default());
        let mut worker: Option<Worker> = None;
        while left.emails < emails {
            let waiting: u64 = client.depth()?.waiting.iter().sum();
            let filled = queue::fill(&self.server, (self.backlog + PIECE).saturating_sub(waiting))?;
            entered.add(filled.emails, filled.time);

            let before = client.sent()?;
            let worker = match &worker {
                Some(worker) => {
                    worker.thaw();
                    worker
                }
                None => worker.insert(Worker::start(bench, &self.server.url(), "null:", Log::Warnings)?),
            };
            let drained = drain::watch(&self.server, &[worker], before, before + PIECE)?;
            worker.freeze();
            left.add(drained.emails, drained.time);
        }
        if let Some(worker) = worker {
            worker.thaw();
            worker.stop()?;
        }
        self.enqueue.push(entered.per_second());
        self.drain.push(left.per_second());
        Ok(())
    }
}

#[derive(Default)]
struct Moved {
    emails: u64,
    time: Duration,
}

impl Moved {
    fn add(&mut self, emails: u64, time: Duration) {
        self.emails += emails;
        self.time += time;
    }

    fn per_second(&self) -> f64 {
        self.emails as f64 / self.time.as_secs_f64()
    }
}

fn workers(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    const COUNTS: [usize; 3] = [1, 2, 4];
    let (turns, emails) = (bench.pick(3, 2), bench.pick(100_000, 15_000));
    let mut rates = COUNTS.map(|_| Vec::new());
    for turn in 1..=turns {
        for (count, rates) in COUNTS.into_iter().zip(&mut rates) {
            bench.say(&format!("scale: {emails} emails, {count} workers, turn {turn} of {turns}"));
            let server = redis_server::start(bench, Persistence::None)?;
            queue::fill(&server, emails)?;
            let workers = (0..count)
                .map(|_| Worker::start(bench, &server.url(), "null:", Log::Warnings))
                .collect::<anyhow::Result<Vec<_>>>()?;
            let drained = drain::watch(&server, &workers.iter().collect::<Vec<_>>(), 0, emails)?;
            rates.push(drained.per_second());
        }
    }
    let one = median(&rates[0]);
    for (count, rates) in COUNTS.into_iter().zip(&rates) {
        let row = Row::new(format!("drain, workers: {count}"), median(rates), "emails/s");
        rows.push(if count == 1 { row } else { row.over(one, "one worker") });
    }
    Ok(())
}
