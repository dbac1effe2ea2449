//! The programs of this commit beside those of another one, in turn, so that a slow moment of the machine affects both.
//!
//! Both run on the same Redis server, by their own scripts. A ratio of 1 means that nothing has changed.

use std::time::Duration;

use anyhow::Context;
use harness::{Persistence, RedisServer};

use super::idle;
use super::memory::used_memory;
use crate::api_host::{ApiHost, Wasi};
use crate::bench::Bench;
use crate::drain::{self, Drained};
use crate::http::HttpClient;
use crate::load::{self, CONNECTIONS, Request};
use crate::queue::{self, Client};
use crate::redis_server::{self, Info};
use crate::report::{Row, Target};
use crate::samples::median;
use crate::worker::{Log, Worker};

/// What can be told from noise in the medians of some rounds.
const NOISE: f64 = 0.05;

/// How many emails a request of [`fill`] has.
const BATCH: u64 = 100;

/// Takes a figure of one commit, in a round.
type Measure = fn(&Bench<'_>) -> anyhow::Result<Figures>;

/// What is measured together, as many for both commits.
type Figures = Vec<Figure>;

struct Figure {
    what: &'static str,
    value: f64,
    unit: &'static str,
    target: Target,
}

impl Figure {
    fn at_least(what: &'static str, value: f64, unit: &'static str) -> Self {
        Self { what, value, unit, target: Target::AtLeast(1.0 - NOISE) }
    }

    fn at_most(what: &'static str, value: f64, unit: &'static str) -> Self {
        Self { what, value, unit, target: Target::AtMost(1.0 + NOISE) }
    }
}

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let others = bench.programs.of_other_commit()?;
    let other = bench.with(&others);
    let (few, many) = (1, bench.pick(7, 3));
    let measurements: [(&str, Measure, u32); 5] = [
        ("drain", drain, many),
        ("POST, native server", post_native, many),
        ("POST, WASI 0.3", post_component, many),
        ("memory", memory, few),
        ("idle", idle_worker, few),
    ];
    for (name, figures, rounds) in measurements {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for round in 1..=rounds {
            bench.say(&format!("against: {name}, round {round} of {rounds}"));
            let mut turns = [(bench, &mut ours), (&other, &mut theirs)];
            // Who is first has the machine as the last measurement has left it.
            if round % 2 == 0 {
                turns.reverse();
            }
            for (bench, taken) in turns {
                taken.push(figures(bench).with_context(|| name.to_owned())?);
            }
        }
        show(rows, &ours, &theirs);
    }
    Ok(())
}

fn show(rows: &mut Vec<Row>, ours: &[Figures], theirs: &[Figures]) {
    let Some(first) = ours.first() else { return };
    for (nth, Figure { what, unit, target, .. }) in first.iter().enumerate() {
        let median_of = |rounds: &[Figures]| {
            let values: Vec<_> = rounds.iter().filter_map(|figures| Some(figures.get(nth)?.value)).collect();
            median(&values)
        };
        rows.push(Row::new(*what, median_of(ours), unit).over(median_of(theirs), "the other commit").target(*target));
    }
}

fn drain(bench: &Bench<'_>) -> anyhow::Result<Figures> {
    let server = redis_server::start(bench, Persistence::None)?;
    let (drained, _) = drain::one_worker(bench, &server, bench.pick(100_000, 20_000), Log::Warnings)?;
    let Drained { worker_cpu, redis_cpu, .. } = drained;
    Ok(vec![
        Figure::at_least("drain, one worker, null:", drained.per_second(), "emails/s"),
        Figure::at_most("  worker CPU", drained.each(worker_cpu), "µs/email"),
        Figure::at_most("  Redis CPU", drained.each(redis_cpu), "µs/email"),
    ])
}

fn post_native(bench: &Bench<'_>) -> anyhow::Result<Figures> {
    let server = redis_server::start(bench, Persistence::None)?;
    let host = ApiHost::start_native(bench, &server)?;
    let (rate, host, redis) = post(bench, &server, &host)?;
    Ok(vec![
        Figure::at_least("POST /emails, native server", rate, "requests/s"),
        Figure::at_most("  server CPU", host, "µs/request"),
        Figure::at_most("  Redis CPU", redis, "µs/request"),
    ])
}

