//! `cargo xtask up`: from a bare Rust toolchain to a running queue, and back.

use std::env;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{anyhow, bail};
use clap::Args;

use crate::compile;
use crate::console::{complain, say};
use crate::data_dir::DataDir;
use crate::defaults::{DEFAULT_TRANSPORT, QUEUE};
use crate::install::redis;
use crate::redis_service::{self, DEFAULT_PORT};
use crate::redis_url::RedisUrl;
use crate::serving::{HostName, Server};
use crate::signals::{Interrupted, Signals};
use crate::stack::{Role, Service, Stack, WORKER_GRACE};
use crate::try_it::TryIt;
use crate::workspace::{Profile, WORKER, Workspace};
use crate::{http, ports};

/// How long Redis may take to read a large append-only file.
const REDIS_START: Duration = Duration::from_secs(120);

/// How long the API may take to start. The first start compiles the component to machine code.
const API_START: Duration = Duration::from_secs(300);

/// The sender of emails that name none. `example.com` is reserved (RFC 2606), so nobody is impersonated.
const DEFAULT_FROM: &str = "Email Queue <queue@example.com>";

/// Options of `cargo xtask up`.
#[derive(Args)]
pub(crate) struct Options {
    /// Where the API listens: address and port.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:3000")]
    listen: SocketAddr,

    /// A running Redis to use [default: start one, with its data in .data/redis].
    #[arg(long, value_name = "URL", env = "EMAIL_QUEUE_REDIS_URL", hide_env_values = true)]
    redis_url: Option<String>,

    /// What the worker hands emails to: log:, file:DIR, smtp://HOST:PORT or smtps://HOST:PORT [default: files in
    /// .data/outbox].
    #[arg(long, value_name = "URL", env = "EMAIL_QUEUE_TRANSPORT", hide_env_values = true)]
    transport: Option<String>,

    /// The sender of emails that name none [default: queue@example.com].
    #[arg(long, value_name = "MAILBOX", env = "EMAIL_QUEUE_DEFAULT_FROM")]
    default_from: Option<String>,

    /// How many worker processes to start.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    workers: u8,

    /// The key that clients of the API must present, or several separated by commas [default: none, and the API is open to
    /// this machine].
    #[arg(long, value_name = "KEY", env = "SPIN_VARIABLE_API_KEYS", hide_env_values = true)]
    api_key: Option<String>,

    /// What serves the API [default: spin if SPIN names one or it is on the PATH, else dev-host].
    #[arg(long, value_name = "HOST")]
    host: Option<HostName>,

    /// Compiles the worker and dev-host to run fast, which takes some minutes more.
    #[arg(long)]
    release: bool,
}

impl Options {
    fn profile(&self) -> Profile {
        if self.release { Profile::Release } else { Profile::Quick }
    }

    /// Reads the variables without the prefix `EMAIL_QUEUE_` as well, as the worker does.
    pub(crate) fn with_old_names(mut self) -> Self {
        let old_name = |option: &mut Option<String>, old: &str| {
            if option.is_none()
                && let Ok(value) = env::var(old)
            {
                complain(&format!("the environment variable {old} is deprecated: set EMAIL_QUEUE_{old} instead"));
                *option = Some(value);
            }
        };
        old_name(&mut self.redis_url, "REDIS_URL");
        old_name(&mut self.transport, "TRANSPORT");
        old_name(&mut self.default_from, "DEFAULT_FROM");
        self
    }

    fn transport(&self) -> &str {
        self.transport.as_deref().unwrap_or(DEFAULT_TRANSPORT)
    }

    fn default_from(&self) -> &str {
        self.default_from.as_deref().unwrap_or(DEFAULT_FROM)
    }

    /// An empty one is as good as none.
    fn api_key(&self) -> Option<&str> {
        self.api_key.as_deref().filter(|key| !key.is_empty())
    }
}

/// Installs, builds, starts, and runs until we are asked to stop.
///
/// # Errors
/// Anything that keeps the queue from running, in one line with the way out, after whatever had been
/// started is stopped again.
pub(crate) fn up(workspace: &Workspace, signals: &Signals, options: &Options) -> anyhow::Result<()> {
    // What can go wrong at once comes before what takes long.
    let data_dir = DataDir::open(&workspace.root().join(".data"))?;
    let outbox = data_dir.subdirectory("outbox")?;
    let listen = ports::reserve(options.listen)?;
    let (server, why) = Server::choose(options.host)?;
    let redis = match &options.redis_url {
        Some(url) => RedisChoice::Given(reachable_redis(url)?),
        None => RedisChoice::Ours(redis::find_or_install_server(signals)?),
    };

    compile::build(workspace, signals, &server.parts(options.profile()))?;

    say(&format!("{server} serves the API {}: {why}", server.build()));
    let plan = Plan { workspace, data_dir: &data_dir, options, listen, server };
    let mut stack = Stack::new(signals, &data_dir, plan.widest_name());
    let outcome = plan.start(redis, &mut stack).and_then(|redis| {
        if options.api_key().is_none() && !listen.ip().is_loopback() {
            say("Without --api-key only clients on this machine are served, over the loopback interface and through no proxy.");
        }
        say(&TryIt {
            api: reachable(listen),
            api_key: options.api_key(),
            redis: &redis,
            transport: options.transport(),
            outbox: workspace.short(&outbox).to_string(),
        }
        .to_string());
        stack.watch()
    });
    match &outcome {
        Ok(()) => say("stopping..."),
        Err(error) if error.is::<Interrupted>() => say("stopping..."),
        Err(_) => {}
    }
    let graceful = stack.stop();
    outcome?;
    if !graceful {
        bail!("not everything stopped gracefully: emails that were in flight may be delivered twice");
    }
    say("stopped");
    Ok(())
}

