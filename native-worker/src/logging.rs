//! What is printed: events on standard error, as text for people or as JSON, one object a line, for machines.

use std::{
    io::{IsTerminal, stderr},
    panic,
};

use tracing_subscriber::EnvFilter;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

/// Begins logging. `RUST_LOG` says how much; `info` when it is not set. A panic is logged with its place but without its
/// message, which may quote what the code was at work on: an email.
///
/// # Errors
/// When logging has begun already.
pub fn begin(format: LogFormat) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env_lossy();
    let events = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Text => events.with_target(false).with_ansi(stderr().is_terminal()).try_init()?,
        LogFormat::Json => events.json().flatten_event(true).try_init()?,
    }
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
    Ok(())
}
