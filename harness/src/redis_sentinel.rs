//! Redis with replicas, under Sentinel, for one test.
//! <https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/>

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use redis::cmd;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::ports::free_port;
use crate::process::{Output, Process};
use crate::redis_server::{RedisServer, RedisServerBuilder, server_command};
use crate::wait::{DEADLINE, eventually};

/// The name under which the sentinels watch the master.
pub const MASTER: &str = "mail";

/// A master, its replicas, and three sentinels of which two must agree, all on 127.0.0.1.
///
/// A master that does not answer for a second is down, and a replica is promoted. Dropping this kills all.
#[derive(Debug)]
pub struct RedisSentinel {
    servers: Vec<RedisServer>,
    /// The port under which sentinels and replicas know the first.
    first_port: u16,
    sentinels: Vec<Sentinel>,
}

#[derive(Debug)]
struct Sentinel {
    port: u16,
    process: Process,
    // Last, so that the directory goes after the process that writes to it.
    _directory: TempDir,
}

impl RedisSentinel {
    /// Starts a master with so many replicas, and waits until the sentinels know all.
    ///
    /// # Panics
    /// When one does not start.
    pub fn start(replicas: usize) -> Self {
        Self::start_with(replicas, RedisServer::builder(), "", |master| master)
    }

    /// The same with other options for each server, and more settings for the sentinels, a line each. `known_at` may return the
    /// address of a proxy, through which sentinels and replicas then reach the first master.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with(
        replicas: usize,
        options: RedisServerBuilder,
        sentinel_settings: &str,
        known_at: impl FnOnce(SocketAddr) -> SocketAddr,
    ) -> Self {
        let options = options.setting("repl-diskless-sync-delay", "0");
        let master = options.clone().start();
        let first_port = known_at(master.address()).port();
        let replica_of = format!("127.0.0.1 {first_port}");
        let replicas = (0..replicas).map(|_| options.clone().setting("replicaof", &replica_of).start());
        let mut this = Self { servers: replicas.collect(), first_port, sentinels: Vec::new() };
        this.servers.insert(0, master);
        this.sentinels = (0..3).map(|_| Sentinel::start(first_port, sentinel_settings)).collect();
        for sentinel in &this.sentinels {
            let known = [format!("num-slaves\n{}", this.servers.len() - 1), "num-other-sentinels\n2".to_owned()];
            eventually(DEADLINE, "a sentinel that knows all", || {
                let answer = sentinel.master().unwrap_or_default().join("\n");
                known.iter().all(|known| answer.contains(known))
            });
        }
        this
    }

    /// `redis+sentinel://`, with all sentinels.
    pub fn url(&self) -> String {
        self.url_as("")
    }

    /// The same with a login for Redis, `user:password@`.
    pub fn url_as(&self, login: &str) -> String {
        let sentinels: Vec<_> = self.sentinels.iter().map(|sentinel| sentinel.address().to_string()).collect();
        format!("redis+sentinel://{login}{}/{MASTER}", sentinels.join(","))
    }

    /// Where the sentinels listen.
    pub fn sentinels(&self) -> Vec<SocketAddr> {
        self.sentinels.iter().map(Sentinel::address).collect()
    }

    /// The servers: at first the master, then the replicas.
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// A server, to be killed or started again.
    pub fn server_mut(&mut self, number: usize) -> &mut RedisServer {
        &mut self.servers[number]
    }

    /// Kills a sentinel.
    pub fn kill_sentinel(&mut self, number: usize) {
        self.sentinels[number].process.kill();
    }

    /// Stops a sentinel with SIGSTOP: it takes connections and answers nothing.
    pub fn freeze_sentinel(&self, number: usize) {
        self.sentinels[number].process.signal(Signal::STOP);
    }

    /// The number of the server that most sentinels name.
    ///
    /// # Panics
    /// When they name none.
    pub fn master(&self) -> usize {
        let named = |number: &usize| {
            let port = if *number == 0 { self.first_port } else { self.servers[*number].port() }.to_string();
            let names_it = |sentinel: &&Sentinel| sentinel.master().is_some_and(|fields| fields.get(5) == Some(&port));
            self.sentinels.iter().filter(names_it).count()
        };
        let Some(number) = (0..self.servers.len()).max_by_key(named) else { panic!("there is no server") };
        number
    }

    /// Waits until the sentinels name another server than this one, which takes writes, and returns its number.
    ///
    /// # Panics
    /// When that does not come.
    pub fn wait_for_fail_over(&self, from: usize) -> usize {
        let mut master = from;
        eventually(DEADLINE, "another master", || {
            master = self.master();
            let connection = self.servers[master].try_connection(Duration::from_secs(1));
            let role = connection.and_then(|mut connection| cmd("ROLE").query::<Vec<redis::Value>>(&mut connection));
            let is_master = redis::Value::BulkString(b"master".to_vec());
            master != from && role.is_ok_and(|role| role.first() == Some(&is_master))
        });
        master
    }
}

impl Sentinel {
    fn start(master: u16, settings: &str) -> Self {
        let directory = TempDir::with_prefix("sentinel-").unwrap_or_else(|error| panic!("no directory: {error}"));
        // It writes what it learns to this file.
        let file = directory.path().join("sentinel.conf");
        let port = free_port();
        let settings = format!(
            "port {port}\nbind 127.0.0.1\ndir {}\n\
             sentinel monitor {MASTER} 127.0.0.1 {master} 2\n\
             sentinel down-after-milliseconds {MASTER} 1000\n\
             sentinel failover-timeout {MASTER} 5000\n\
             {settings}\n",
            directory.path().display()
        );
        fs::write(&file, settings).unwrap_or_else(|error| panic!("cannot write {}: {error}", file.display()));
        let started = server_command(None, |program| {
            let mut command = std::process::Command::new(program);
            command.arg(&file).arg("--sentinel");
            Process::start(&mut command, Output::File(directory.path().join("sentinel.log")))
        });
        let process = started.unwrap_or_else(|error| panic!("no sentinel: {error:#}"));
        let sentinel = Self { port, process, _directory: directory };
        eventually(DEADLINE, "a sentinel that answers", || sentinel.master().is_some());
        sentinel
    }

    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// What it says of the master, names and values in turn.
    fn master(&self) -> Option<Vec<String>> {
        let client = redis::Client::open(format!("redis://{}", self.address())).ok()?;
        let mut connection = client.get_connection_with_timeout(Duration::from_secs(1)).ok()?;
        connection.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
        cmd("SENTINEL").arg("MASTER").arg(MASTER).query(&mut connection).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_promoted_when_the_master_is_killed() {
        let mut redis = RedisSentinel::start(1);
        assert_eq!(redis.master(), 0);
        redis.server_mut(0).kill_now();
        assert_eq!(redis.wait_for_fail_over(0), 1);
    }
}
