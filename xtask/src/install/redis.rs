//! A Redis or Valkey server and its client. Either speaks the same protocol and takes the same options.

use std::path::PathBuf;

use crate::install::apt::find_or_install;
use crate::signals::Signals;
use crate::workspace::find_program;

/// The server on the `PATH`, installed if need be.
///
/// # Errors
/// It cannot be installed here; the error says what to do by hand.
pub(crate) fn find_or_install_server(signals: &Signals) -> anyhow::Result<PathBuf> {
    let find = || ["redis-server", "valkey-server"].into_iter().find_map(find_program);
    let by_hand = "install redis-server or valkey-server (macOS: `brew install valkey`), \
                   or name a running one with --redis-url";
    // The package may start a service of its own, on the default port: ours then takes another.
    find_or_install(signals, find, &["redis-server"], by_hand)
}

/// The command-line client that comes with the server, if it is there.
pub(crate) fn find_client() -> Option<&'static str> {
    ["redis-cli", "valkey-cli"].into_iter().find(|client| find_program(client).is_some())
}
