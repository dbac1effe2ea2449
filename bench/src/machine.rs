//! The machine of the figures.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde::Serialize;

/// How long a program may take to describe itself.
const LIMIT: Duration = Duration::from_secs(30);

/// A machine and a moment.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    /// In UTC.
    date: String,
    /// How many processors we may use.
    pub(crate) cores: usize,
    pub(crate) cpu: String,
    pub(crate) kernel: String,
    /// How many tasks ran or wanted to, over the last minute before we began: near 0 if the machine was ours alone.
    pub(crate) load_before: Option<f64>,
    pub(crate) redis: String,
    /// The commit, if it is a checkout.
    pub(crate) commit: Option<String>,
}

/// # Errors
/// There is no Redis server to ask for its version.
pub(crate) fn describe(redis_server: &Path) -> anyhow::Result<Machine> {
    let version = harness::run(Command::new(redis_server).arg("--version"), LIMIT)?;
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    Ok(Machine {
        date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        cpu: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| cpu_model(&text)).unwrap_or_default(),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        load_before: load.split(' ').next().and_then(|load| load.parse().ok()),
        redis: redis_version(&version),
        commit: harness::run(Command::new("git").args(["describe", "--always", "--dirty", "--abbrev=12"]), LIMIT)
            .ok()
            .map(|commit| commit.trim().to_owned()),
    })
}

fn cpu_model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// `Redis server v=7.0.15 sha=…`, or `Valkey server v=…`, as `Redis 7.0.15`.
fn redis_version(line: &str) -> String {
    let mut words = line.split_whitespace();
    let server = words.next().unwrap_or_default();
    let version = words.find_map(|word| word.strip_prefix("v=")).unwrap_or("of an unknown version");
    format!("{server} {version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_says_its_name_and_version() {
        let line = "Valkey server v=8.1.1 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=e08";
        assert_eq!(redis_version(line), "Valkey 8.1.1");
    }

    #[test]
    fn the_model_is_that_of_the_first_processor() {
        let cpuinfo = "processor\t: 0\nmodel\t\t: 1\nmodel name\t: Fast CPU @ 3 GHz\nmodel name\t: Other\n";
        assert_eq!(cpu_model(cpuinfo), Some("Fast CPU @ 3 GHz".to_owned()));
    }
}
