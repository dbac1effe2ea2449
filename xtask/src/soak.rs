//! `cargo xtask soak`: many faults at once, for a long time.

use std::process::ExitCode;

use clap::Args;

use crate::compile;
use crate::install::redis;
use crate::process;
use crate::signals::Signals;
use crate::workspace::{WASIP3_MANIFEST, Workspace};

/// Options of `cargo xtask soak`.
#[derive(Args)]
pub(crate) struct Options {
    /// How long faults are caused, in minutes. Draining the queue takes up to ten more.
    #[arg(long, default_value = "30")]
    minutes: u64,
    /// The seed that an earlier run printed, to repeat its choices.
    #[arg(long)]
    seed: Option<u64>,
    /// On a Redis Cluster whose masters are killed and frozen and whose slots move, with a relay without faults.
    #[arg(long)]
    cluster: bool,
}

/// Builds and runs everything. A lost email, or a wrong dead letter, gives a failing exit code.
///
/// # Errors
/// A tool is missing and cannot be installed; something does not compile; we are asked to stop.
pub(crate) fn soak(workspace: &Workspace, signals: &Signals, options: &Options) -> anyhow::Result<ExitCode> {
    let redis_server = redis::find_or_install_server(signals)?;
    compile::for_tests(workspace, signals)?;
    let mut command = workspace.cargo();
    command
        .args(["run", "-q", "-p", "e2e", "--bin", "soak", "--", "--minutes", &options.minutes.to_string()])
        .envs(compile::environment(workspace))
        .env("SPIN_MANIFEST", workspace.manifest(WASIP3_MANIFEST))
        .env("REDIS_SERVER", &redis_server);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if options.cluster {
        command.arg("--cluster");
    }
    let status = process::run(signals, &mut command)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
