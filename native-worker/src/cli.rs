//! Flags and environment variables.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use bytesize::ByteSize;
use clap::{CommandFactory, FromArgMatches, Parser, error::ErrorKind};
use email_queue::{email::Mailbox, maintenance::Maintenance};
use program::{
    QueueFlags, VERSION,
    generate::Generated,
    logging::{self, LogFormat},
};
use redis_connection::RedisFlags;
use smtp_client::SmtpFlags;
use tracing_subscriber::EnvFilter;

use crate::{
    Config, backoff::Backoff, config::DEFAULT_FROM, environment, health, invalid_config::InvalidConfig, memory,
    transport::TransportConfig,
};

const TRANSPORT_HELP: &str = "\
Where emails go, as a URL:
  log:                   prints each on standard output
  file:DIR               writes each into DIR as <id>.eml
  null:                  sends none, counts them as sent; for measuring
  smtp://[user:password@]host[:port]
                         SMTP, with STARTTLS where the server offers it;
                         port 587 with a user, 25 without
  smtps://[user:password@]host[:port]
                         TLS from the first byte; port 465
In user and password write %40 for @ and so on. The SMTP forms take
  ?tls=required|opportunistic|none
                         required where there is a user and the host is
                         another machine, else opportunistic
  ?ca=FILE               certificates to trust, as --smtp-ca-file
  ?hello=NAME            the name of this client in EHLO
The server's certificate is always checked.";

pub use environment::OldName;

/// What the program was started with.
pub struct Settings {
    /// The settings of the worker, checked.
    pub config: Config,
    /// How events are written.
    pub log_format: LogFormat,
    /// Which events are written.
    pub log_filter: EnvFilter,
    /// Environment variables that are set by the names that they had before.
    pub old_names: Vec<OldName>,
}

/// Reads flags and environment variables.
///
/// # Errors
/// The exit code, when a setting cannot be used, which was printed without a value that may be secret; or when something else
/// than to run was asked for, such as `--version`, and is done.
pub fn read() -> Result<Settings, ExitCode> {
    let (command, old_names) = environment::with_old_names(Cli::command());
    let parsed = command.try_get_matches().and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, matches)));
    let (cli, matches) = parsed.map_err(|error| program::exit_with(&error))?;
    if let Some(generated) = cli.generate {
        return Err(generated.print(Cli::command()));
    }
    if cli.check_health {
        return Err(health::check(cli.health_file.as_deref()));
    }
    let old_names = environment::used(old_names, &matches);
    settings(cli, old_names).map_err(|error| program::exit_with(&error))
}

fn settings(cli: Cli, old_names: Vec<OldName>) -> Result<Settings, clap::Error> {
    let invalid = |error: InvalidConfig| Cli::command().error(ErrorKind::ValueValidation, error);
    let log_format = cli.log_format;
    let log_filter = logging::filter().map_err(|error| invalid(InvalidConfig(error.to_string())))?;
    Ok(Settings { config: cli.config().map_err(invalid)?, log_format, log_filter, old_names })
}

/// Claims emails from a queue in Redis and delivers them.
///
/// Durations are written like 90s, 5m or 1h30m. Every flag can also be set by the environment variable that its
/// description names; a flag wins. Secrets belong in the environment: other users of the machine can read flags.
///
/// Traces are exported by OTLP where OTEL_EXPORTER_OTLP_ENDPOINT names a collector, as in http://127.0.0.1:4318.
#[derive(Parser)]
#[command(name = "native-worker", version = VERSION)]
struct Cli {
    #[command(flatten)]
    redis: RedisFlags,

    #[command(flatten)]
    queue: QueueFlags,

    // Required after clap, which would not list the choices.
    /// Where emails go, as a URL. Required.
    #[arg(long, env = "EMAIL_QUEUE_TRANSPORT", value_name = "URL", hide_env_values = true, long_help = TRANSPORT_HELP)]
    transport: Option<String>,

    #[command(flatten)]
    smtp: SmtpFlags,

    /// The time limit for an SMTP reply; ten times as long for the reply to a message.
    #[arg(long, env = "EMAIL_QUEUE_SMTP_TIMEOUT", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    smtp_timeout: Duration,

