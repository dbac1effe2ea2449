//! Waiting until replicas have a write.
//!
//! Redis replicates asynchronously: a fail-over loses what no replica has got yet.

use std::{str::FromStr, time::Duration};

use crate::value::Value;

/// What must have a write before it counts: `2` for two replicas, in memory ([`WAIT`](https://redis.io/docs/latest/commands/wait/));
/// `2:aof` for two replicas and the primary, in their append-only files
/// ([`WAITAOF`](https://redis.io/docs/latest/commands/waitaof/), Redis 7.2). `0:aof` is the primary alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replication {
    replicas: u32,
    on_disk: bool,
}

impl Replication {
    /// How long Redis waits. With `appendfsync everysec` an append-only file is written once a second.
    #[must_use]
    pub fn timeout(self) -> Duration {
        Duration::from_secs(if self.on_disk { 2 } else { 1 })
    }

    /// The command that waits. It covers what was written before on the same connection only.
    #[must_use]
    pub fn wait(self) -> Wait {
        let timeout = self.timeout().as_millis();
        let numbers = if self.on_disk {
            vec![1, u128::from(self.replicas), timeout]
        } else {
            vec![u128::from(self.replicas), timeout]
        };
        Wait {
            name: if self.on_disk { "WAITAOF" } else { "WAIT" },
            arguments: numbers.iter().map(ToString::to_string).collect(),
        }
    }

    /// Takes the reply to [`wait`](Self::wait) off the end of a reply. `None` if it is not there.
    pub(crate) fn take_reply(self, reply: &mut Vec<Value>) -> Option<Confirmed> {
        let mut number = || match reply.pop()? {
            Value::Int(number) => u32::try_from(number).ok(),
            _ => None,
        };
        let replicas = number()?;
        let on_primary = !self.on_disk || number()? > 0;
        Some(Confirmed { replicas, on_primary, required: self })
    }
}

/// Which servers have confirmed a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{replicas} of {} replicas have it{}", required.replicas, if *on_primary { "" } else { ", and not the primary's file" })]
pub struct Confirmed {
    replicas: u32,
    on_primary: bool,
    required: Replication,
}

impl Confirmed {
    pub(crate) fn is_enough(self) -> bool {
        self.on_primary && self.replicas >= self.required.replicas
    }
}

/// A command that waits until replicas have what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wait {
    name: &'static str,
    arguments: Vec<String>,
}

impl Wait {
    /// The command's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its arguments, in order.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().map(String::as_str)
    }
}

impl FromStr for Replication {
    type Err = InvalidReplication;

    fn from_str(text: &str) -> Result<Self, InvalidReplication> {
        let (replicas, on_disk) = match text.strip_suffix(":aof") {
            Some(replicas) => (replicas, true),
            None => (text, false),
        };
        let replicas = replicas.parse().map_err(|_| InvalidReplication)?;
        Ok(Self { replicas, on_disk })
    }
}

/// Neither a number nor a number followed by `:aof`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a number of replicas, such as `1`, or `1:aof` for what is on disk")]
pub struct InvalidReplication;

#[cfg(test)]
mod tests {
    use super::*;

    fn replication(text: &str) -> Replication {
        text.parse().unwrap()
    }

    #[test]
    fn the_command_names_what_must_have_the_write_and_for_how_long_redis_waits() {
        for (text, name, expected) in
            [("2", "WAIT", &["2", "1000"] as &[&str]), ("1:aof", "WAITAOF", &["1", "1", "2000"])]
        {
            let wait = replication(text).wait();
            assert_eq!(wait.name(), name);
            assert_eq!(wait.arguments().collect::<Vec<_>>(), expected);
        }
        for text in ["", "-1", "one", "1:", "1:disk", "1:aof "] {
            assert!(text.parse::<Replication>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_reply_is_enough_when_all_that_is_required_have_the_write() {
        let enough = |text, numbers: &[i64]| {
            let mut reply: Vec<_> = [7].iter().chain(numbers).map(|&number| Value::Int(number)).collect();
            let confirmed = replication(text).take_reply(&mut reply).unwrap();
            assert_eq!(reply, [Value::Int(7)]);
            confirmed.is_enough()
        };
        assert!(enough("1", &[1]) && enough("1", &[2]) && enough("2:aof", &[1, 2]) && enough("0:aof", &[1, 0]));
        assert!(!enough("2", &[1]) && !enough("1:aof", &[1, 0]) && !enough("1:aof", &[0, 1]));
    }

    #[test]
    fn a_reply_of_another_form_confirms_nothing() {
        for mut reply in
            [vec![], vec![Value::Nil], vec![Value::Int(-1)], vec![Value::Status("OK".into()), Value::Int(1)]]
        {
            assert_eq!(replication("1:aof").take_reply(&mut reply), None);
        }
    }
}
