//! The worker as a program: parses its settings, builds and starts a worker, and drains it when it is to stop.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Context;
use native_worker::{
    Config, Ended, RunError, Worker,
    cli::{self, Settings},
};
use program::{USAGE, logging};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// The exit code of `--drain` when what is left waits for a relay: `EX_TEMPFAIL` of
/// [sysexits(3)](https://man.freebsd.org/cgi/man.cgi?sysexits).
const TEMPORARY_FAILURE: u8 = 75;

fn main() -> ExitCode {
    // Parse.
    let Settings { config, log_format, log_filter, old_names } = match cli::read() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    if let Err(error) = logging::begin(log_format, log_filter) {
        eprintln!("native-worker: cannot log: {error}");
        return ExitCode::FAILURE;
    }
    for cli::OldName { old, new } in old_names {
        tracing::warn!("the environment variable {old} is deprecated: set {new} instead");
    }
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "cannot start threads");
            return ExitCode::FAILURE;
        }
    };
    let ended = runtime.block_on(run(config));
    // A name lookup or a write to a dead disk may hang, and must not keep the process from its end.
    runtime.shutdown_background();
    match ended {
        Ok(Ended::Stopped | Ended::Drained) => ExitCode::SUCCESS,
        Ok(Ended::HeldOff | Ended::Paused) => ExitCode::from(TEMPORARY_FAILURE),
        Err(error) => {
            tracing::error!("{error:#}");
            let is_setting = error.downcast_ref().is_some_and(RunError::is_setting);
            if is_setting { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// Runs a worker until a signal stops it, or until the queue is empty if it is to drain it.
async fn run(config: Config) -> anyhow::Result<Ended> {
    let signals = Signals::new().context("cannot listen to signals")?;
    let stop = stop_signal(signals);
    tokio::pin!(stop);
    // Build.
    let worker = Worker::build(config).await?;
    // Start.
    let mut running = tokio::select! {
        running = worker.start() => running?,
        () = &mut stop => return Ok(Ended::Stopped),
    };
    let ended = tokio::select! {
        ended = running.ended() => ended?,
        () = &mut stop => Ended::Stopped,
    };
    // Drain.
    running.drain().await;
    Ok(ended)
}

/// Waits for SIGTERM or SIGINT. A second one ends the process at once.
async fn stop_signal(mut signals: Signals) {
    let name = signals.next().await.0;
    tracing::info!("{name}: stopping; a second signal exits at once");
    tokio::spawn(async move {
        let (name, number) = signals.next().await;
        tracing::warn!("{name} again: exiting at once; emails in flight are sent again when the lease expires");
        // A shell reports a program that a signal has ended so.
        std::process::exit(128 + number);
    });
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
