//! A Redis of a measurement's own.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::Context;
use harness::{Persistence, RedisServer};

use crate::bench::Bench;

/// No command of ours takes this long.
const ANSWER_LIMIT: Duration = Duration::from_secs(120);

/// Starts an empty server.
///
/// # Errors
/// It does not start.
pub(crate) fn start(bench: &Bench<'_>, persistence: Persistence) -> anyhow::Result<RedisServer> {
    let builder = RedisServer::builder().program(&bench.programs.redis_server).within(&bench.directory);
    builder.persistence(persistence).try_start()
}

/// A new connection.
///
/// # Errors
/// The server does not accept it.
pub(crate) fn connect(server: &RedisServer) -> anyhow::Result<redis::Connection> {
    Ok(server.try_connection(ANSWER_LIMIT)?)
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
        self.of_commands("calls=")
    }

    /// How long each command has taken in all, in µs; scripts include the commands in them. If it is the section `commandstats`.
    pub(crate) fn microseconds(&self) -> HashMap<String, u64> {
        self.of_commands("usec=")
    }

    fn of_commands(&self, what: &str) -> HashMap<String, u64> {
        let figure = |(name, value): (&String, &String)| {
            let figure = value.split(',').find_map(|part| part.strip_prefix(what))?.parse().ok()?;
            Some((name.strip_prefix("cmdstat_")?.to_owned(), figure))
        };
        self.0.iter().filter_map(figure).collect()
    }
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
