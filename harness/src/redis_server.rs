//! A Redis server for one test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::Signal;
use tempfile::TempDir;

use crate::interrupt::end_children_with_us;
use crate::ports::free_port;
use crate::process::{Output, Process};
use crate::redis_command::{Persistence, redis_command};
use crate::wait::DEADLINE;

/// The variable that names the program to run instead of `redis-server` or `valkey-server` from the `PATH`.
pub const PROGRAM_VARIABLE: &str = "REDIS_SERVER";

/// The variable that names the program of the oldest Redis that is supported.
pub const OLDEST_VARIABLE: &str = "OLDEST_REDIS_SERVER";

/// A running `redis-server` or `valkey-server` on 127.0.0.1, with a port and a temporary directory of its own.
///
/// Dropping it kills the server and removes its directory.
#[derive(Debug)]
pub struct RedisServer {
    options: RedisServerBuilder,
    port: u16,
    process: Process,
    // Last, so that the directory goes after the server that writes to it.
    directory: TempDir,
}

/// How to start a [`RedisServer`].
#[derive(Clone, Debug, Default)]
pub struct RedisServerBuilder {
    persistence: Persistence,
    password: Option<String>,
    program: Option<PathBuf>,
    parent: Option<PathBuf>,
    settings: Vec<(String, String)>,
}

impl RedisServer {
    /// Starts a server with `appendfsync always`, and waits until it replies.
    ///
    /// # Panics
    /// When there is no server program or it does not get ready.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with other options.
    pub fn builder() -> RedisServerBuilder {
        RedisServerBuilder::default()
    }

    /// `redis://127.0.0.1:PORT`, with the password if there is one.
    pub fn url(&self) -> String {
        self.url_through(self.address())
    }

