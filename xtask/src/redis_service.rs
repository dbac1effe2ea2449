//! The Redis server that `cargo xtask up` starts.

use std::path::Path;

use harness::{Persistence, redis_command};

use crate::stack::{Role, Service};

/// The first port that is tried, because clients try it by default.
pub(crate) const DEFAULT_PORT: u16 = 6379;

/// The server as a service on the loopback interface, with its data in `directory`. An email that the API has accepted
/// survives the end of any process, Redis included.
pub(crate) fn service(server: &Path, port: u16, directory: &Path) -> Service {
    let command = redis_command(server, port, directory, Persistence::Always);
    Service { name: "redis".to_owned(), role: Role::Redis, log: Some(directory.join("redis.log")), command }
}