    /// How many emails may be in flight at once, 1 to 10000, of all shards together. After a crash, as many may be sent twice.
    #[arg(long, env = "EMAIL_QUEUE_CONCURRENCY", value_name = "EMAILS", default_value_t = 50)]
    concurrency: usize,

    /// The memory limit for emails, such as 256MB or 1GiB: no more are claimed than fit. A single email may exceed it.
    /// The worker itself needs about 50 MB more. Default: 256MB, or a quarter of the control group's limit, whichever
    /// is less.
    #[arg(long, env = "EMAIL_QUEUE_MAX_MEMORY", value_name = "BYTES")]
    max_memory: Option<ByteSize>,

    /// How long a worker that has stopped renewing keeps its emails before another may take them; 1s to 1h.
    #[arg(long, env = "EMAIL_QUEUE_LEASE", value_name = "DURATION", default_value = "60s", value_parser = duration)]
    lease: Duration,

    /// How long deliveries may take to finish after SIGTERM or SIGINT. A second signal ends the worker at once.
    #[arg(long, env = "EMAIL_QUEUE_GRACE", value_name = "DURATION", default_value = "25s", value_parser = duration)]
    grace: Duration,

    /// How long an email is tried, from its first failure on. The first failure after that makes it a dead letter. An
    /// email that only waits for a failing relay does not fail meanwhile.
    #[arg(long, env = "EMAIL_QUEUE_RETRY_FOR", value_name = "DURATION", default_value = "5days", value_parser = duration)]
    retry_for: Duration,

    /// How often an email is tried at the most; without it, as often as there is time. A failure of the relay counts as no
    /// attempt.
    #[arg(long, env = "EMAIL_QUEUE_MAX_ATTEMPTS", value_name = "ATTEMPTS")]
    max_attempts: Option<u32>,

    /// The back-off before the second attempt, or before the first probe of a failing relay. It doubles with each
    /// failure. For an email, up to half of it is subtracted at random.
    #[arg(long, env = "EMAIL_QUEUE_RETRY_BASE", value_name = "DURATION", default_value = "30s", value_parser = duration)]
    retry_base: Duration,

    /// The longest pause between two attempts, or two probes.
    #[arg(long, env = "EMAIL_QUEUE_RETRY_MAX", value_name = "DURATION", default_value = "1h", value_parser = duration)]
    retry_max: Duration,

    /// How long the record of a sent email is kept, unless the email has its own retention. Dead letters stay until they are retried or
    /// discarded.
    #[arg(long, env = "EMAIL_QUEUE_RETENTION", value_name = "DURATION", default_value = "24h", value_parser = duration)]
    retention: Duration,

    #[arg(
        help = "The sender of emails that other programs push without one: an address, or Name <address>",
        long, env = "EMAIL_QUEUE_DEFAULT_FROM", value_name = "MAILBOX", default_value = DEFAULT_FROM)]
    default_from: Mailbox,

    /// How long an email may be popped and not claimed before the worker that popped it counts as dead.
    #[arg(long, env = "EMAIL_QUEUE_POP_GRACE", value_name = "DURATION", default_value = "5s", value_parser = duration)]
    pop_grace: Duration,

    /// End when no email waits and none is in flight. Scheduled emails, retries included, stay, and so do emails in lanes
    /// that are paused. The exit code is 75 when emails wait because the relay fails, or in such a lane.
    #[arg(long, env = "EMAIL_QUEUE_DRAIN")]
    drain: bool,

    /// The format of the log on standard error. RUST_LOG sets the level; default: info.
    #[arg(long, env = "EMAIL_QUEUE_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    log_format: LogFormat,

    /// A file that the worker writes every second or so as long as it works, also while it waits for Redis.
    #[arg(long, env = "EMAIL_QUEUE_HEALTH_FILE", value_name = "FILE")]
    health_file: Option<PathBuf>,

    /// Where to answer HTTP requests for /metrics (Prometheus), /healthz and /readyz: an IP address and a port, such as
    /// 127.0.0.1:9187. Whoever reaches it can read them. Without it the worker listens on no port.
    #[arg(long, env = "EMAIL_QUEUE_ADMIN_LISTEN", value_name = "ADDRESS")]
    admin_listen: Option<String>,

    /// Exit at once: with 0 if a running worker has written --health-file within the last 30 seconds, else with 1. For health
    /// checks of containers.
    #[arg(long)]
    check_health: bool,

    /// Print a man page or completions, for packages.
    #[arg(long, hide = true, value_name = "WHAT")]
    generate: Option<Generated>,
}

