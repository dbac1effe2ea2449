//! What only the tests need: cargo's formatter and linter, a real SMTP server (aiosmtpd), and small programs.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::bail;

use crate::console::say;
use crate::install::apt::find_or_install;
use crate::process::run_step;
use crate::signals::Signals;
use crate::workspace::{Workspace, find_program};

/// Names the Python that has aiosmtpd, here and for the tests.
pub(crate) const PYTHON_VARIABLE: &str = "AIOSMTPD_PYTHON";

/// Where Debian's packages put the modules that only this Python sees.
pub(crate) const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// Makes sure that `cargo fmt` and `cargo clippy` can be called.
///
/// # Errors
/// They are missing and rustup cannot add them.
pub(crate) fn find_or_install_checkers(workspace: &Workspace, signals: &Signals) -> anyhow::Result<()> {
    let works = |name: &str| {
        let mut command = workspace.cargo();
        command.args([name, "--version"]);
        succeeds(&mut command)
    };
    let components: Vec<&str> = [("fmt", "rustfmt"), ("clippy", "clippy")]
        .into_iter()
        .filter(|(name, _)| !works(name))
        .map(|(_, component)| component)
        .collect();
    if components.is_empty() {
        return Ok(());
    }
    let components = components.join(" ");
    if find_program("rustup").is_some() {
        say(&format!("installing {components} (rustup)..."));
        let mut rustup = Command::new("rustup");
        rustup.args(["component", "add"]).args(components.split(' '));
        return run_step(signals, &mut rustup, &format!("add {components}"));
    }
    bail!(
        "{components} is missing from this Rust toolchain: install it, for example with `rustup component add {components}`"
    )
}

/// Makes sure that there is `curl`, which one of the examples uses.
///
/// # Errors
/// There is none and none can be installed.
pub(crate) fn find_or_install_curl(signals: &Signals) -> anyhow::Result<PathBuf> {
    find_or_install(signals, || find_program("curl"), &["curl"], "install curl, which an example needs")
}

/// Makes sure that there is `redis-cli`, which the commands of `docs/operations.md` are for.
///
/// # Errors
/// There is none and none can be installed.
pub(crate) fn find_or_install_redis_cli(signals: &Signals) -> anyhow::Result<PathBuf> {
    find_or_install(signals, || find_program("redis-cli"), &["redis-tools"], "install redis-cli, which a test needs")
}

/// Makes sure that there is `systemd-analyze`, which rates the units of the recipes. It needs no running systemd.
///
/// # Errors
/// There is none and none can be installed.
pub(crate) fn find_or_install_systemd_analyze(signals: &Signals) -> anyhow::Result<PathBuf> {
    let find = || find_program("systemd-analyze");
    find_or_install(signals, find, &["systemd"], "install systemd-analyze, which a test of the recipes needs")
}

/// A Python that has aiosmtpd.
///
/// # Errors
/// It is missing and cannot be installed; the error says what to do by hand.
pub(crate) fn find_or_install_aiosmtpd(signals: &Signals) -> anyhow::Result<PathBuf> {
    let find = || {
        let named = env::var_os(PYTHON_VARIABLE).map(PathBuf::from);
        let candidates = [named, find_program("python3"), Some(PathBuf::from(SYSTEM_PYTHON))];
        candidates.into_iter().flatten().find(|python| has_aiosmtpd(python))
    };
    let by_hand = format!("run `python3 -m pip install aiosmtpd`, or set {PYTHON_VARIABLE} to a Python that has it");
    find_or_install(signals, find, &["python3-aiosmtpd"], &by_hand)
}

fn has_aiosmtpd(python: &Path) -> bool {
    succeeds(Command::new(python).args(["-c", "import aiosmtpd"]))
}

/// Whether a program can be started and then succeeds. What it says is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
