//! How a Redis server is called.

use std::path::Path;
use std::process::Command;

/// Persistence of the server. <https://redis.io/docs/latest/operate/oss_and_stack/management/persistence/>
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Persistence {
    /// Every write that was acknowledged: it is in the append-only file before that (`appendfsync always`).
    #[default]
    Always,
    /// All but the last second (`appendfsync everysec`).
    EverySecond,
    /// Nothing.
    None,
}

/// The command that starts a server in the foreground, on the loopback interface, with its data in `directory`.
pub fn redis_command(program: &Path, port: u16, directory: &Path, persistence: Persistence) -> Command {
    let mut command = Command::new(program);
    command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--daemonize", "no", "--save", ""]);
    // A full queue must refuse writes, not evict data.
    command.args(["--maxmemory-policy", "noeviction", "--dir"]).arg(directory);
    command.args(match persistence {
        Persistence::Always => ["--appendonly", "yes", "--appendfsync", "always"],
        Persistence::EverySecond => ["--appendonly", "yes", "--appendfsync", "everysec"],
        Persistence::None => ["--appendonly", "no", "--appendfsync", "no"],
    });
    command
}
