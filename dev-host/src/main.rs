//! Runs a Spin application's HTTP components on wasmtime, for development and tests.
//!
//! In production Spin serves the application. This program replaces it where its CLI is not installed: it reads the
//! same `spin.toml`, runs the same `.wasm` and offers the same interfaces (WASI 0.2 and 0.3, outbound Redis and
//! variables), so that a test against it tests what is deployed. Sockets, Redis client, limits and errors are those of
//! Spin 4.1. It has no TLS and no outgoing HTTP, and is stricter at start: an undeclared variable or an unparsable host
//! is an error.
//!
//! In reading order:
//!
//! - [`cli`]: the command line; [`given`] reads `--variable`, [`reuse`] how instances are reused.
//! - [`manifest`], [`variables`], [`allowed_hosts`], [`routes`]: `spin.toml`, parsed and checked at start.
//! - [`app`]: those put together with the loaded components; answers a request.
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
    io::{self, IsTerminal, Write},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
};

use anyhow::Context;
use clap::Parser;
use tracing_subscriber::EnvFilter;

use crate::{app::App, cli::Args, manifest::Manifest, variables::Variables};

fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr();
    // rustls cannot choose by itself if several are compiled in; it fails only if one was chosen before.
    let _chosen = rustls::crypto::ring::default_provider().install_default();
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&anyhow::Error::new(error).context("cannot start the async runtime")),
    };
    let outcome = runtime.block_on(run(args));
    // Otherwise a component that never yields would block the exit.
    runtime.shutdown_background();
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error),
    }
}

/// Serves the application until SIGINT or SIGTERM.
async fn run(args: Args) -> anyhow::Result<()> {
    let manifest = Manifest::read(&args.manifest_path())?;
    let variables = Variables::resolve(&manifest.variables, &args.variables()?, |name| std::env::var(name).ok())?;
    // Bound before the components are compiled: a port in use is reported at once.
    let listener = serve::bind(args.listen).await?;
    let app = App::load(&manifest, &variables, &args.reuse, args.quiet)?;
    let stop = serve::stop_signal().context("cannot listen for signals")?;
    announce(listener.local_addr()?)?;
    serve::serve(listener, Arc::new(app), stop).await
}

/// Prints that requests are now accepted. Tools that start this program wait for the line.
fn announce(address: SocketAddr) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "Serving http://{address}").and_then(|()| stdout.flush()).context("cannot write to stdout")
}

fn log_to_stderr() {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .with_target(false)
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn")))
        .init();
}

fn fail(error: &anyhow::Error) -> ExitCode {
    let line = format!("{error:#}");
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    eprintln!("dev-host: {line}");
    ExitCode::FAILURE
}
