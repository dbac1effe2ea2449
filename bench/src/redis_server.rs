//! A Redis of a measurement's own.

use std::collections::HashMap;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use anyhow::Context;

use crate::bench::Bench;
use crate::process::Process;

/// How long it may take to get ready.
const START_LIMIT: Duration = Duration::from_secs(10);

/// No command of ours takes this long.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Below Linux' ephemeral range, so that no outgoing connection takes the port before the server has it.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// What survives the end of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Persistence {
    None,
    /// An append-only file that goes to disk once a second (`appendfsync everysec`).
    EverySecond,
}

/// A running server on 127.0.0.1, empty at first. Dropping it kills it.
pub(crate) struct RedisServer {
    process: Process,
    pub(crate) port: u16,
}

impl RedisServer {
    /// # Errors
    /// It does not start.
    pub(crate) fn start(bench: &Bench<'_>, persistence: Persistence) -> anyhow::Result<RedisServer> {
        let port = free_port()?;
        let directory = bench.directory.join(format!("redis-{port}"));
        fs::create_dir_all(&directory)?;
        let mut command = Command::new(&bench.programs.redis_server);
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--daemonize", "no", "--save", ""]);
        command.args(["--maxmemory-policy", "noeviction", "--dir"]).arg(&directory);
        match persistence {
            Persistence::None => command.args(["--appendonly", "no"]),
            Persistence::EverySecond => command.args(["--appendonly", "yes", "--appendfsync", "everysec"]),
        };
        let process = Process::start("redis-server", &mut command, &directory.join("log"))?;
        let server = RedisServer { process, port };
        server.process.wait_for("no answer", START_LIMIT, || Ok(server.connection().ok()))?;
        Ok(server)
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Host and port.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// A new connection.
    ///
    /// # Errors
    /// The server does not accept it, or is not ready.
    pub(crate) fn connection(&self) -> anyhow::Result<redis::Connection> {
        let mut connection = redis::Client::open(self.url())?.get_connection_with_timeout(START_LIMIT)?;
        connection.set_read_timeout(Some(ANSWER_LIMIT))?;
        redis::cmd("PING").exec(&mut connection)?;
        Ok(connection)
    }

    /// Removes everything, the counters included.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) fn empty(&self) -> anyhow::Result<()> {
        redis::cmd("FLUSHALL").arg("SYNC").exec(&mut self.connection()?)?;
        Ok(())
    }
}

/// A section of `INFO`. <https://redis.io/docs/latest/commands/info/>
pub(crate) struct Info(HashMap<String, String>);

impl Info {
    /// # Errors
    /// The server does not answer.
    pub(crate) fn read(connection: &mut redis::Connection, section: &str) -> anyhow::Result<Info> {
        let text: String = redis::cmd("INFO").arg(section).query(connection)?;
        Ok(Info::parse(&text))
    }

    fn parse(text: &str) -> Info {
        let fields = text.lines().filter_map(|line| line.trim_end().split_once(':'));
        Info(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// # Errors
    /// There is no such field, or it is no number.
    pub(crate) fn number(&self, field: &str) -> anyhow::Result<f64> {
        let value = self.0.get(field).with_context(|| format!("INFO says no {field}"))?;
        value.parse().with_context(|| format!("INFO says {field}:{value}"))
    }

    /// How long the server's main process has been on a processor, in seconds, user and kernel.
    ///
    /// # Errors
    /// It is not the section `cpu`.
    pub(crate) fn cpu_seconds(&self) -> anyhow::Result<f64> {
        Ok(self.number("used_cpu_user")? + self.number("used_cpu_sys")?)
    }

    /// How often each command was called, from a script or not, if it is the section `commandstats`.
    pub(crate) fn calls(&self) -> HashMap<String, u64> {
        let calls = |(name, value): (&String, &String)| {
            let calls = value.split(',').find_map(|part| part.strip_prefix("calls="))?.parse().ok()?;
            Some((name.strip_prefix("cmdstat_")?.to_owned(), calls))
        };
        self.0.iter().filter_map(calls).collect()
    }
}

fn free_port() -> anyhow::Result<u16> {
    static TRIED: AtomicU16 = AtomicU16::new(0);
    let count = PORTS.end - PORTS.start;
    // Another bench that runs beside us begins elsewhere.
    let first = (std::process::id() % u32::from(count)) as u16;
    (0..count)
        .map(|_| PORTS.start + (first + TRIED.fetch_add(1, Ordering::Relaxed)) % count)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no port is free for Redis")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_info_are_numbers_and_counts() {
        let info = Info::parse(
            "# CPU\r\nused_cpu_sys:1.5\r\nused_cpu_user:2.25\r\n\r\n# Commandstats\r\n\
             cmdstat_brpop:calls=7,usec=21,usec_per_call=3.00,rejected_calls=0,failed_calls=0\r\n\
             cmdstat_config|get:calls=2,usec=9,usec_per_call=4.50,rejected_calls=0,failed_calls=0\r\n",
        );
        assert_eq!(info.cpu_seconds().unwrap(), 3.75);
        let calls = HashMap::from([("brpop".to_owned(), 7), ("config|get".to_owned(), 2)]);
        assert_eq!(info.calls(), calls);
        assert!(info.number("used_memory").is_err());
    }
}
