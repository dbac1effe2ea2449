//! The worker as a program: parses its settings, builds and starts a worker, and drains it when it is to stop.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use anyhow::Context;
#[cfg(feature = "otlp")]
use native_worker::traces::Export;
use native_worker::{
    Config, Ended, RunError, Worker,
    cli::{self, Settings},
};
use program::{
    USAGE,
    logging::{self, LogFormat},
};
use tokio::{
    runtime::Handle,
    signal::unix::{Signal, SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

/// The exit code of `--drain` when what is left waits for a relay: `EX_TEMPFAIL` of
/// [sysexits(3)](https://man.freebsd.org/cgi/man.cgi?sysexits).
const TEMPORARY_FAILURE: u8 = 75;

fn main() -> ExitCode {
    // Parse.
    let Settings { config, log_format, log_filter, old_names } = match cli::read() {
        Ok(settings) => settings,
        Err(code) => return code,
    };
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("native-worker: cannot start threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let export = match begin_logging(log_format, log_filter, runtime.handle()) {
        Ok(export) => export,
        Err(code) => return code,
    };
    for cli::OldName { old, new } in old_names {
        tracing::warn!("the environment variable {old} is deprecated: set {new} instead");
    }
    let ended = runtime.block_on(run(config));
    if let Some(export) = export {
        export.end();
    }
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

/// Begins logging, and the export of traces where that is asked for.
#[cfg(feature = "otlp")]
fn begin_logging(format: LogFormat, filter: EnvFilter, handle: &Handle) -> Result<Option<Export>, ExitCode> {
    let (export, begun) = match Export::from_environment(handle.clone()) {
        Ok(Some((export, layer))) => (Some(export), logging::begin_beside(layer, format, filter)),
        Ok(None) => (None, logging::begin(format, filter)),
        Err(error) => {
            eprintln!("native-worker: {error}");
            return Err(ExitCode::from(USAGE));
        }
    };
    begun.map(|()| export).map_err(|error| cannot_log(&*error))
}

/// Begins logging.
#[cfg(not(feature = "otlp"))]
fn begin_logging(format: LogFormat, filter: EnvFilter, _: &Handle) -> Result<Option<NoExport>, ExitCode> {
    logging::begin(format, filter).map(|()| None).map_err(|error| cannot_log(&*error))
}

/// Built without the feature `otlp`, the worker exports nothing.
#[cfg(not(feature = "otlp"))]
enum NoExport {}

#[cfg(not(feature = "otlp"))]
impl NoExport {
    fn end(self) {
        match self {}
    }
}

fn cannot_log(error: &dyn std::error::Error) -> ExitCode {
    eprintln!("native-worker: cannot log: {error}");
    ExitCode::FAILURE
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
