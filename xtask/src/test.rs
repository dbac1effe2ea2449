//! `cargo xtask test`: every check there is, in the order of how quickly it fails.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;
use clap::{Args, ValueEnum};

use crate::compile;
use crate::console::{complain, say};
use crate::install::browser::{
    CHROMIUM_VARIABLE, PAGE_TOOLS_VARIABLE, find_or_install_chromium, find_or_install_page_tools,
};
use crate::install::clients::{
    OLDEST_REDIS_VARIABLE, RESEND_PYTHON_VARIABLE, SCHEMATHESIS_VARIABLE, SDK_VARIABLE, find_or_install_oldest_redis,
    find_or_install_resend_python, find_or_install_schemathesis, find_or_install_sdk, find_or_install_valkey,
};
use crate::install::containers;
use crate::install::haproxy::HAPROXY;
use crate::install::nginx::NGINX;
use crate::install::postfix::POSTFIX;
use crate::install::prometheus::PROMETHEUS;
use crate::install::redis;
use crate::install::test_tools::{
    PYTHON_VARIABLE, find_or_install_aiosmtpd, find_or_install_checkers, find_or_install_curl,
    find_or_install_redis_cli, find_or_install_systemd_analyze,
};
use crate::process;
use crate::signals::{Interrupted, Signals};
use crate::spin::{SPIN_VARIABLE, Spin};
use crate::test_containers;
use crate::test_count::TestCount;
use crate::test_step::{run_tests, step};
use crate::workspace::{DEV_HOST, DIST, NATIVE_API, PAGE_TESTS, Profile, WASIP2_MANIFEST, WASIP3_MANIFEST, Workspace};

/// Options of `cargo xtask test`.
#[derive(Args)]
pub(crate) struct Options {
    /// A part of the tests, instead of all of them.
    #[arg(value_enum)]
    part: Option<Part>,

    /// Given to every test program, such as part of a test's name or `--nocapture`.
    /// With any, format and lints are not checked.
    #[arg(last = true, value_name = "ARGS")]
    test_args: Vec<String>,
}

/// What can be tested alone.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The end-to-end tests of both builds, on the real Spin that the variable SPIN names, or else on the one on the PATH.
    Spin,
    /// The web page, in a browser.
    Page,
    /// What `cargo xtask dist` makes, and the recipes that run it in containers. Needs root.
    Containers,
}

/// Runs the steps until one fails. The last line says how many tests passed and failed.
///
/// # Errors
/// A tool is missing and cannot be installed; we are asked to stop. A step that fails is no error
/// but a failing exit code.
pub(crate) fn test(workspace: &Workspace, signals: &Signals, options: &Options) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let count = Arc::new(TestCount::default());
    let outcome = match options.part {
        None => run_steps(workspace, signals, options, &count),
        Some(Part::Spin) => match Spin::find()? {
            Some(spin) => run_on_spin(workspace, signals, options, &spin, &count),
            None => {
                say(&format!("No Spin is in {SPIN_VARIABLE} or on the PATH: there is nothing to test on."));
                return Ok(ExitCode::SUCCESS);
            }
        },
        Some(Part::Page) => Tests::prepare(workspace, signals, options, &count).and_then(|tests| {
            step("build", || compile::for_tests(workspace, signals))?;
            tests.run_page()
        }),
        Some(Part::Containers) => containers::find_or_install(workspace, signals)
            .and_then(|tools| test_containers::run(workspace, signals, &options.test_args, &count, tools)),
    };
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
    let tests = Tests::prepare(workspace, signals, options, count)?;
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
    step("build", || compile::for_tests(workspace, signals))?;
    let redis = &tests.redis_server;
    step("cargo test --workspace --exclude dev-host --exclude dist --exclude e2e-page", || {
        let selection = ["--workspace", "--exclude", DEV_HOST, "--exclude", DIST, "--exclude", PAGE_TESTS];
        tests.run(&selection, Served::ByDevHost(WASIP2_MANIFEST), redis)
    })?;
    tests.run_page()?;
    step("cargo test -p email-queue -p cli, on Redis 6.2", || {
        tests.run(&["-p", "email-queue", "-p", "cli"], Served::Natively, &tests.oldest_redis)
    })?;
    step("cargo test -p e2e, on the component for WASI 0.3", || {
        tests.run(&["-p", "e2e"], Served::ByDevHost(WASIP3_MANIFEST), redis)
    })?;
    step("cargo test -p email-queue -p cli -p e2e, on the native server and Valkey 9", || {
        tests.run(&["-p", "email-queue", "-p", "cli", "-p", "e2e"], Served::Natively, &tests.valkey)
    })?;
    // By the profile that it is built with, so that wasmtime is compiled once.
    let selection = ["--profile", Profile::Quick.name(), "-p", DEV_HOST];
    step("cargo test --profile quick -p dev-host", || {
        tests.run(&selection, Served::ByDevHost(WASIP2_MANIFEST), redis)
    })?;
    let tools = containers::find_or_install(workspace, signals)?;
    if tools.is_none() {
        say("\nThe container tests need root and x86-64 Linux: they are left out.");
        return Ok(());
    }
    test_containers::run(workspace, signals, &options.test_args, count, tools)
}

