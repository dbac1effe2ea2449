//! Flags and environment variables.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, thread, time::Duration};

use anyhow::Context;
use api::settings::Settings;
use clap::Parser;
use program::{VERSION, generate::Generated, logging::LogFormat};
use redis_connection::{RedisFlags, RedisServer};

use crate::{config::Config, proxies::Proxies};

/// Takes emails over HTTP and puts them on a queue in Redis.
///
/// Durations are written like 90s, 5m or 1h30m. Every flag can also be set by the environment variable that its
/// description names; a flag wins. Secrets belong in the environment: other users of the machine can read flags.
#[derive(Parser)]
#[command(name = "native-api", version = VERSION)]
pub(crate) struct Cli {
    /// Where to listen: an IP address and a port; port 0 for any free one.
    #[arg(long, env = "EMAIL_QUEUE_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,

    #[command(flatten)]
    redis: RedisFlags,

    /// The queue, the same as the worker's. On Redis Cluster put it in braces.
    #[arg(long, env = "EMAIL_QUEUE_QUEUE", value_name = "NAME", default_value = "emails")]
    queue: String,

    /// How many shards the queue has, the same as the workers'. Several need a --queue in braces; on Redis Cluster each is a
    /// slot of its own.
    #[arg(long, env = "EMAIL_QUEUE_SHARDS", value_name = "SHARDS", default_value = "1")]
    shards: String,

    /// How many it had before --shards was changed. For a day, so that an Idempotency-Key of before is still recognised.
    #[arg(long, env = "EMAIL_QUEUE_EARLIER_SHARDS", value_name = "SHARDS")]
    earlier_shards: Option<String>,

    /// The keys of clients, separated by commas: KEY or KEY:full for everything, KEY:sending for sending alone,
    /// KEY:read for reading alone, without texts and files of emails.
    #[arg(long, env = "EMAIL_QUEUE_API_KEYS", value_name = "KEYS", hide_env_values = true)]
    api_keys: Option<String>,

    /// Without keys: `loopback` serves programs on this machine. Without either, no client is served.
    #[arg(long, env = "EMAIL_QUEUE_OPEN", value_name = "TO")]
    open: Option<String>,

    /// The sender of emails that name none; without one, as the worker says.
    #[arg(long, env = "EMAIL_QUEUE_DEFAULT_FROM", value_name = "MAILBOX")]
    default_from: Option<String>,

    /// The largest body of a request, in bytes.
    #[arg(long, env = "EMAIL_QUEUE_MAX_BODY_BYTES", value_name = "BYTES", default_value = "10485760")]
    max_body_bytes: String,

    /// How many emails may wait before new ones get a 429; 0 for no limit.
    #[arg(long, env = "EMAIL_QUEUE_BACKLOG_LIMIT", value_name = "EMAILS", default_value = "1000000")]
    backlog_limit: String,

    /// How many bytes of emails Redis may store. Beyond it texts and attachments of sent emails are removed, oldest first; if
    /// that is not enough, new emails get a 429. 0 for no limit but Redis' maxmemory.
    #[arg(long, env = "EMAIL_QUEUE_BACKLOG_BYTES", value_name = "BYTES", default_value = "4294967296")]
    backlog_bytes: String,

    /// How many requests a client may make in a second, each email of a batch counted; 0 for any number.
    #[arg(long, env = "EMAIL_QUEUE_RATE_LIMIT", value_name = "REQUESTS", default_value = "0")]
    rate_limit: String,

    /// How long an email is kept once it is sent; without it, as the worker says.
    #[arg(long, env = "EMAIL_QUEUE_RETENTION", value_name = "DURATION")]
    retention: Option<String>,

    /// How many replicas of Redis must have an email before it is accepted, such as 1, or 1:aof for what is on disk (Redis
    /// 7.2). With fewer, posts get a 503. 0 for none.
    #[arg(long, env = "EMAIL_QUEUE_REQUIRE_REPLICAS", value_name = "REPLICAS", default_value = "0")]
    require_replicas: String,

    /// How many threads serve requests [default: half as many as processors]
    #[arg(long, env = "EMAIL_QUEUE_THREADS", value_name = "THREADS")]
    threads: Option<NonZeroUsize>,

    /// How many clients may be connected at a time. Others wait to be accepted.
    #[arg(long, env = "EMAIL_QUEUE_MAX_CONNECTIONS", value_name = "CONNECTIONS", default_value = "4096")]
    max_connections: NonZeroUsize,

