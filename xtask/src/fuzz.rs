//! `cargo xtask fuzz`: generated requests to each build.

use std::process::ExitCode;

use clap::Args;

use crate::compile;
use crate::console::say;
use crate::install::redis;
use crate::process;
use crate::signals::Signals;
use crate::workspace::{WASIP2_MANIFEST, WASIP3_MANIFEST, Workspace};

/// Options of `cargo xtask fuzz`.
#[derive(Args)]
pub(crate) struct Options {
    /// How long requests are sent, in minutes: half of it to each build of the component.
    #[arg(long, default_value = "5")]
    minutes: f64,
    /// The seed that an earlier run printed, to repeat its requests. Random by default.
    #[arg(long)]
    seed: Option<u64>,
}

/// Builds and runs everything. A finding gives a failing exit code.
///
/// # Errors
/// A tool is missing and cannot be installed; something does not compile; we are asked to stop.
pub(crate) fn fuzz(workspace: &Workspace, signals: &Signals, options: &Options) -> anyhow::Result<ExitCode> {
    let redis_server = redis::find_or_install_server(signals)?;
    compile::for_tests(workspace, signals)?;
    let mut code = ExitCode::SUCCESS;
    for manifest in [WASIP2_MANIFEST, WASIP3_MANIFEST] {
        say(&format!("fuzz: {manifest}"));
        let mut command = workspace.cargo();
        command
            .args(["run", "-q", "-p", "e2e", "--bin", "fuzz", "--", "--minutes", &(options.minutes / 2.0).to_string()])
            .envs(compile::environment(workspace))
            .env("SPIN_MANIFEST", workspace.manifest(manifest))
            .env("REDIS_SERVER", &redis_server);
        if let Some(seed) = options.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        if !process::run(signals, &mut command)?.success() {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}
