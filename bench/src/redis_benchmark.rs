//! `redis-benchmark`, part of Redis: the limit with one command at a time.

use std::collections::HashMap;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use harness::RedisServer;

use crate::bench::Bench;

/// How many connections ask at once, each waiting for its answer before it asks again.
pub(crate) const CONNECTIONS: u32 = 16;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Commands per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limits {
    pub(crate) lpush: f64,
    /// Of entries that are there.
    pub(crate) rpop: f64,
}

/// Pushes entries of 3 bytes one by one and pops them again, for a second or several.
///
/// # Errors
/// There is no redis-benchmark, or it fails.
pub(crate) fn run(bench: &Bench<'_>, server: &RedisServer) -> anyhow::Result<Limits> {
    let commands: u32 = bench.pick(300_000, 100_000);
    let mut command = Command::new(&bench.programs.redis_benchmark);
    command.args(["-h", "127.0.0.1", "-p", &server.port().to_string(), "-t", "lpush,rpop", "--csv"]);
    command.args(["-n", &commands.to_string(), "-c", &CONNECTIONS.to_string()]);
    let output = harness::run(&mut command, LIMIT)?;
    parse(&output).with_context(|| format!("redis-benchmark has an unknown form of output: {output}"))
}

/// Lines of `"LPUSH","109170.30",…`: the test, and how many a second.
fn parse(csv: &str) -> Option<Limits> {
    let rates: HashMap<&str, f64> = csv
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(',').map(|field| field.trim_matches('"'));
            Some((fields.next()?, fields.next()?.parse().ok()?))
        })
        .collect();
    Some(Limits { lpush: *rates.get("LPUSH")?, rpop: *rates.get("RPOP")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rates_are_found_among_the_latencies() {
        let csv = "\"test\",\"rps\",\"avg_latency_ms\",\"min_latency_ms\",\"p50_latency_ms\"\n\
                   \"LPUSH\",\"109170.30\",\"0.101\",\"0.032\",\"0.095\"\n\
                   \"RPOP\",\"120481.93\",\"0.090\",\"0.024\",\"0.087\"\n";
        assert_eq!(parse(csv), Some(Limits { lpush: 109_170.30, rpop: 120_481.93 }));
        assert_eq!(parse("Could not connect to Redis"), None);
    }
}
