//! The drain with a real mail server at its end, and how many connections that takes.

use anyhow::ensure;

use crate::bench::Bench;
use crate::drain;
use crate::queue;
use crate::redis_server::{Persistence, RedisServer};
use crate::report::{Row, Target};
use crate::smtp_sink::SmtpSink;
use crate::worker::{Log, Worker};

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let emails = bench.pick(20_000, 5_000);
    let server = RedisServer::start(bench, Persistence::None)?;
    let sink = SmtpSink::start(bench)?;
    queue::fill(&server, emails)?;

    bench.say(&format!("smtp: {emails} emails to smtp-sink"));
    let worker = Worker::start(bench, &server.url(), &sink.transport(), Log::Warnings)?;
    let drained = drain::watch(&server, &[&worker], 0, emails)?;
    rows.push(Row::new("one worker to smtp-sink on loopback", drained.per_second(), "emails/s"));
    rows.push(Row::new("  worker CPU", drained.each(drained.worker_cpu), "µs/email"));

    // Only sessions that have ended are counted.
    worker.stop()?;
    let seen = sink.counts()?;
    ensure!(seen.messages == emails, "smtp-sink has got {} emails of {emails}", seen.messages);
    ensure!(seen.sessions > 0, "smtp-sink has counted no connection");
    let (connections, emails) = (seen.sessions as f64, emails as f64);
    rows.push(Row::new("connections opened", connections / emails * 1000.0, "per 1,000 emails"));
    rows.push(Row::new("emails for each connection", emails / connections, "").target(Target::AtLeast(100.0)));
    Ok(())
}