    /// Addresses and networks of proxies, separated by commas, such as 127.0.0.1 or 10.0.0.0/8: for requests from them the
    /// client's address is the last one in X-Forwarded-For that is none of theirs.
    #[arg(
        long,
        env = "EMAIL_QUEUE_TRUSTED_PROXIES",
        value_name = "ADDRESSES",
        default_value = "",
        hide_default_value = true
    )]
    trusted_proxies: Proxies,

    /// How long requests in progress may take to end when the server is asked to stop.
    #[arg(long, env = "EMAIL_QUEUE_GRACE", value_name = "DURATION", default_value = "25s", value_parser = humantime::parse_duration)]
    grace: Duration,

    /// How to write what is logged.
    #[arg(long, env = "EMAIL_QUEUE_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,

    /// Ask the server that listens at --listen whether it can accept emails, and exit: 0 if it can, else 1. For health checks
    /// of containers.
    #[arg(long)]
    pub(crate) check_ready: bool,

    /// Print a man page or completions, for packages.
    #[arg(long, hide = true, value_name = "WHAT")]
    pub(crate) generate: Option<Generated>,
}

impl Cli {
    /// Where to listen.
    pub(crate) fn listen(&self) -> SocketAddr {
        self.listen
    }

    pub(crate) fn log_format(&self) -> LogFormat {
        self.log_format
    }

    /// The settings, each with a value that can be used.
    ///
    /// # Errors
    /// Names the first flag whose value cannot be used, and not the value.
    pub(crate) fn config(self) -> anyhow::Result<Config> {
        let redis = RedisServer::new(self.redis.url().context("--redis-url cannot be used")?, self.redis.files())?;
        let settings = Settings::from_variables(|name| self.variable(name)).context("a setting cannot be used")?;
        // Redis has the other half, where it is on the same machine; and fewer threads share more calls.
        let half = thread::available_parallelism().map_or(1, NonZeroUsize::get).div_ceil(2);
        Ok(Config {
            listen: self.listen,
            settings,
            threads: self.threads.map_or(half, NonZeroUsize::get),
            max_connections: self.max_connections.get(),
            proxies: self.trusted_proxies,
            grace: self.grace,
            redis: Arc::new(redis),
        })
    }

    /// A setting of the API by the name that it has everywhere.
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "queue" => Some(self.queue.clone()),
            "shards" => Some(self.shards.clone()),
            "earlier_shards" => self.earlier_shards.clone(),
            "api_keys" => self.api_keys.clone(),
            "open" => self.open.clone(),
            "default_from" => self.default_from.clone(),
            "max_body_bytes" => Some(self.max_body_bytes.clone()),
            "backlog_limit" => Some(self.backlog_limit.clone()),
            "backlog_bytes" => Some(self.backlog_bytes.clone()),
            "rate_limit" => Some(self.rate_limit.clone()),
            "retention" => self.retention.clone(),
            "require_replicas" => Some(self.require_replicas.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use redis_connection::url::DEFAULT_REDIS_URL;

    use super::*;

    fn cli(flags: &[&str]) -> Cli {
        Cli::try_parse_from(["native-api"].iter().chain(flags)).unwrap()
    }

    #[test]
    fn each_setting_has_the_name_and_the_default_that_it_has_on_spin() {
        let manifest = include_str!("../../spin.toml");
        let cli = cli(&[]);
        for name in Settings::VARIABLES.into_iter().chain(["redis_url"]) {
            let declared = manifest.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = { default = \""));
            let default = declared.unwrap().split('"').next().unwrap();
            let ours = if name == "redis_url" { Some(DEFAULT_REDIS_URL.to_owned()) } else { cli.variable(name) };
            assert_eq!(ours.unwrap_or_default(), default, "{name}");
        }
    }

    #[test]
    fn a_value_that_cannot_be_used_is_named_and_not_shown() {
        for name in [
            "redis-url",
            "queue",
            "shards",
            "open",
            "default-from",
            "max-body-bytes",
            "backlog-limit",
            "retention",
            "require-replicas",
        ] {
            let error = cli(&[&format!("--{name}=hunter 2")]).config().err().unwrap();
            let told = format!("{error:#}");
            assert!(told.contains(name) || told.contains(&name.replace('-', "_")), "{name}: {told}");
            assert!(!told.contains("hunter"), "{told}");
        }
        for file in ["redis-ca", "redis-cert", "redis-key"] {
            let error = cli(&["--redis-url=rediss://localhost", &format!("--{file}=/nowhere.pem")]).config();
            let told = format!("{:#}", error.err().unwrap());
            assert!(told.contains(&format!("--{file}")), "{told}");
        }
    }
}
