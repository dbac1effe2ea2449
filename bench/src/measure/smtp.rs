//! The drain into a real mail server: connections used, and the cost of large emails beside a client that only sends.

use std::time::Duration;

use anyhow::ensure;
use harness::Persistence;

use crate::bench::Bench;
use crate::drain;
use crate::queue;
use crate::redis_server;
use crate::report::{Row, Target};
use crate::samples::median;
use crate::smtp_sink::SmtpSink;
use crate::smtp_source;
use crate::worker::{Log, Worker};

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let emails = bench.pick(20_000, 5_000);
    let server = redis_server::start(bench, Persistence::None)?;
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
    SIZES.into_iter().try_for_each(|size| large(bench, size, rows))
}

/// Bytes of an email, and how many of such, thoroughly and quickly.
const SIZES: [(u64, u64, u64); 3] = [(1_000, 5_000, 2_000), (100_000, 1_000, 400), (1_000_000, 100, 50)];

const ROUNDS: usize = 3;

/// Emails of one size in both shapes, each right after the same number of messages of that size by smtp-source.
fn large(bench: &Bench<'_>, (bytes, full, quick): (u64, u64, u64), rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let (emails, kilobytes) = (bench.pick(full, quick), bytes / 1000);
    let shapes: [(&str, Shape); 2] = [("text", text), ("attachment", attachment)];
    for (shape, email) in shapes {
        let (mut rates, mut costs, mut source_rates, mut source_costs) = (vec![], vec![], vec![], vec![]);
        let mut peak = 0;
        for round in 1..=ROUNDS {
            bench.say(&format!("smtp: {emails} emails of {kilobytes} kB, {shape}, round {round} of {ROUNDS}"));
            let sink = SmtpSink::start(bench)?;
            let sent = smtp_source::send(bench, &sink, emails, bytes)?;
            source_rates.push(sent.messages as f64 / sent.time.as_secs_f64());
            source_costs.push(per_megabyte(sent.cpu, sent.messages * bytes));
            let server = redis_server::start(bench, Persistence::None)?;
            queue::fill_with(&server, emails, (4_000_000 / bytes).clamp(1, 100), &|number| email(number, bytes))?;
            let worker = Worker::start(bench, &server.url(), &sink.transport(), Log::Warnings)?;
            let drained = drain::watch(&server, &[&worker], 0, emails)?;
            rates.push(drained.per_second());
            costs.push(per_megabyte(drained.worker_cpu, drained.emails * bytes));
            peak = peak.max(worker.usage()?.peak_rss);
        }
        let what = format!("{kilobytes} kB, {shape}");
        let source = "smtp-source";
        rows.push(Row::new(format!("{what}: smtp-source"), median(&source_rates), "messages/s"));
        let rate =
            Row::new(format!("{what}: one worker"), median(&rates), "emails/s").over(median(&source_rates), source);
        rows.push(rate.target(Target::AtLeast(0.5)));
        let cost = Row::new("  worker CPU", median(&costs), "ms/MB").over(median(&source_costs), source);
        rows.push(if bytes >= 100_000 { cost.target(Target::AtMost(1.5)) } else { cost });
        rows.push(Row::new("  worker's peak RSS", peak as f64 / 1e6, "MB"));
    }
    Ok(())
}

/// The JSON of an email, made of its number and its size.
type Shape = fn(u64, u64) -> String;

/// Lines of 70 bytes.
fn text(number: u64, bytes: u64) -> String {
    let line = "All of this is one line of a text, and after it comes the next one....\\n";
    let text = line.repeat(usize::try_from(bytes / 71).unwrap_or(1).max(1));
    format!(r#"{{"from":"a@acme.example","to":"c{number}@example.com","subject":"{number}","text":"{text}"}}"#)
}

/// A file of which the base64 has so many bytes.
fn attachment(number: u64, bytes: u64) -> String {
    let base64 = "0123456789abcdefABCDEF+/".repeat(usize::try_from(bytes / 24).unwrap_or(1));
    let file = format!(r#"{{"filename":"a.pdf","content":"{base64}"}}"#);
    format!(
        r#"{{"from":"a@acme.example","to":"c{number}@example.com","subject":"{number}","text":"See the file.","attachments":[{file}]}}"#
    )
}

fn per_megabyte(cpu: Duration, bytes: u64) -> f64 {
    cpu.as_secs_f64() * 1e3 / (bytes as f64 / 1e6)
}
