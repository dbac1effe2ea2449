//! A Redis of one's own.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::ports::free_port;
use crate::wait::{DEADLINE, eventually_blocking};

/// The variable that names the program to run instead of `redis-server` or `valkey-server` from the `PATH`.
pub const PROGRAM_VARIABLE: &str = "REDIS_SERVER";

/// The variable that names the program of the oldest Redis that is supported.
pub const OLDEST_VARIABLE: &str = "OLDEST_REDIS_SERVER";

/// A running `redis-server` or `valkey-server` on 127.0.0.1, with a port and a temporary directory of its own.
///
/// None of its methods needs an async runtime. Dropping it kills the server and removes its directory.
#[derive(Debug)]
pub struct RedisServer {
    options: Options,
    port: u16,
    child: Child,
    // Last, so that the directory goes after the server that writes to it.
    directory: TempDir,
}

/// How to start a [`RedisServer`].
#[derive(Debug, Default)]
pub struct RedisServerBuilder {
    options: Options,
}

#[derive(Debug, Default)]
struct Options {
    without_persistence: bool,
    password: Option<String>,
    program: Option<PathBuf>,
    settings: Vec<(String, String)>,
}

impl RedisServer {
    /// Starts a server that has every write on disk before it answers (`appendfsync always`), and waits until it
    /// answers.
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

    /// The same URL, but leading to `address`: that of a [`TcpProxy`](crate::TcpProxy) before this server.
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

    /// Kills the server with SIGKILL and waits until it is gone, as a crash or a power cut would have it.
    pub fn kill_now(&mut self) {
        // Both fail only if the process is gone already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the server on the same port and directory after [`kill_now`](Self::kill_now), and waits until it has
    /// loaded its data.
    ///
    /// # Panics
    /// When it still runs, or does not get ready.
    pub fn start_again(&mut self) {
        assert!(matches!(self.child.try_wait(), Ok(Some(_))), "the test's Redis still runs");
        let start = Instant::now();
        loop {
            self.child = spawn(&self.options, self.port, self.directory.path());
            match self.wait_until_ready() {
                Ok(()) => return,
                // Something may hold the port for a moment; it must be this port, clients know no other.
                Err(why) => assert!(start.elapsed() < DEADLINE, "the test's Redis does not start again: {why}"),
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Stops the process with SIGSTOP: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets a frozen process go on.
    pub fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal)
            .unwrap_or_else(|error| panic!("cannot signal the test's Redis: {error}"));
    }

    fn try_connection(&self, timeout: Duration) -> redis::RedisResult<redis::Connection> {
        let connection = redis::Client::open(self.url())?.get_connection_with_timeout(timeout)?;
        connection.set_read_timeout(Some(timeout))?;
        connection.set_write_timeout(Some(timeout))?;
        Ok(connection)
    }

    /// Waits until the server answers, or says why it ended instead.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        eventually_blocking(DEADLINE, "the test's Redis to answer", || match self.child.try_wait() {
            Ok(None) => self.answers().then_some(Ok(())),
            Ok(Some(status)) => Some(Err(format!("it ended with {status}; its log: {}", self.log()))),
            Err(error) => Some(Err(error.to_string())),
        })
    }

    /// Whether the server on our port has loaded its data (while it has not, PING is an error) and is our process:
    /// another one may have taken the port before ours could, and ours is then about to end.
    fn answers(&self) -> bool {
        let ask = || -> redis::RedisResult<String> {
            let mut connection = self.try_connection(Duration::from_secs(5))?;
            redis::cmd("PING").exec(&mut connection)?;
            redis::cmd("INFO").arg("server").query(&mut connection)
        };
        let ours = format!("process_id:{}", self.child.id());
        ask().is_ok_and(|info| info.lines().any(|line| line.trim_end() == ours))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(log_file(self.directory.path())).unwrap_or_default()
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill_now();
    }
}

impl RedisServerBuilder {
    /// Keeps everything in memory only: faster, and a restart forgets everything.
    pub fn without_persistence(mut self) -> Self {
        self.options.without_persistence = true;
        self
    }

    /// Asks clients for this password; it becomes part of the URL, so it must need no escaping there.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.options.password = Some(password.into());
        self
    }

    /// The oldest version that is supported, 6.2, which [`OLDEST_VARIABLE`] names.
    ///
    /// # Panics
    /// When the variable is not set.
    pub fn oldest(mut self) -> Self {
        let program = std::env::var_os(OLDEST_VARIABLE);
        let program =
            program.unwrap_or_else(|| panic!("{OLDEST_VARIABLE} is not set; run cargo xtask test, which installs it"));
        self.options.program = Some(program.into());
        self
    }

    /// Sets one configuration directive, such as `maxmemory-policy` to `allkeys-lru`.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.settings.push((name.into(), value.into()));
        self
    }

    /// Starts the server and waits until it answers.
    ///
    /// # Panics
    /// When there is no server program or it does not get ready.
    pub fn start(mut self) -> RedisServer {
        const TRIES: usize = 10;
        let mut last = String::new();
        for _ in 0..TRIES {
            let directory = TempDir::with_prefix("testkit-redis-")
                .unwrap_or_else(|error| panic!("cannot make a directory for Redis: {error}"));
            let port = free_port();
            let child = spawn(&self.options, port, directory.path());
            let mut server = RedisServer { options: self.options, port, child, directory };
            match server.wait_until_ready() {
                Ok(()) => return server,
                // Most likely another test was quicker to bind the port.
                Err(why) => last = why,
            }
            self.options = std::mem::take(&mut server.options);
        }
        panic!("the test's Redis does not start, tried {TRIES} ports: {last}");
    }
}

/// Starts the server program, whose output goes to a file in its directory.
fn spawn(options: &Options, port: u16, directory: &Path) -> Child {
    let log = log(directory);
    for program in options.program.clone().map_or_else(programs, |program| vec![program]) {
        let mut command = Command::new(&program);
        command.args(["--bind", "127.0.0.1", "--save", "", "--daemonize", "no", "--port"]);
        command.arg(port.to_string()).arg("--dir").arg(directory);
        if options.without_persistence {
            command.args(["--appendonly", "no"]);
        } else {
            command.args(["--appendonly", "yes", "--appendfsync", "always"]);
        }
        if let Some(password) = &options.password {
            command.args(["--requirepass", password]);
        }
        for (name, value) in &options.settings {
            command.arg(format!("--{name}")).arg(value);
        }
        command.stdin(Stdio::null());
        for redirect in [Command::stdout, Command::stderr] {
            redirect(&mut command, log.try_clone().unwrap_or_else(|error| panic!("cannot share Redis's log: {error}")));
        }
        match command.spawn() {
            Ok(child) => return child,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => panic!("cannot run {}: {error}", program.display()),
        }
    }
    panic!(
        "no Redis to test with: neither redis-server nor valkey-server is on the PATH, and {PROGRAM_VARIABLE} names \
         no program that exists; run cargo xtask test, which installs it"
    );
}

fn programs() -> Vec<PathBuf> {
    match std::env::var_os(PROGRAM_VARIABLE) {
        Some(program) => vec![program.into()],
        None => vec!["redis-server".into(), "valkey-server".into()],
    }
}

fn log(directory: &Path) -> File {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(log_file(directory))
        .unwrap_or_else(|error| panic!("cannot write Redis's log: {error}"))
}

fn log_file(directory: &Path) -> PathBuf {
    directory.join("server.log")
}

#[cfg(test)]
mod tests;