fn post_component(bench: &Bench<'_>) -> anyhow::Result<Figures> {
    let server = redis_server::start(bench, Persistence::None)?;
    let host = ApiHost::start(bench, &server, Wasi::P3)?;
    let (rate, host, redis) = post(bench, &server, &host)?;
    Ok(vec![
        Figure::at_least("POST /emails, WASI 0.3", rate, "requests/s"),
        Figure::at_most("  host CPU", host, "µs/request"),
        Figure::at_most("  Redis CPU", redis, "µs/request"),
    ])
}

/// Requests a second, and what each took of the host's and of Redis' processor time in µs.
fn post(bench: &Bench<'_>, server: &RedisServer, host: &ApiHost) -> anyhow::Result<(f64, f64, f64)> {
    let (url, email) = (host.url("/emails"), queue::email(1));
    let request = Request { method: "POST", url: &url, body: Some(&email), connections: CONNECTIONS };
    // What is compiled or connected at the first request does not count.
    load::run(bench, request, 1)?;
    let redis = || Info::read(&mut redis_server::connect(server)?, "cpu")?.cpu_seconds();
    let before = (host.cpu()?, redis()?);
    let load = load::run(bench, request, bench.pick(3, 1))?;
    let after = (host.cpu()?, redis()?);
    anyhow::ensure!(load.refused + load.broken == 0, "{} answers are no 2xx", load.refused + load.broken);
    let each = |seconds: f64| seconds * 1e6 / load.answers as f64;
    Ok((load.per_second(), each((after.0 - before.0).as_secs_f64()), each(after.1 - before.1)))
}

fn memory(bench: &Bench<'_>) -> anyhow::Result<Figures> {
    let emails = bench.pick(100_000, 10_000);
    let server = redis_server::start(bench, Persistence::None)?;
    let host = ApiHost::start_native(bench, &server)?;
    let api = HttpClient::new(&host.address);
    // The scripts and the first list do not count.
    fill(&api, BATCH)?;
    let before = used_memory(&server)?;
    fill(&api, emails)?;
    let each = (used_memory(&server)? - before) / emails as f64;
    anyhow::ensure!(Client::open(&server)?.accepted()? == emails + BATCH, "emails are missing");
    let queued = Figure::at_most("Redis memory of a queued email, all in all", each, "B");

    let worker = Worker::start(bench, &server.url(), "null:", Log::Warnings)?;
    worker.wait_until_sent(&server, emails, Duration::from_secs(120))?;
    let sent = (used_memory(&server)? - before) / emails as f64;
    let peak = worker.usage()?.peak_rss as f64 / 1e6;
    Ok(vec![
        queued,
        Figure::at_most("  of a sent one in its retention", sent, "B"),
        Figure::at_most("worker's peak RSS while it drains them", peak, "MB"),
    ])
}

/// Posts emails in batches, one after the other.
fn fill(api: &HttpClient, emails: u64) -> anyhow::Result<()> {
    for first in (0..emails).step_by(BATCH as usize) {
        let batch: Vec<_> = (first..first + BATCH).map(queue::email).collect();
        api.post("/emails/batch", &format!("[{}]", batch.join(",")))?;
    }
    Ok(())
}

fn idle_worker(bench: &Bench<'_>) -> anyhow::Result<Figures> {
    let server = redis_server::start(bench, Persistence::None)?;
    let worker = Worker::start(bench, &server.url(), "null:", Log::Warnings)?;
    worker.wait_until_idle(&server)?;
    // A minute has a maintenance, three renewals of the lease, and six samples.
    let seconds = bench.pick(60, 20);
    let calls: u64 = idle::commands(&server, seconds)?.into_iter().map(|(_, calls)| calls).sum();
    worker.check()?;
    Ok(vec![Figure::at_most("Redis commands of an idle worker", calls as f64 / seconds as f64, "/s")])
}
