//! The command line.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Parser, ValueEnum};

use crate::host::Host;

/// Measures the queue, and its limits on this machine.
///
/// Prints one table: each figure, its ratio to a limit or competitor measured in the same run, and whether that meets
/// its target. A missed target is not a failure; a measurement that could not be made is, with exit code 1. Each
/// measurement has its own Redis, without persistence unless the table says otherwise.
///
/// Without names, all but `peers` and `against` are measured: 13 to 17 minutes, or under 5 with --quick. Close other programs
/// first.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
pub(crate) struct Options {
    /// Smaller counts and shorter times: a first impression.
    #[arg(long)]
    pub(crate) quick: bool,

    /// Writes all figures, and what machine they are from, into this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Other queues too; the same as naming `peers` besides the rest.
    #[arg(id = "with_peers", long = "peers")]
    with_peers: bool,

    /// Another commit: measures `against`, with a build of that commit beside this one. `HEAD~5`, `v1.2`, or a hash.
    #[arg(long, value_name = "COMMIT")]
    against: Option<String>,

    /// What runs the components: `spin` is the program that the variable SPIN names, or the one on the PATH.
    #[arg(long, value_enum, default_value = "dev-host")]
    pub(crate) host: Host,

    /// What to measure.
    #[arg(value_name = "NAME", value_enum)]
    names: Vec<Name>,

    /// Prints the tools that the measurements need, one a line, and ends.
    #[arg(long, hide = true)]
    pub(crate) needs: bool,

    #[command(flatten)]
    pub(crate) programs: Programs,
}

/// A measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    /// Redis under redis-benchmark, the API without Redis, LPUSH to BRPOP between two programs (20 s).
    Limits,
    /// How fast one worker empties a queue if sending takes no time, and the CPU time for it (3 min).
    Drain,
    /// The same with Postfix's smtp-sink as the mail server; emails for each connection; large emails beside its
    /// smtp-source (90 s).
    Smtp,
    /// Requests per second of the API, and how long they take, beside the host's ceiling and beside fastify with BullMQ
    /// (2 min; needs Node.js with npm).
    Api,
    /// How long after its acceptance the delivery of an email begins on an idle system (30 s).
    Latency,
    /// What a queued email costs in Redis, and a worker at three sizes of the backlog (60 s).
    Memory,
    /// Redis commands and CPU time of an idle worker (80 s).
    Idle,
    /// Whether a large backlog slows anything down; several workers (3 min).
    Scale,
    /// What operators do with a million emails queued: the calls of the web page, and the steps of bulk actions (2 min).
    Steer,
    /// CPU time for each email at a fixed load, spread over one to six shards of a Redis Cluster (3 min).
    Cluster,
    /// Drain, POST, memory and idle commands of the commit that `--against` names, in turn with those of this one (4 min, and
    /// 8 to build that commit).
    Against,
    /// The same drain with other queues that use Redis (some minutes; needs their runtimes).
    Peers,
}

impl Name {
    const DEFAULT: [Name; 10] = [
        Name::Limits,
        Name::Drain,
        Name::Smtp,
        Name::Api,
        Name::Latency,
        Name::Memory,
        Name::Idle,
        Name::Scale,
        Name::Steer,
        Name::Cluster,
    ];

    /// The tools that it requires, by their names in `cargo xtask bench`.
    fn tools(self) -> &'static [&'static str] {
        match self {
            Name::Limits => &["redis-benchmark", "wrk"],
            Name::Drain => &["redis-benchmark"],
            Name::Smtp => &["smtp-sink", "smtp-source"],
            Name::Api | Name::Against => &["wrk"],
            Name::Latency | Name::Memory | Name::Idle | Name::Scale | Name::Steer | Name::Cluster | Name::Peers => &[],
        }
    }
}

/// Paths of the programs. `cargo xtask bench` sets the environment variables.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Programs (chosen by cargo xtask bench)")]
pub(crate) struct Programs {
    #[arg(long, env = "REDIS_SERVER", default_value = "redis-server", hide_short_help = true)]
    pub(crate) redis_server: PathBuf,
    #[arg(long, env = "REDIS_BENCHMARK", default_value = "redis-benchmark", hide_short_help = true)]
    pub(crate) redis_benchmark: PathBuf,
    #[arg(long, env = "WRK", default_value = "wrk", hide_short_help = true)]
    pub(crate) wrk: PathBuf,
    #[arg(long, env = "SMTP_SINK", default_value = "smtp-sink", hide_short_help = true)]
    pub(crate) smtp_sink: PathBuf,
    #[arg(long, env = "SMTP_SOURCE", default_value = "smtp-source", hide_short_help = true)]
    pub(crate) smtp_source: PathBuf,
    #[arg(long, env = "NATIVE_WORKER", default_value = "target/release/native-worker", hide_short_help = true)]
    pub(crate) native_worker: PathBuf,
    #[arg(long, env = "NATIVE_API", default_value = "target/release/native-api", hide_short_help = true)]
    pub(crate) native_api: PathBuf,

