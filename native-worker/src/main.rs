//! The worker as a program: reads its settings, runs until it is told to stop, and leaves in order.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser, error::ErrorKind};
use native_worker::{Config, Summary, cli::Cli, logging};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of `--drain` when what is left waits for a relay: `EX_TEMPFAIL` of
/// [sysexits(3)](https://man.freebsd.org/cgi/man.cgi?sysexits).
const TEMPORARY_FAILURE: u8 = 75;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let format = cli.log_format();
    let config = match cli.config() {
        Ok(config) => config,
        Err(error) => Cli::command().error(ErrorKind::ValueValidation, error).exit(),
    };
    if let Err(error) = logging::begin(format) {
        eprintln!("native-worker: cannot log: {error}");
        return ExitCode::FAILURE;
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start threads");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(work(config));
    // Whatever hangs now, such as a look-up of a name or a write to a dead disk, must not keep the worker from its end.
    runtime.shutdown_background();
    match ended {
        Ok(summary) if summary.waits_for_relay => ExitCode::from(TEMPORARY_FAILURE),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn work(config: Config) -> anyhow::Result<Summary> {
    let mut signals = Signals::new().context("cannot listen to signals")?;
    let shutdown = async move {
        let name = signals.next().await.0;
        tracing::info!("{name}: the worker is asked to stop; a second signal ends it at once");
        tokio::spawn(async move {
            let (name, number) = signals.next().await;
            tracing::warn!("{name} again: ending at once; what is in flight is sent again when its lease is over");
            // What a shell reports of a program that a signal has ended.
            std::process::exit(128 + number);
        });
    };
    Ok(native_worker::run(config, shutdown).await?)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> (&'static str, i32) {
        tokio::select! {
            _ = self.terminate.recv() => ("SIGTERM", SignalKind::terminate().as_raw_value()),
            _ = self.interrupt.recv() => ("SIGINT", SignalKind::interrupt().as_raw_value()),
        }
    }
}