fn run_on_spin(
    workspace: &Workspace,
    signals: &Signals,
    options: &Options,
    spin: &Spin,
    count: &Arc<TestCount>,
) -> anyhow::Result<()> {
    let tests = Tests::prepare(workspace, signals, options, count)?;
    step("build", || compile::build(workspace, signals, &compile::FOR_SPIN))?;
    step(&format!("cargo test -p e2e, on {spin} and the component for WASI 0.2"), || {
        // With `cli`, whose program the runbook uses.
        tests.run(&["-p", "e2e", "-p", "cli"], Served::BySpin(WASIP2_MANIFEST, spin), &tests.redis_server)
    })?;
    if !spin.runs_wasip3() {
        say(&format!("{spin} does not run the component for WASI 0.3, which needs 4.1 or newer."));
        return Ok(());
    }
    step(&format!("cargo test -p e2e, on {spin} and the component for WASI 0.3"), || {
        tests.run(&["-p", "e2e"], Served::BySpin(WASIP3_MANIFEST, spin), &tests.redis_server)
    })
}

/// Leaves out tests of clusters and sentinels, which are set up with settings of Redis 7.
const OF_REDIS_7: [&str; 4] = ["--skip", "on_a_cluster", "--skip", "sentinels_say"];

/// What serves the API under test.
#[derive(Clone, Copy)]
enum Served<'a> {
    /// The component of a manifest, in dev-host.
    ByDevHost(&'a str),
    /// The same in Spin.
    BySpin(&'a str, &'a Spin),
    /// The native server.
    Natively,
}

/// What every run of test programs needs.
struct Tests<'a> {
    workspace: &'a Workspace,
    signals: &'a Signals,
    count: &'a Arc<TestCount>,
    /// Given to every test program.
    arguments: &'a [String],
    redis_server: PathBuf,
    python: PathBuf,
    postfix_root: PathBuf,
    nginx_root: PathBuf,
    haproxy_root: PathBuf,
    prometheus_root: PathBuf,
    sdk: PathBuf,
    schemathesis: PathBuf,
    oldest_redis: PathBuf,
    valkey: PathBuf,
    resend_python: PathBuf,
    chromium: PathBuf,
    page_tools: PathBuf,
}

impl<'a> Tests<'a> {
    fn prepare(
        workspace: &'a Workspace,
        signals: &'a Signals,
        options: &'a Options,
        count: &'a Arc<TestCount>,
    ) -> anyhow::Result<Tests<'a>> {
        find_or_install_curl(signals)?;
        find_or_install_redis_cli(signals)?;
        find_or_install_systemd_analyze(signals)?;
        Ok(Tests {
            workspace,
            signals,
            count,
            arguments: &options.test_args,
            redis_server: redis::find_or_install_server(signals)?,
            python: find_or_install_aiosmtpd(signals)?,
            postfix_root: POSTFIX.find_or_unpack(workspace, signals)?,
            nginx_root: NGINX.find_or_unpack(workspace, signals)?,
            haproxy_root: HAPROXY.find_or_unpack(workspace, signals)?,
            prometheus_root: PROMETHEUS.find_or_unpack(workspace, signals)?,
            sdk: find_or_install_sdk(workspace, signals)?,
            schemathesis: find_or_install_schemathesis(workspace, signals)?,
            oldest_redis: find_or_install_oldest_redis(workspace, signals)?,
            valkey: find_or_install_valkey(workspace, signals)?,
            resend_python: find_or_install_resend_python(workspace, signals)?,
            chromium: find_or_install_chromium(signals)?,
            page_tools: find_or_install_page_tools(workspace, signals)?,
        })
    }

    /// The tests of the web page. Its files are the same on each host: those of the component and those of the native server are enough.
    fn run_page(&self) -> anyhow::Result<()> {
        for (host, served) in
            [("the component", Served::ByDevHost(WASIP2_MANIFEST)), ("the native server", Served::Natively)]
        {
            step(&format!("cargo test -p {PAGE_TESTS}, on {host}"), || {
                self.run(&["-p", PAGE_TESTS], served, &self.redis_server)
            })?;
        }
        Ok(())
    }

    /// Runs the test programs that the arguments of `cargo test` select, against this Redis.
    fn run(&self, selection: &[&str], served: Served<'_>, redis: &Path) -> anyhow::Result<()> {
        let Tests { workspace, signals, .. } = *self;
        let mut command = workspace.cargo();
        command
            .arg("test")
            .args(selection)
            // One program with a failure should not hide the results of the others.
            .arg("--no-fail-fast")
            .arg("--")
            .args(self.arguments)
            .args(OF_REDIS_7.iter().filter(|_| redis == self.oldest_redis))
            .env("API_WASM", workspace.wasm())
            .envs(compile::environment(workspace))
            .env_remove(SPIN_VARIABLE)
            .env_remove("NATIVE_API")
            .env("REDIS_SERVER", redis)
            // PyPI's Valkey is without.
            .env("TLS_REDIS_SERVER", &self.redis_server)
            .env(PYTHON_VARIABLE, &self.python)
            .env(POSTFIX.variable, &self.postfix_root)
            .env(NGINX.variable, &self.nginx_root)
            .env(HAPROXY.variable, &self.haproxy_root)
            .env(PROMETHEUS.variable, &self.prometheus_root)
            .env(SDK_VARIABLE, &self.sdk)
            .env(SCHEMATHESIS_VARIABLE, &self.schemathesis)
            .env(OLDEST_REDIS_VARIABLE, &self.oldest_redis)
            .env(RESEND_PYTHON_VARIABLE, &self.resend_python)
            .env(CHROMIUM_VARIABLE, &self.chromium)
            .env(PAGE_TOOLS_VARIABLE, &self.page_tools);
        match served {
            Served::ByDevHost(manifest) => command.env("SPIN_MANIFEST", workspace.manifest(manifest)),
            Served::BySpin(manifest, spin) => {
                command.env("SPIN_MANIFEST", workspace.manifest(manifest)).env(SPIN_VARIABLE, &spin.program)
            }
            Served::Natively => command.env("NATIVE_API", workspace.binary(NATIVE_API, Profile::Release)),
        };
        run_tests(signals, &mut command, self.count)
    }
}
