//! The HTTP API as a native server: the handlers of [`api`], for where there is no Spin.
//!
//! In reading order: [`cli`] and [`config`] are the settings, [`server`] accepts connections on several threads, [`request`]
//! answers one request, with [`host`], [`body`] and [`redis_client`] behind it; [`proxies`] finds out who the client is.
//! [`check`] asks another process of this program.

#![forbid(unsafe_code)]

mod body;
mod check;
mod cli;
mod config;
mod host;
mod proxies;
mod redis_client;
mod request;
mod server;

use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};
use program::{USAGE, logging};
use tokio::signal::unix::{SignalKind, signal};

use crate::{cli::Cli, config::Config, server::Server};

fn main() -> ExitCode {
    let config = match parse() {
        Ok(config) => config,
        Err(code) => return code,
    };
    match serve(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the settings and begins logging. The error is the exit code, also where something else than serving was asked for
/// and is done.
fn parse() -> Result<Config, ExitCode> {
    let cli = Cli::try_parse().map_err(|error| program::exit_with(&error))?;
    if let Some(generated) = cli.generate {
        return Err(generated.print(Cli::command()));
    }
    if cli.check_ready {
        return Err(check::check_ready(cli.listen()));
    }
    let unusable = |error: anyhow::Error| {
        eprintln!("native-api: {error:#}");
        ExitCode::from(USAGE)
    };
    let filter = logging::filter().map_err(|error| unusable(error.into()))?;
    logging::begin(cli.log_format(), filter).map_err(|error| unusable(anyhow::anyhow!("cannot log: {error}")))?;
    cli.config().map_err(unusable)
}

/// Serves until a signal says to stop.
fn serve(config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("cannot start")?;
    let mut signals = {
        let _entered = runtime.enter();
        (signal(SignalKind::terminate()).context("no signals")?, signal(SignalKind::interrupt()).context("no signals")?)
    };
    let server = Server::start(config).with_context(|| format!("cannot listen on {}", config.listen))?;
    println!("Serving http://{}", server.address());
    runtime.block_on(async {
        tokio::select! {
            _ = signals.0.recv() => {}
            _ = signals.1.recv() => {}
        }
    });
    tracing::info!("asked to stop: requests in progress are answered first");
    server.stop();
    Ok(())
}
