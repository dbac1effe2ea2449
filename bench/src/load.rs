//! wrk: many connections, each with one request at a time. <https://github.com/wg/wrk>

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;

use crate::api_host::KEY;
use crate::bench::Bench;

/// How many connections ask at once, all from one thread, unless a measurement says otherwise.
pub(crate) const CONNECTIONS: u64 = 16;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(120);

/// What to ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) method: &'a str,
    pub(crate) url: &'a str,
    /// JSON.
    pub(crate) body: Option<&'a str>,
    /// How many connections ask at once.
    pub(crate) connections: u64,
}

/// What the answers were.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Load {
    /// How many were answered in time.
    pub(crate) answers: u64,
    pub(crate) time: Duration,
    /// From the request to its answer.
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    /// Answers with a status of 400 or above.
    pub(crate) refused: u64,
    /// Connections that failed.
    pub(crate) broken: u64,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        self.answers as f64 / self.time.as_secs_f64()
    }
}

/// Repeats a request for so many seconds.
///
/// # Errors
/// There is no wrk, or it fails.
pub(crate) fn run(bench: &Bench<'_>, request: Request<'_>, seconds: u32) -> anyhow::Result<Load> {
    let (script, body) = (bench.directory.join("load.lua"), bench.directory.join("body.json"));
    fs::write(&script, include_str!("load.lua"))?;
    let mut command = Command::new(&bench.programs.wrk);
    command.args(["-t1", "-c", &request.connections.to_string(), "-d", &format!("{seconds}s"), "-s"]).arg(&script);
    command.arg(request.url).env("BENCH_METHOD", request.method).env("BENCH_KEY", KEY).env_remove("BENCH_BODY");
    if let Some(json) = request.body {
        fs::write(&body, json)?;
        command.env("BENCH_BODY", &body);
    }
    let output = harness::run(&mut command, LIMIT)?;
    parse(&output).with_context(|| format!("wrk has an unknown form of output: {output}"))
}

/// The line that load.lua writes: counts, and times in µs.
fn parse(output: &str) -> Option<Load> {
    let line = output.lines().find_map(|line| line.strip_prefix("figures "))?;
    let figures: Vec<u64> = line.split(' ').map(str::parse).collect::<Result<_, _>>().ok()?;
    let [answers, time, p50, p99, refused, broken] = figures.try_into().ok()?;
    let [time, p50, p99] = [time, p50, p99].map(Duration::from_micros);
    Some(Load { answers, time, p50, p99, refused, broken })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_are_found_among_what_else_wrk_says() {
        let output = "Running 1s test @ http://127.0.0.1:3000/healthz\n  1 threads and 16 connections\n\
                      Requests/sec:   8123.4\nfigures 8130 1000812 1890 4210 3 0\n";
        let load = parse(output).unwrap();
        assert_eq!((load.answers, load.refused, load.broken), (8130, 3, 0));
        assert_eq!((load.p50, load.p99), (Duration::from_micros(1890), Duration::from_micros(4210)));
        assert!((load.per_second() - 8123.4).abs() < 0.1);
        assert_eq!(parse("unable to connect to 127.0.0.1:3000"), None);
    }
}
