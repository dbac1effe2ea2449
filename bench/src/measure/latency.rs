//! How long after an email was accepted its delivery begins, one email at a time on an idle system.
//!
//! The delivery begins when the command `MAIL` arrives at a mail server in this process. The worker keeps its session to
//! it, so opening one is part of the first email only, which is not counted.

use std::thread;
use std::time::{Duration, Instant};

use harness::Persistence;

use crate::api_host::{ApiHost, Wasi};
use crate::bench::Bench;
use crate::http::HttpClient;
use crate::queue;
use crate::redis_server;
use crate::report::{Row, Target};
use crate::samples::percentile;
use crate::smtp_acceptor::SmtpAcceptor;
use crate::worker::{Log, Worker};

use super::limits::lpush_to_brpop;

/// How long one delivery may take to begin.
const BEGIN_LIMIT: Duration = Duration::from_secs(5);

/// The pause after a delivery, in ms, until everything is idle. It varies, so that it does not coincide with periodic
/// work.
const PAUSES: std::ops::Range<usize> = 15..26;

pub(crate) fn measure(bench: &Bench<'_>, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let samples = bench.pick(500, 100);
    let server = redis_server::start(bench, Persistence::None)?;
    let raw = lpush_to_brpop(&server, samples)?;
    rows.push(Row::new("LPUSH to BRPOP, right before, p50", percentile(&raw, 50.0), "ms"));

    let acceptor = SmtpAcceptor::start()?;
    let transport = format!("smtp://{}?tls=none", acceptor.address);
    let worker = Worker::start(bench, &server.url(), &transport, Log::Warnings)?;
    worker.wait_until_idle(&server)?;

    for wasi in Wasi::built(bench) {
        bench.say(&format!("latency: {samples} emails one by one through the API, {}", wasi.name(bench)));
        let host = ApiHost::start(bench, &server, wasi)?;
        let client = HttpClient::new(&host.address);
        let mut number = 0;
        let times = collect(samples, &acceptor, &worker, || {
            number += 1;
            let times = client.post("/emails", &queue::email(number))?;
            Ok((times.sent, times.answered))
        })?;
        host.check()?;
        let name = wasi.name(bench);
        show(rows, &format!("answer read to MAIL, {name}"), &times.since_answer, Some(Target::AtMost(3.0)));
        show(rows, &format!("request sent to MAIL, {name}"), &times.since_sent, None);
    }

    bench.say(&format!("latency: {samples} emails one by one by a plain LPUSH"));
    let mut connection = redis_server::connect(&server)?;
    let mut number = 0;
    let times = collect(samples, &acceptor, &worker, || {
        number += 1;
        let sent = Instant::now();
        redis::cmd("LPUSH").arg("emails").arg(queue::email(number)).exec(&mut connection)?;
        Ok((sent, Instant::now()))
    })?;
    show(rows, "plain LPUSH sent to MAIL", &times.since_sent, None);
    Ok(())
}

/// In ms.
struct Times {
    since_sent: Vec<f64>,
    /// Less than 0 where the delivery began before the client had read its answer.
    since_answer: Vec<f64>,
}

/// Posts one email after the other. `hand_in` returns when it began and when the email was accepted.
fn collect(
    samples: usize,
    acceptor: &SmtpAcceptor,
    worker: &Worker,
    mut hand_in: impl FnMut() -> anyhow::Result<(Instant, Instant)>,
) -> anyhow::Result<Times> {
    let mut times = Times { since_sent: Vec::new(), since_answer: Vec::new() };
    // The first one opens connections.
    for sample in 0..=samples {
        let (sent, answered) = hand_in()?;
        let begun = acceptor.next(BEGIN_LIMIT).or_else(|error| worker.check().and(Err(error)))?;
        if sample > 0 {
            times.since_sent.push(milliseconds(sent, begun));
            times.since_answer.push(milliseconds(answered, begun));
        }
        let pause = PAUSES.start + sample % PAUSES.len();
        thread::sleep(Duration::from_millis(pause as u64));
    }
    Ok(times)
}

fn milliseconds(from: Instant, to: Instant) -> f64 {
    match to.checked_duration_since(from) {
        Some(time) => time.as_secs_f64() * 1e3,
        None => -(from - to).as_secs_f64() * 1e3,
    }
}

/// The target is for the 99th percentile.
fn show(rows: &mut Vec<Row>, what: &str, times: &[f64], target: Option<Target>) {
    rows.push(Row::new(format!("{what}, p50"), percentile(times, 50.0), "ms"));
    let row = Row::new(format!("{what}, p99"), percentile(times, 99.0), "ms");
    rows.push(match target {
        Some(target) => row.target(target),
        None => row,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_may_begin_before_the_answer_is_read() {
        let first = Instant::now();
        let second = first + Duration::from_millis(2);
        assert_eq!((milliseconds(first, second), milliseconds(second, first)), (2.0, -2.0));
    }
}