    /// The same URL, but leading to `address`: that of a proxy before this server.
    pub fn url_through(&self, address: SocketAddr) -> String {
        match &self.options.password {
            Some(password) => format!("redis://:{password}@{address}"),
            None => format!("redis://{address}"),
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The port; it stays the same when the server is started again.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A new connection. Commands on it fail after [`DEADLINE`], so that a frozen server cannot hang a test.
    ///
    /// # Panics
    /// When the server does not accept it.
    pub fn connection(&self) -> redis::Connection {
        self.try_connection(DEADLINE).unwrap_or_else(|error| panic!("cannot connect to the test's Redis: {error}"))
    }

    /// The same with another deadline.
    ///
    /// # Errors
    /// The server does not accept it.
    pub fn try_connection(&self, timeout: Duration) -> redis::RedisResult<redis::Connection> {
        let connection = redis::Client::open(self.url())?.get_connection_with_timeout(timeout)?;
        connection.set_read_timeout(Some(timeout))?;
        connection.set_write_timeout(Some(timeout))?;
        Ok(connection)
    }

    /// Kills the server with SIGKILL and waits until it is gone, as a crash or a power cut would have it.
    pub fn kill_now(&mut self) {
        self.process.kill();
    }

    /// Starts the server on the same port and directory after [`kill_now`](Self::kill_now), and waits until it has
    /// loaded its data.
    ///
    /// # Panics
    /// When it still runs, or does not get ready.
    pub fn start_again(&mut self) {
        assert!(!self.process.is_running(), "the test's Redis still runs");
        let start = Instant::now();
        loop {
            let started = self.options.spawn(self.port, &self.directory).and_then(|process| {
                self.process = process;
                self.wait_until_ready()
            });
            // Another socket may hold the port briefly. It must be this port, because clients use it.
            let Err(why) = started else { return };
            assert!(start.elapsed() < DEADLINE, "the test's Redis does not start again: {why:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops the process with SIGSTOP: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Resumes a frozen process.
    pub fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        self.process.wait_for("an answer", DEADLINE, || Ok(self.answers().then_some(())))
    }

    /// Whether the server on this port has loaded its data (until then PING is an error) and is this process: another
    /// process may have taken the port first.
    fn answers(&self) -> bool {
        let ask = || -> redis::RedisResult<String> {
            let mut connection = self.try_connection(Duration::from_secs(5))?;
            redis::cmd("PING").exec(&mut connection)?;
            redis::cmd("INFO").arg("server").query(&mut connection)
        };
        let ours = format!("process_id:{}", self.process.id());
        ask().is_ok_and(|info| info.lines().any(|line| line.trim_end() == ours))
    }
}

impl RedisServerBuilder {
    /// Persists nothing: faster, and a restart loses all data.
    pub fn without_persistence(self) -> Self {
        self.persistence(Persistence::None)
    }

    /// Persistence of the server.
    pub fn persistence(mut self, persistence: Persistence) -> Self {
        self.persistence = persistence;
        self
    }

    /// Asks clients for this password; it becomes part of the URL, so it must need no escaping there.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// The program to run.
    pub fn program(mut self, program: impl Into<PathBuf>) -> Self {
        self.program = Some(program.into());
        self
    }

    /// Where to make its directory, instead of among the temporary ones.
    pub fn within(mut self, parent: impl Into<PathBuf>) -> Self {
        self.parent = Some(parent.into());
        self
    }

    /// The oldest version that is supported, 6.2, which [`OLDEST_VARIABLE`] names.
    ///
    /// # Panics
    /// When the variable is not set.
    pub fn oldest(self) -> Self {
        let program = std::env::var_os(OLDEST_VARIABLE);
        self.program(
            program.unwrap_or_else(|| panic!("{OLDEST_VARIABLE} is not set; run cargo xtask test, which installs it")),
        )
    }

    /// Sets one configuration directive, such as `maxmemory-policy` to `allkeys-lru`.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// When there is no server program or it does not get ready.
    pub fn start(self) -> RedisServer {
        self.try_start().unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Errors
    /// There is no server program or it does not get ready.
    pub fn try_start(self) -> anyhow::Result<RedisServer> {
        const TRIES: usize = 10;
        end_children_with_us(|| {})?;
        let mut last = None;
        for _ in 0..TRIES {
            let parent = self.parent.clone().unwrap_or_else(std::env::temp_dir);
            let directory = TempDir::with_prefix_in("redis-", parent).context("cannot make a directory for Redis")?;
            let port = free_port();
            let process = self.spawn(port, &directory)?;
            let server = RedisServer { options: self.clone(), port, process, directory };
            match server.wait_until_ready() {
                Ok(()) => return Ok(server),
                // Most likely another process was quicker to bind the port.
                Err(why) => last = Some(why),
            }
        }
        bail!("Redis does not start, tried {TRIES} ports: {:#}", last.unwrap_or_else(|| anyhow::anyhow!("no reason")))
    }

    fn spawn(&self, port: u16, directory: &TempDir) -> anyhow::Result<Process> {
        let start = |program: &Path| {
            let mut command = redis_command(program, port, directory.path(), self.persistence);
            if let Some(password) = &self.password {
                command.args(["--requirepass", password]);
            }
            for (name, value) in &self.settings {
                command.arg(format!("--{name}")).arg(value);
            }
            Process::start(&mut command, Output::File(directory.path().join("server.log")))
        };
        server_command(self.program.clone(), start)
    }
}

/// Starts this program, or the one that [`PROGRAM_VARIABLE`] names, or else one from the `PATH`.
pub(crate) fn server_command(
    program: Option<PathBuf>,
    start: impl Fn(&Path) -> anyhow::Result<Process>,
) -> anyhow::Result<Process> {
    let started = match program.or_else(|| std::env::var_os(PROGRAM_VARIABLE).map(PathBuf::from)) {
        Some(program) => start(&program),
        None => start(Path::new("redis-server")).or_else(|_| start(Path::new("valkey-server"))),
    };
    started.context("no Redis server; `cargo xtask test` installs one")
}

#[cfg(test)]
mod tests;
