//! What is printed: events on standard error, as text for people or as JSON, one object a line, for machines.

use std::{
    io::{IsTerminal, stderr},
    panic,
};

use anyhow::{Context, anyhow};
use tracing_subscriber::EnvFilter;

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

/// Initialises logging. `RUST_LOG` sets the level; default: `info`. A panic is logged with its location but without its
/// message, which may quote an email.
///
/// # Errors
/// When `RUST_LOG` cannot be read.
pub(crate) fn begin(format: LogFormat) -> anyhow::Result<()> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into()).from_env();
    let filter = filter.context("the environment variable RUST_LOG cannot be read")?;
    let events = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    let begun = match format {
        LogFormat::Text => events.with_target(false).with_ansi(stderr().is_terminal()).try_init(),
        LogFormat::Json => events.json().flatten_event(true).try_init(),
    };
    begun.map_err(|error| anyhow!("cannot log: {error}"))?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
    Ok(())
}
