//! Output to the terminal.
//!
//! Nothing here fails when the terminal is closed: services must still be stopped then, and `println!` would panic.

use std::io::Write;

/// Writes one line to standard output.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// Writes one line to standard error.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
