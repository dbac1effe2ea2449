//! Watching workers empty a queue.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;
use harness::RedisServer;
use harness::process::POLL;

use crate::bench::Bench;
use crate::queue::{self, Client};
use crate::redis_server::{self, Info};
use crate::worker::{Log, Worker};

/// The drain fails after this time without progress.
const STALLED: Duration = Duration::from_secs(20);

/// Figures between the first finished email and the last.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drained {
    /// How many were finished in that time.
    pub(crate) emails: u64,
    pub(crate) time: Duration,
    /// Time on a processor of all workers together.
    pub(crate) worker_cpu: Duration,
    /// Time on a processor of Redis.
    pub(crate) redis_cpu: Duration,
}

impl Drained {
    pub(crate) fn per_second(&self) -> f64 {
        self.emails as f64 / self.time.as_secs_f64()
    }

    /// A time for each email, in µs.
    pub(crate) fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / self.emails as f64
    }
}

/// Watches until `total` emails in all have been sent, by the counter `sent` of the queue, every few milliseconds.
///
/// The clock starts when the counter is first seen to be above `before`, its value before the workers began, and what
/// was sent by then does not count: so neither does the start of the workers.
///
/// # Errors
/// A worker has ended; nothing has happened for a while; Redis is unreachable.
pub(crate) fn watch(server: &RedisServer, workers: &[&Worker], before: u64, total: u64) -> anyhow::Result<Drained> {
    let client = Client::open(server)?;
    let mut connection = redis_server::connect(server)?;
    let (mut sent, mut last_change) = (before, Instant::now());
    let mut wait_above = |below: u64| -> anyhow::Result<(u64, Instant)> {
        loop {
            let (now_sent, now) = (client.sent()?, Instant::now());
            if now_sent >= below {
                return Ok((now_sent, now));
            }
            if now_sent != sent {
                (sent, last_change) = (now_sent, now);
            }
            if last_change.elapsed() > STALLED {
                bail!("{sent} of {total} emails were sent, and then none for {} s", STALLED.as_secs());
            }
            workers.iter().try_for_each(|worker| worker.check())?;
            thread::sleep(POLL);
        }
    };
    let (first_sent, first) = wait_above(before + 1)?;
    let start = used(&mut connection, workers)?;
    let (last_sent, last) = wait_above(total)?;
    let end = used(&mut connection, workers)?;
    if last_sent == first_sent {
        bail!("{} emails are too few to be timed", last_sent - before);
    }
    Ok(Drained {
        emails: last_sent - first_sent,
        time: last - first,
        worker_cpu: end.workers.saturating_sub(start.workers),
        redis_cpu: end.redis.saturating_sub(start.redis),
    })
}

/// Time on a processor until now.
struct Used {
    workers: Duration,
    redis: Duration,
}

fn used(connection: &mut redis::Connection, workers: &[&Worker]) -> anyhow::Result<Used> {
    let workers = workers.iter().map(|worker| worker.usage()).collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Used {
        workers: workers.iter().map(|usage| usage.cpu).sum(),
        redis: Duration::from_secs_f64(Info::read(connection, "cpu")?.cpu_seconds()?),
    })
}

/// Fills a queue and lets one worker empty it. Answers the worker's peak RSS too, in bytes.
///
/// # Errors
/// Redis is unreachable; the worker ends or does not get on.
pub(crate) fn one_worker(
    bench: &Bench<'_>,
    server: &RedisServer,
    emails: u64,
    log: Log,
) -> anyhow::Result<(Drained, u64)> {
    queue::fill(server, emails)?;
    let worker = Worker::start(bench, &server.url(), "null:", log)?;
    let drained = watch(server, &[&worker], 0, emails)?;
    let peak = worker.usage()?.peak_rss;
    worker.stop()?;
    Ok((drained, peak))
}
