//! All settings and their limits.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use email_queue::{Queue, Shards, email::Mailbox, maintenance::Maintenance};
use redis_connection::{CertificateFiles, RedisUrl, url::DEFAULT_REDIS_URL};

use crate::{backoff::Backoff, invalid_config::InvalidConfig, memory, transport::TransportConfig};

/// The settings of a worker. [`check`](Config::check) compares them with their limits.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where Redis is.
    pub redis: RedisUrl,
    /// What TLS to Redis needs.
    pub redis_files: CertificateFiles,
    /// The queue to empty, and its shards.
    pub shards: Shards,
    /// Where emails go.
    pub transport: TransportConfig,
    /// How many emails may be in flight at once, 1 to 10 000.
    pub concurrency: usize,
    /// How many bytes of memory emails may take, at least a million. One email at a time may take more.
    pub max_memory: u64,
    /// How long a worker that has stopped renewing keeps its emails, at least a second.
    pub lease: Duration,
    /// How long deliveries in progress may take to end when the worker is asked to stop.
    pub grace: Duration,
    /// How long an email is tried, from its first failure on, before it becomes a dead letter.
    pub retry_for: Duration,
    /// The maximum number of attempts, at least one; `None` for no limit.
    pub max_attempts: Option<u32>,
    /// The pause between two attempts.
    pub retry: Backoff,
    /// How long the record of a sent email is kept, unless the email has its own retention.
    pub retention: Duration,
    /// The sender of emails without one.
    pub default_from: Mailbox,
    /// Parameters of maintenance.
    pub maintenance: Maintenance,
    /// Whether to end when the queue is empty.
    pub drain: bool,
    /// The file that shows that the worker works.
    pub health_file: Option<PathBuf>,
    /// Where to answer requests for metrics and health checks; port 0 for any free one.
    pub admin_listen: Option<SocketAddr>,
}

/// The most emails that one worker may have in flight.
pub const MAX_CONCURRENCY: usize = 10_000;

impl Config {
    /// The default settings with this transport.
    ///
    /// # Errors
    /// Never: a test checks that the defaults are valid.
    pub fn new(transport: TransportConfig) -> Result<Self, InvalidConfig> {
        Ok(Self {
            redis: DEFAULT_REDIS_URL.parse()?,
            redis_files: CertificateFiles::default(),
            shards: Shards::one(Queue::default()),
            transport,
            concurrency: 50,
            max_memory: memory::default_max(),
            lease: Duration::from_secs(60),
            grace: Duration::from_secs(25),
            retry_for: Duration::from_secs(5 * 24 * 3600),
            max_attempts: None,
            retry: Backoff { base: Duration::from_secs(30), max: Duration::from_secs(3600) },
            retention: Duration::from_secs(24 * 3600),
            default_from: Mailbox::built_in_sender(),
            maintenance: Maintenance::default(),
            drain: false,
            health_file: None,
            admin_listen: None,
        })
    }

    /// Compares the settings with their limits.
    ///
    /// # Errors
    /// The first setting that is out of its limits, and the limits.
    pub fn check(&self) -> Result<(), InvalidConfig> {
        let second = Duration::from_secs(1);
        let rules = [
            ((1..=MAX_CONCURRENCY).contains(&self.concurrency), "concurrency is 1 to 10000 emails"),
            (self.max_memory >= 1_000_000, "max-memory is at least 1MB"),
            (self.lease >= second, "the lease is at least 1s"),
            (
                self.lease <= 3600 * second,
                "the lease is 1h at the most: until it is over no other worker takes the emails of one that died",
            ),
            (self.max_attempts.is_none_or(|max| max >= 1), "max-attempts is at least 1"),
            (self.retry.base >= Duration::from_millis(1), "retry-base is at least 1ms"),
            (self.retry.base <= self.retry.max, "retry-base is no longer than retry-max"),
            (self.maintenance.grace >= Duration::from_millis(1), "pop-grace is at least 1ms"),
        ];
        match rules.into_iter().find(|(holds, _)| !holds) {
            Some((_, rule)) => Err(InvalidConfig(rule.to_owned())),
            None => Ok(()),
        }
    }
}

/// The default sender.
pub const DEFAULT_FROM: &str = "Email Queue <email-queue@localhost>";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::new(TransportConfig::Null).unwrap().check(), Ok(()));
    }

    #[test]
    fn each_limit_is_named() {
        let check = |change: fn(&mut Config), named: &str| {
            let mut config = Config::new(TransportConfig::Null).unwrap();
            change(&mut config);
            let error = config.check().unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        };
        check(|config| config.concurrency = 0, "concurrency");
        check(|config| config.concurrency = 10_001, "concurrency");
        check(|config| config.max_memory = 999_999, "max-memory");
        check(|config| config.lease = Duration::from_millis(999), "lease");
        check(|config| config.max_attempts = Some(0), "max-attempts");
        check(|config| config.retry.max = Duration::from_secs(1), "retry-base");
    }
}
