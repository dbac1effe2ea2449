//! A Redis or Valkey server: found or installed, and started for `cargo xtask up`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use harness::{Persistence, redis_command};

use crate::console::say;
use crate::install::apt::Apt;
use crate::signals::Signals;
use crate::stack::{Role, Service};
use crate::workspace::find_program;

/// Either speaks the same protocol and takes the same options.
const SERVERS: [&str; 2] = ["redis-server", "valkey-server"];

/// The first port that is tried; the one that clients try by themselves.
pub(crate) const DEFAULT_PORT: u16 = 6379;

/// The server on the `PATH`, installed if need be.
///
/// # Errors
/// It cannot be installed here; the error says what to do by hand.
pub(crate) fn find_or_install_server(signals: &Signals) -> anyhow::Result<PathBuf> {
    if let Some(server) = find_server() {
        return Ok(server);
    }
    let by_hand = "install redis-server or valkey-server (macOS: `brew install valkey`), \
                   or name a running one with --redis-url";
    let Some(apt) = Apt::find()? else { bail!("no Redis server on the PATH: {by_hand}") };
    // The package may start a service of its own, on the default port: ours then takes another.
    apt.install(signals, || vec!["redis-server".to_owned()])?;
    match find_server() {
        Some(server) => Ok(server),
        None => bail!("the package redis-server has brought no server to the PATH: {by_hand}"),
    }
}

/// The server as a service on the loopback interface, with its data in `directory`. An email that the API has accepted
/// survives the end of any process, Redis included.
pub(crate) fn service(server: &Path, port: u16, directory: &Path) -> Service {
    let command = redis_command(server, port, directory, Persistence::Always);
    Service { name: "redis".to_owned(), role: Role::Redis, log: Some(directory.join("redis.log")), command }
}

/// The command-line client that comes with the server, if it is there.
pub(crate) fn find_client() -> Option<&'static str> {
    ["redis-cli", "valkey-cli"].into_iter().find(|client| find_program(client).is_some())
}

/// Says which port was chosen, where that may surprise.
pub(crate) fn explain_port(port: u16) {
    if port != DEFAULT_PORT {
        say(&format!("port {DEFAULT_PORT} is taken by another program, so this Redis listens on {port}"));
    }
}

fn find_server() -> Option<PathBuf> {
    SERVERS.into_iter().find_map(find_program)
}
