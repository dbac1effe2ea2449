//! What the queue's programs have in common.

#![forbid(unsafe_code)]

use std::process::ExitCode;

pub mod generate;
pub mod logging;
mod queue_flags;

pub use queue_flags::QueueFlags;

/// The version and the commit, as `--version` prints them.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("EMAIL_QUEUE_COMMIT"), ")");

/// The exit code when a setting cannot be used: `EX_USAGE` of
/// [sysexits(3)](https://man.freebsd.org/cgi/man.cgi?sysexits).
pub const USAGE: u8 = 64;

/// Prints what clap says of the flags, and returns the exit code for it: [`USAGE`], or success for `--help` and `--version`.
pub fn exit_with(error: &clap::Error) -> ExitCode {
    // It fails if the output is closed.
    let _unwritten = error.print();
    if error.use_stderr() { ExitCode::from(USAGE) } else { ExitCode::SUCCESS }
}