    #[arg(long, env = "DEV_HOST", default_value = "target/release/dev-host", hide_short_help = true)]
    pub(crate) dev_host: PathBuf,
    #[arg(long, env = "SPIN_MANIFEST", default_value = "spin.toml", hide_short_help = true)]
    pub(crate) spin_manifest: PathBuf,
    #[arg(long, env = "SPIN", default_value = "spin", hide_short_help = true)]
    pub(crate) spin: PathBuf,
    /// The application with the component that does nothing but push what it gets.
    #[arg(long, env = "CEILING_MANIFEST", default_value = "bench/ceiling/spin.toml", hide_short_help = true)]
    pub(crate) ceiling_manifest: PathBuf,
    /// The component for WASI 0.3. If there is such a file, it is measured too, by the manifest `spin-wasip3.toml` beside the
    /// other.
    #[arg(long, env = "API_WASM_WASIP3", hide_short_help = true)]
    pub(crate) wasip3: Option<PathBuf>,
    /// The checkout of the commit that `--against` names, built.
    #[arg(long, env = "BENCH_AGAINST_DIR", hide_short_help = true)]
    pub(crate) against_dir: Option<PathBuf>,
    /// Where the other queues are installed.
    #[arg(
        long = "peers-dir",
        env = "BENCH_PEERS_DIR",
        default_value = "target/bench-tools/peers",
        hide_short_help = true
    )]
    pub(crate) peers: PathBuf,
}

impl Options {
    /// What to measure, in the order of the table.
    pub(crate) fn names(&self) -> Vec<Name> {
        let named = |name: &Name| self.names.contains(name);
        let is_default = self.names.is_empty() && self.against.is_none();
        let default = |name: &Name| is_default && Name::DEFAULT.contains(name);
        let peers = |name: &Name| self.with_peers && *name == Name::Peers;
        let against = |name: &Name| self.against.is_some() && *name == Name::Against;
        let wanted = |name: &Name| named(name) || default(name) || peers(name) || against(name);
        Name::value_variants().iter().copied().filter(wanted).collect()
    }

    /// The tools that these measurements need, each once; and behind `commit `, which one has to be built.
    pub(crate) fn needs(&self) -> Vec<String> {
        let mut needs: Vec<_> = self.names().into_iter().flat_map(Name::tools).map(|tool| (*tool).to_owned()).collect();
        needs.extend(self.against.as_ref().map(|commit| format!("commit {commit}")));
        needs.sort_unstable();
        needs.dedup();
        needs
    }
}

impl Programs {
    /// Those of the commit to compare with, on the same Redis and under the same load.
    ///
    /// # Errors
    /// None was named.
    pub(crate) fn of_other_commit(&self) -> anyhow::Result<Programs> {
        let checkout = self.against_dir.as_deref().context("which commit? --against names one")?;
        let target = checkout.join("target");
        Ok(Programs {
            native_worker: target.join("release/native-worker"),
            native_api: target.join("release/native-api"),
            spin_manifest: checkout.join("spin.toml"),
            ..self.clone()
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn names(arguments: &[&str]) -> Vec<Name> {
        Options::try_parse_from([&["bench"], arguments].concat()).unwrap().names()
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn other_queues_are_measured_only_when_asked_for() {
        assert_eq!(names(&[]), Name::DEFAULT);
        assert_eq!(names(&["--peers"]), [&Name::DEFAULT[..], &[Name::Peers]].concat());
        assert_eq!(names(&["--peers", "drain"]), [Name::Drain, Name::Peers]);
        assert_eq!(names(&["peers"]), [Name::Peers]);
    }

    #[test]
    fn another_commit_is_measured_when_it_is_named_and_alone_unless_more_is() {
        assert_eq!(names(&["--against", "HEAD~1"]), [Name::Against]);
        assert_eq!(names(&["--against", "HEAD~1", "idle"]), [Name::Idle, Name::Against]);
        let needs = Options::try_parse_from(["bench", "--against", "HEAD~1"]).unwrap().needs();
        assert_eq!(needs, ["commit HEAD~1", "wrk"]);
    }

    #[test]
    fn names_are_measured_once_and_in_order() {
        assert_eq!(names(&["scale", "drain", "scale"]), [Name::Drain, Name::Scale]);
    }

    #[test]
    fn only_the_tools_of_what_is_measured_are_needed() {
        let options = Options::try_parse_from(["bench", "limits", "drain"]).unwrap();
        assert_eq!(options.needs(), ["redis-benchmark", "wrk"]);
        assert!(Options::try_parse_from(["bench", "idle"]).unwrap().needs().is_empty());
    }
}