impl Cli {
    /// The settings, checked. The error names the first that cannot be used, without its value where that may be secret.
    fn config(self) -> Result<Config, InvalidConfig> {
        let transport = self.transport.filter(|transport| !transport.is_empty()).ok_or_else(|| {
            let choices =
                "smtp://[user:password@]host[:port], smtps://…, file:DIR, log: (prints emails) or null: (drops them)";
            InvalidConfig(format!(
                "no transport is given: --transport or EMAIL_QUEUE_TRANSPORT has to say where emails go: {choices}"
            ))
        })?;
        let smtp = self.smtp.options(self.smtp_timeout);
        let admin_listen = self.admin_listen.filter(|address| !address.is_empty());
        let admin_listen = admin_listen.map(|address| {
            address.parse().map_err(|_| {
                InvalidConfig("--admin-listen is an IP address and a port, such as 127.0.0.1:9187".to_owned())
            })
        });
        let config = Config {
            redis: self.redis.url()?,
            redis_files: self.redis.files(),
            shards: self.queue.shards().map_err(|error| InvalidConfig(error.to_string()))?,
            transport: TransportConfig::parse(&transport, smtp)?,
            concurrency: self.concurrency,
            max_memory: self.max_memory.map_or_else(memory::default_max, |size| size.as_u64()),
            lease: self.lease,
            grace: self.grace,
            retry_for: self.retry_for,
            max_attempts: self.max_attempts,
            retry: Backoff { base: self.retry_base, max: self.retry_max },
            retention: self.retention,
            default_from: self.default_from,
            maintenance: Maintenance { grace: self.pop_grace, ..Maintenance::default() },
            drain: self.drain,
            health_file: self.health_file.filter(|file| !file.as_os_str().is_empty()),
            admin_listen: admin_listen.transpose()?,
        };
        config.check()?;
        Ok(config)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| format!("{error}; write it like 90s, 5m or 1h30m"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use redis_connection::url::DEFAULT_REDIS_URL;

    use super::*;

    fn config(flags: &[&str]) -> Result<Config, InvalidConfig> {
        Cli::try_parse_from([&["native-worker"], flags].concat()).unwrap().config()
    }

    #[test]
    fn the_flags_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_are_written_with_their_units() {
        let config =
            config(&["--transport", "null:", "--lease", "90s", "--grace", "1h30m", "--retry-max", "2days"]).unwrap();
        assert_eq!(config.lease, Duration::from_secs(90));
        assert_eq!(config.grace, Duration::from_secs(5400));
        assert_eq!(config.retry.max, Duration::from_secs(2 * 24 * 3600));
        assert!(Cli::try_parse_from(["native-worker", "--lease", "90"]).is_err());
    }

    #[test]
    fn without_flags_the_defaults_of_the_library_hold() {
        // Independent of the environment: every setting that has a variable is given here.
        let flags = ["--redis-url", DEFAULT_REDIS_URL, "--transport", "null:", "--concurrency", "50", "--lease", "60s"];
        let (ours, defaults) = (config(&flags).unwrap(), Config::new(TransportConfig::Null).unwrap());
        assert_eq!((ours.grace, ours.retention), (defaults.grace, defaults.retention));
        assert_eq!((ours.retry_for, ours.retry), (defaults.retry_for, defaults.retry));
        assert_eq!((ours.max_attempts, defaults.max_attempts), (None, None));
        assert_eq!(ours.default_from, defaults.default_from);
    }

    #[test]
    fn where_emails_go_has_to_be_said() {
        // The variable may be set in the environment. An empty value counts as none.
        let error = config(&["--transport", ""]).unwrap_err().to_string();
        assert!(error.contains("--transport") && error.contains("smtp://") && error.contains("file:"), "{error}");
    }

    #[test]
    fn a_wrong_url_is_refused_without_being_printed() {
        for flags in [
            ["--redis-url", "http://u:s3cret@h", "--transport", "null:"].as_slice(),
            &["--transport", "smtp://u:s3cret@h?verify=no"],
        ] {
            let error = config(flags).unwrap_err().to_string();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
