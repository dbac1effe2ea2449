//! `cargo xtask test`: every check there is, in the order of how quickly it fails.

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use clap::Args;

use crate::compile::{self, DEV_HOST, WORKER};
use crate::console::{complain, say};
use crate::postfix::{self, POSTFIX_VARIABLE};
use crate::process;
use crate::redis;
use crate::signals::{Interrupted, Signals};
use crate::test_clients::{SCHEMATHESIS_VARIABLE, SDK_VARIABLE, find_or_install_schemathesis, find_or_install_sdk};
use crate::test_count::TestCount;
use crate::test_tools::{PYTHON_VARIABLE, find_or_install_aiosmtpd, find_or_install_checkers};
use crate::workspace::Workspace;

/// The profile of `spin.toml` with the component for WASI 0.3.
const WASIP3: &str = "wasip3";

/// Options of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Options {
    /// Given to every test program, such as part of a test's name or `--nocapture`.
    /// With any, format and lints are not checked.
    #[arg(last = true, value_name = "ARGS")]
    test_args: Vec<String>,
}

/// Runs the steps until one fails. The last line says how many tests passed and failed.
///
/// # Errors
/// A tool is missing and cannot be installed; we are asked to stop. A step that fails is no error
/// but a failing exit code.
pub(crate) fn test(workspace: &Workspace, signals: &Signals, options: &Options) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let count = Arc::new(TestCount::default());
    let outcome = run_steps(workspace, signals, options, &count);
    let seconds = started.elapsed().as_secs();
    let code = match outcome {
        Ok(()) => {
            say(&format!("\nevery step passed in {seconds} s"));
            ExitCode::SUCCESS
        }
        Err(error) if error.is::<Interrupted>() => return Err(error),
        Err(error) => {
            count.step_failed();
            complain(&format!("\nfailed after {seconds} s: {error:#}"));
            ExitCode::FAILURE
        }
    };
    say(&count.to_string());
    Ok(code)
}

fn run_steps(
    workspace: &Workspace,
    signals: &Signals,
    options: &Options,
    count: &Arc<TestCount>,
) -> anyhow::Result<()> {
    let redis_server = redis::find_or_install_server(signals)?;
    let python = find_or_install_aiosmtpd(signals)?;
    let postfix_root = postfix::find_or_unpack(workspace, signals)?;
    let sdk = find_or_install_sdk(workspace, signals)?;
    let schemathesis = find_or_install_schemathesis(workspace, signals)?;
    let everything = options.test_args.is_empty();

    if everything {
        find_or_install_checkers(workspace, signals)?;
        step("cargo fmt --all --check", || {
            let status = process::run(signals, workspace.cargo().args(["fmt", "--all", "--check"]))?;
            if !status.success() {
                bail!("some files are not formatted: run `cargo fmt --all`");
            }
            Ok(())
        })?;
        step("cargo clippy --workspace --all-targets -- -D warnings", || {
            let mut clippy = workspace.cargo();
            clippy.args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]);
            if !process::run(signals, &mut clippy)?.success() {
                bail!("clippy has something to say, see above");
            }
            Ok(())
        })?;
    }
    step("build in release mode", || {
        compile::wasm(workspace, signals)?;
        compile::native(workspace, signals, &[WORKER, DEV_HOST])
    })?;

    let cargo_test = |profile: Option<&str>, arguments: &[&str]| {
        let mut command = workspace.cargo();
        if let Some(profile) = profile {
            command.env("API_PROFILE", profile);
        }
        command
            .arg("test")
            .args(arguments)
            // One program with a failure should not hide the results of the others.
            .arg("--no-fail-fast")
            .arg("--")
            .args(&options.test_args)
            .env("API_WASM", workspace.wasm())
            .env("NATIVE_WORKER", workspace.binary(WORKER))
            .env("DEV_HOST", workspace.binary(DEV_HOST))
            .env("SPIN_MANIFEST", workspace.spin_manifest())
            .env("REDIS_SERVER", &redis_server)
            .env(PYTHON_VARIABLE, &python)
            .env(POSTFIX_VARIABLE, &postfix_root)
            .env(SDK_VARIABLE, &sdk)
            .env(SCHEMATHESIS_VARIABLE, &schemathesis);
        run_tests(signals, &mut command, count)
    };
    step("cargo test --workspace --exclude dev-host", || cargo_test(None, &["--workspace", "--exclude", DEV_HOST]))?;
    step("cargo test -p e2e, on the component for WASI 0.3", || cargo_test(Some(WASIP3), &["-p", "e2e"]))?;
    // Wasmtime is compiled once, in release mode: without optimisation it is too slow to be of use.
    step("cargo test --release -p dev-host", || cargo_test(None, &["--release", "-p", DEV_HOST]))
}

fn step(name: &str, run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    say(&format!("\n== {name}"));
    let started = Instant::now();
    run()?;
    say(&format!("== done in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(())
}

fn run_tests(signals: &Signals, command: &mut Command, count: &Arc<TestCount>) -> anyhow::Result<()> {
    let reader = Arc::clone(count);
    let status = process::run_by_line(signals, command, move |line| {
        say(line);
        reader.read(line);
    })?;
    if !status.success() {
        bail!("tests failed, see above");
    }
    Ok(())
}
