//! What a queued email costs in Redis beyond its own JSON, and whether the worker grows with the backlog.

use std::thread;
use std::time::{Duration, Instant};

use harness::process::POLL;
use harness::{Persistence, RedisServer};

use crate::bench::Bench;
use crate::queue::{self, Client};
use crate::redis_server::{self, Info};
use crate::report::{Row, Target};
use crate::worker::{Log, Worker};

const SEND_LIMIT: Duration = Duration::from_secs(120);

/// How long Redis may take to settle: it grows its tables in steps.
const SETTLE_LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let (some, many) = (bench.pick(100_000, 10_000), bench.pick(1_000_000, 40_000));
    let server = redis_server::start(bench, Persistence::None)?;

    bench.say("memory: an idle worker");
    let worker = Worker::start(bench, &server.url(), "null:", Log::Warnings)?;
    worker.wait_until_idle(&server)?;
    let idle = worker.usage()?.peak_rss;
    worker.stop()?;

    bench.say(&format!("memory: {some} emails in Redis"));
    // One email first, so that the scripts do not count.
    queue::fill(&server, 1)?;
    let before = used_memory(&server)?;
    let filled = queue::fill(&server, some)?;
    let after = used_memory(&server)?;
    let beyond = (after - before - filled.json_bytes as f64) / some as f64;
    let row = Row::new(format!("Redis for each queued email, beyond its JSON, at {some}"), beyond, "B");
    let json = filled.json_bytes as f64 / some as f64;
    rows.push(row.target(Target::AtMost(400.0)).note(format!("the JSON is {json:.0} B")));

    rows.push(Row::new("worker's peak RSS, idle", idle as f64 / 1e6, "MB"));
    bench.say(&format!("memory: a worker at a backlog of {some}"));
    let at_some = peak_while_draining(bench, &server)?;
    rows.push(Row::new(format!("worker's peak RSS while it drains {some}"), at_some / 1e6, "MB"));

    bench.say(&format!("memory: a worker at a backlog of {many}"));
    queue::fill(&server, many)?;
    let at_many = peak_while_draining(bench, &server)?;
    let row = Row::new(format!("worker's peak RSS while it drains {many}"), at_many / 1e6, "MB");
    rows.push(row.over(at_some / 1e6, format!("that at {some}")).target(Target::AtMost(1.15)));
    Ok(())
}

/// The peak RSS of a new worker after it has sent the first of the waiting emails, in bytes.
fn peak_while_draining(bench: &Bench<'_>, server: &RedisServer) -> anyhow::Result<f64> {
    let client = Client::open(server)?;
    let enough = client.sent()? + bench.pick(50_000, 5_000);
    let worker = Worker::start(bench, &server.url(), "null:", Log::Warnings)?;
    let start = Instant::now();
    while client.sent()? < enough {
        worker.check()?;
        anyhow::ensure!(start.elapsed() < SEND_LIMIT, "the worker does not get on");
        thread::sleep(POLL);
    }
    let peak = worker.usage()?.peak_rss;
    worker.stop()?;
    Ok(peak as f64)
}

/// `used_memory`, once it has stayed the same for a while.
pub(super) fn used_memory(server: &RedisServer) -> anyhow::Result<f64> {
    let mut connection = redis_server::connect(server)?;
    let mut read = || Info::read(&mut connection, "memory")?.number("used_memory");
    let (start, mut last) = (Instant::now(), read()?);
    loop {
        thread::sleep(Duration::from_millis(300));
        let now = read()?;
        if (now - last).abs() < 10_000.0 || start.elapsed() > SETTLE_LIMIT {
            return Ok(now);
        }
        last = now;
    }
}
