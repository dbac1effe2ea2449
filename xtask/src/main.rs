//! The project's own commands, run as `cargo xtask <command>`.
//!
//! - `up`: everything from a bare Rust toolchain to a running queue, until Ctrl-C.
//! - `build`: the component and both native programs in release mode.
//! - `test`: every check that continuous integration makes.
//! - `soak`: many faults at once, for a long time.
//! - `fuzz`: requests of every kind, and what may not come of them.
//! - `bench`: speed, beside its limits.
//! - `deny`: the rules for dependencies.
//! - `dist`: what people download.
//!
//! In reading order:
//!
//! - [`up`] is `cargo xtask up`; [`serving`] chooses the API's host; [`try_it`] prints the final instructions. [`spin`]
//!   is the Spin CLI, if installed.
//! - [`mod@test`] is the list of steps of `cargo xtask test`; [`test_step`] runs one, [`test_count`] adds up what they
//!   report; [`test_containers`] is the part that needs containers.
//! - [`mod@soak`] starts `cargo xtask soak`, [`mod@fuzz`] `cargo xtask fuzz`.
//! - [`mod@bench`] prepares `cargo xtask bench`, [`other_commit`] what it compares with; [`mod@deny`] is `cargo xtask deny`; [`mod@dist`] builds for `cargo xtask dist`.
//! - [`install`] finds or installs what all of them need; [`compile`] builds.
//! - [`redis_service`] is the Redis that `up` starts; [`redis_url`] reads the URL of another one.
//! - [`stack`] is the set of running services; [`process`] runs a step to its end; [`signals`] receives what reaches
//!   xtask; [`data_dir`] is the directory for their data, and its lock.
//! - [`workspace`], [`ports`], [`http`], [`console`] are small helpers.
//!
//! Nothing here is linked with the queue itself: xtask must compile quickly on a fresh machine, so it uses `harness` and
//! uses the other crates only by their binaries.

#![forbid(unsafe_code)]

mod bench;
mod compile;
mod console;
mod data_dir;
mod defaults;
mod deny;
mod dist;
mod fuzz;
mod http;
mod install;
mod other_commit;
mod ports;
mod process;
mod redis_service;
mod redis_url;
mod serving;
mod signals;
mod soak;
mod spin;
mod stack;
mod test;
mod test_containers;
mod test_count;
mod test_step;
mod try_it;
mod up;
mod workspace;

use std::process::ExitCode;

use clap::Parser;

use crate::signals::{Interrupted, Signals};
use crate::workspace::Workspace;

/// Builds, runs and tests the email queue.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
enum Command {
    /// Installs what is missing, builds, and runs the whole queue here until Ctrl-C.
    Up(up::Options),
    /// Builds the component and the native programs in release mode.
    Build,
    /// Runs every check: format, lints, unit tests, tests on a real Redis, end-to-end tests.
    Test(test::Options),
    /// Causes many faults at once for half an hour, and reports lost emails and wrong dead letters.
    Soak(soak::Options),
    /// Sends generated requests for some minutes, and reports wrong answers and accepted emails that do not arrive.
    Fuzz(fuzz::Options),
    /// Measures throughput, latency and memory, beside their limits; see `bench --help`.
    Bench(bench::Options),
    /// Checks licenses, bans and sources of all dependencies by the rules in deny.toml.
    Deny,
    /// Packs what people download: static programs, components, container images, checksums, an SBOM.
    Dist(dist::Options),
}

/// The exit code for a wrong flag or setting, of `sysexits.h`.
const EX_USAGE: u8 = 64;

fn main() -> ExitCode {
    let command = match Command::try_parse() {
        Ok(command) => command,
        Err(error) => {
            // Help is no error. Nothing can be done if the terminal is gone.
            let _ = error.print();
            return if error.use_stderr() { EX_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    match run(command) {
        Ok(code) => code,
        Err(error) if error.is::<Interrupted>() => {
            console::complain("stopped");
            ExitCode::from(130)
        }
        Err(error) => {
            console::complain(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let signals = Signals::install()?;
    let workspace = Workspace::locate();
    match command {
        Command::Up(options) => up::up(&workspace, &signals, &options.with_old_names()).map(|()| ExitCode::SUCCESS),
        Command::Build => compile::everything(&workspace, &signals).map(|()| ExitCode::SUCCESS),
        Command::Test(options) => test::test(&workspace, &signals, &options),
        Command::Soak(options) => soak::soak(&workspace, &signals, &options),
        Command::Fuzz(options) => fuzz::fuzz(&workspace, &signals, &options),
        Command::Bench(options) => bench::bench(&workspace, &signals, &options),
        Command::Deny => deny::deny(&workspace, &signals),
        Command::Dist(options) => dist::dist(&workspace, &signals, &options).map(|()| ExitCode::SUCCESS),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        super::Command::command().debug_assert();
    }
}
