//! Runs a Spin application's HTTP components on wasmtime, for development and tests.
//!
//! In production Spin serves the application. This program replaces it where its CLI is not installed: it reads the
//! same `spin.toml`, runs the same `.wasm` and offers the same interfaces (WASI 0.2 and 0.3, outbound Redis and
//! variables), so that a test against it tests what is deployed. Sockets, Redis client, limits and errors are those of
//! Spin 4.1. It has no TLS and no outgoing HTTP. Of Spin's manifest, hosts and variables it takes what this project uses
//! and refuses the rest: all settings are checked at start, and a wrong one ends it with exit code 64.
//!
//! In reading order:
//!
//! - [`cli`]: the command line; [`given`] reads `--variable`, [`reuse`] how instances are reused.
//! - [`manifest`], [`variables`], [`allowed_hosts`], [`routes`]: `spin.toml`, parsed; [`plan`]: checked and put together.
//! - [`app`]: the components, loaded; answers a request.
//! - [`spin_headers`]: what Spin changes in a request.
//! - [`component`]: a `.wasm` file made into a compiled component.
//! - [`runner`]: a request through a component; [`wasip2`] and [`wasip3`] are the runners for WASI 0.2 and 0.3;
//!   [`state`] is what an instance has.
//! - [`bindings`], [`outbound_redis`]: the host's half of Spin's interfaces.
//! - [`serve`]: sockets and connections.

#![forbid(unsafe_code)]

mod allowed_hosts;
mod app;
mod bindings;
mod cli;
mod component;
mod given;
mod manifest;
mod outbound_redis;
mod plan;
mod reuse;
mod routes;
mod run_error;
mod runner;
mod serve;
mod settings;
mod spin_headers;
mod state;
mod variables;
mod wasip2;
mod wasip3;

use std::{
    env,
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
};

use anyhow::{Context, anyhow};
use clap::Parser;
use tracing_subscriber::{Layer, filter::Targets, fmt, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{app::App, cli::Args, component::Limits, manifest::Manifest, plan::Plan, variables::Variables};

/// The exit code for settings that are wrong, a flag included: `EX_USAGE` of `sysexits.h`.
const EX_USAGE: u8 = 64;

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help is no error. Nothing can be done if the terminal is gone.
            let _ = error.print();
            return if error.use_stderr() { EX_USAGE.into() } else { ExitCode::SUCCESS };
        }
    };
    let (plan, limits) = match log_to_stderr().and_then(|()| judge(&args)) {
        Ok(judged) => judged,
        Err(error) => return fail(&error, EX_USAGE.into()),
    };
    // rustls cannot choose by itself if several are compiled in; it fails only if one was chosen before.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow!(error).context("cannot start the async runtime"), ExitCode::FAILURE),
    };
    let outcome = runtime.block_on(run(&args, plan, limits));
    // Otherwise a component that never yields would block the exit.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, ExitCode::FAILURE),
    }
}

/// Reads all settings: flags, environment, manifest.
fn judge(args: &Args) -> anyhow::Result<(Plan, Limits)> {
    let manifest = Manifest::read(&args.manifest_path())?;
    let variables = Variables::resolve(&manifest.variables, &args.variables()?, |name| env::var(name).ok())?;
    Ok((Plan::new(&manifest, &variables, args.quiet)?, Limits::from_env()?))
}

/// Serves the application until SIGINT or SIGTERM.
async fn run(args: &Args, plan: Plan, limits: Limits) -> anyhow::Result<()> {
    // Bound before the components are compiled: a port in use is reported at once.
    let listener = serve::bind(args.listen).await?;
    let app = App::load(plan, limits, &args.reuse)?;
    let stop = serve::stop_signal().context("cannot listen for signals")?;
    announce(listener.local_addr()?)?;
    serve::serve(listener, Arc::new(app), stop).await
}

/// Prints that requests are now accepted. Tools that start this program wait for the line.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "Serving http://{address}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}

/// Logs what `RUST_LOG` selects, such as `debug` or `dev_host=debug,wasmtime=info`: from `warn` on if it is not set.
fn log_to_stderr() -> anyhow::Result<()> {
    let wanted = env::var_os("RUST_LOG").filter(|wanted| !wanted.is_empty());
    let wanted = wanted.map_or(Some("warn".to_owned()), |wanted| wanted.into_string().ok());
    let targets: Option<Targets> = wanted.and_then(|wanted| wanted.parse().ok());
    let targets = targets.context("RUST_LOG must be a level, or TARGET=LEVEL several times, separated by commas")?;
    let layer = fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).with_target(false);
    tracing_subscriber::registry().with(layer.with_filter(targets)).init();
    Ok(())
}

fn fail(error: &anyhow::Error, code: ExitCode) -> ExitCode {
    let line = format!("{error:#}");
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    eprintln!("dev-host: {line}");
    code
}
