//! What is printed: events on standard error, as text for people or as JSON, one object a line, for machines.

use std::{
    env::{self, VarError},
    io::{IsTerminal, stderr},
    panic,
};

use tracing_subscriber::{EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// `RUST_LOG` cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("RUST_LOG {0}")]
pub struct InvalidFilter(String);

/// How events are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one object a line.
    Json,
}

/// Which events are written: what `RUST_LOG` says, or `info` and above when it is not set.
///
/// # Errors
/// `RUST_LOG` cannot be read.
pub fn filter() -> Result<EnvFilter, InvalidFilter> {
    match env::var("RUST_LOG") {
        Ok(directives) => parse(&directives),
        Err(VarError::NotPresent) => parse(""),
        Err(VarError::NotUnicode(_)) => Err(InvalidFilter("is not UTF-8".to_owned())),
    }
}

fn parse(directives: &str) -> Result<EnvFilter, InvalidFilter> {
    let filter = EnvFilter::builder().with_default_directive(tracing::Level::INFO.into());
    filter
        .parse(directives)
        .map_err(|error| InvalidFilter(format!("is not like info or native_worker=debug,warn: {error}")))
}

/// Begins logging to standard error. A panic is logged with its location but without its message, which may quote an email.
///
/// # Errors
/// Logging has begun already.
pub fn begin(format: LogFormat, filter: EnvFilter) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let events = tracing_subscriber::fmt().with_env_filter(filter).with_writer(stderr);
    match format {
        LogFormat::Text => events.with_target(false).with_ansi(stderr().is_terminal()).try_init()?,
        LogFormat::Json => events.json().flatten_event(true).try_init()?,
    }
    log_panics();
    Ok(())
}

/// What else gets spans and events, by a filter of its own.
pub type Beside = Box<dyn Layer<Registry> + Send + Sync>;

/// The same with something beside the log.
///
/// # Errors
/// As [`begin`].
pub fn begin_beside(
    beside: Beside,
    format: LogFormat,
    filter: EnvFilter,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let (all, events) = (Registry::default().with(beside), fmt::layer().with_writer(stderr));
    match format {
        LogFormat::Text => {
            let events = events.with_target(false).with_ansi(stderr().is_terminal());
            all.with(events.with_filter(filter)).try_init()?;
        }
        LogFormat::Json => all.with(events.json().flatten_event(true).with_filter(filter)).try_init()?,
    }
    log_panics();
    Ok(())
}

fn log_panics() {
    panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_cannot_be_read_is_an_error() {
        for directives in ["", "debug", "native_worker=trace,redis=warn"] {
            assert!(parse(directives).is_ok(), "{directives}");
        }
        for directives in ["native_worker=loud", "a=b=c"] {
            assert!(parse(directives).unwrap_err().to_string().contains("RUST_LOG"), "{directives}");
        }
    }
}
