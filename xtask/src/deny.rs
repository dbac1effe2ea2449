//! `cargo xtask deny`: the rules for dependencies in `deny.toml`, checked by cargo-deny.

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::console::say;
use crate::process::{run, run_step};
use crate::signals::Signals;
use crate::workspace::{Workspace, is_executable};

const VERSION: &str = "0.20.2";

/// Checks licenses, banned crates and sources. It needs no network, apart from the first call, which installs cargo-deny.
///
/// # Errors
/// cargo-deny cannot be installed or started; we are asked to stop.
pub(crate) fn deny(workspace: &Workspace, signals: &Signals) -> anyhow::Result<ExitCode> {
    let mut check = Command::new(find_or_install(workspace, signals)?);
    check.current_dir(workspace.root()).args(["--offline", "check", "licenses", "bans", "sources"]);
    let status = run(signals, &mut check)?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn find_or_install(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    let folder = workspace.test_tool(&format!("cargo-deny-{VERSION}"));
    let program = folder.join("bin/cargo-deny");
    if !is_executable(&program) {
        say("installing cargo-deny, which takes some minutes...");
        let mut install = workspace.cargo();
        install.args(["install", "--locked", "--version", VERSION, "--root"]).arg(&folder).arg("cargo-deny");
        // A directory of its own: cargo removes it afterwards.
        install.env_remove("CARGO_TARGET_DIR");
        run_step(signals, &mut install, "install cargo-deny")?;
    }
    Ok(program)
}
