//! What the queue's programs have in common.

#![forbid(unsafe_code)]

pub mod logging;

/// The exit code when a setting cannot be used: `EX_USAGE` of
/// [sysexits(3)](https://man.freebsd.org/cgi/man.cgi?sysexits).
pub const USAGE: u8 = 64;