/// Everything that is decided before the first service starts.
struct Plan<'a> {
    workspace: &'a Workspace,
    data_dir: &'a DataDir,
    options: &'a Options,
    listen: SocketAddr,
    server: Server,
}

/// The Redis to use.
enum RedisChoice {
    /// An external one.
    Given(RedisUrl),
    /// We start this server.
    Ours(PathBuf),
}

impl Plan<'_> {
    /// Starts all services, each once those that it needs are ready. Answers the Redis in use.
    fn start(&self, redis: RedisChoice, stack: &mut Stack<'_>) -> anyhow::Result<RedisUrl> {
        let redis = match redis {
            RedisChoice::Given(url) => url,
            RedisChoice::Ours(server) => {
                let port = ports::first_free(DEFAULT_PORT)?;
                if port != DEFAULT_PORT {
                    say(&format!("port {DEFAULT_PORT} is taken by another program, so this Redis listens on {port}"));
                }
                stack.start(redis_service::service(&server, port, &self.data_dir.subdirectory("redis")?))?;
                let url = RedisUrl::local(port);
                stack.wait_until_ready("Redis", REDIS_START, || url.ping())?;
                url
            }
        };
        for number in 1..=self.options.workers {
            stack.start(self.worker(number, &redis))?;
        }
        if self.server == Server::DevHost {
            say("starting the API; dev-host compiles a component that is new to it, which takes up to 20 s");
        }
        stack.start(self.api(&redis))?;
        let api = reachable(self.listen);
        for path in ["/healthz", "/readyz"] {
            stack.wait_until_ready("the API", API_START, || http::answers_ok(api, path))?;
        }
        Ok(redis)
    }

    fn worker(&self, number: u8, redis: &RedisUrl) -> Service {
        let mut command = Command::new(self.workspace.binary(WORKER, self.options.profile()));
        command
            .current_dir(self.workspace.root())
            .args(["--grace", &format!("{}s", WORKER_GRACE.as_secs())])
            // By the environment, as anyone on this machine can read the arguments of a process.
            .env("EMAIL_QUEUE_REDIS_URL", redis.with_secrets())
            .env("EMAIL_QUEUE_TRANSPORT", self.options.transport())
            .env("EMAIL_QUEUE_QUEUE", QUEUE)
            .env("EMAIL_QUEUE_DEFAULT_FROM", self.options.default_from())
            // It would end as soon as there is nothing to do.
            .env_remove("EMAIL_QUEUE_DRAIN")
            .env_remove("DRAIN");
        Service { name: self.worker_name(number), role: Role::Worker, log: None, command }
    }

    fn api(&self, redis: &RedisUrl) -> Service {
        let mut command = self.server.command(self.workspace, self.options.profile());
        command
            .current_dir(self.workspace.root())
            .args(["--listen", &self.listen.to_string()])
            .env(self.server.variable("REDIS_URL"), redis.with_secrets())
            .env(self.server.variable("REDIS_HOST"), redis.address())
            .env(self.server.variable("QUEUE"), QUEUE);
        let default_from = self.server.variable("DEFAULT_FROM");
        if env::var_os(&default_from).is_none() {
            command.env(default_from, self.options.default_from());
        }
        match self.options.api_key() {
            Some(key) => command.env(self.server.variable("API_KEYS"), key),
            None => command.env(self.server.variable("OPEN"), "loopback"),
        };
        Service { name: "api".to_owned(), role: Role::Api, log: None, command }
    }

    fn worker_name(&self, number: u8) -> String {
        if self.options.workers == 1 { WORKER_NAME.to_owned() } else { format!("{WORKER_NAME} {number}") }
    }

    fn widest_name(&self) -> usize {
        self.worker_name(self.options.workers).len()
    }
}

const WORKER_NAME: &str = "worker";

/// Parses the URL and checks that a Redis replies.
fn reachable_redis(url: &str) -> anyhow::Result<RedisUrl> {
    let url = RedisUrl::parse(url)?;
    url.ping().map_err(|reason| {
        anyhow!("the Redis of --redis-url or EMAIL_QUEUE_REDIS_URL cannot be used ({reason}): start it, or leave the URL out and one is started for you")
    })?;
    Ok(url)
}

/// Where a client on this machine finds a server that listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_on_all_interfaces_is_reached_on_the_loopback_one() {
        for (listen, reached) in
            [("0.0.0.0:80", "127.0.0.1:80"), ("[::]:80", "[::1]:80"), ("10.1.2.3:80", "10.1.2.3:80")]
        {
            assert_eq!(reachable(listen.parse().unwrap()), reached.parse().unwrap());
        }
    }

    #[test]
    fn a_redis_that_is_not_there_is_an_error_that_does_not_show_the_password() {
        // Port 1 is TCPMUX, which nothing on a machine of today serves.
        let error = reachable_redis("redis://:secret@127.0.0.1:1").err().unwrap().to_string();
        assert!(error.contains("--redis-url") && !error.contains("secret"), "{error}");
    }
}
