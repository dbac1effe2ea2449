//! The worker that is measured.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::{Output, Process, RedisServer, Signal};

use crate::bench::Bench;
use crate::procfs::{self, Usage};
use crate::queue::Client;
use crate::redis_server::{self, Info};

/// How many emails a worker may have in flight at once: its default, said here so that it stays the same.
pub(crate) const CONCURRENCY: u32 = 50;

/// How long it may take to reach Redis.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// How long it may take to end its sessions.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The worker's log level.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Log {
    /// `RUST_LOG=warn`
    Warnings,
    /// The default level, one line per email, into a file.
    Default,
}

/// A running `native-worker`. Dropping it kills it.
pub(crate) struct Worker {
    process: Process,
}

impl Worker {
    /// Starts one, and does not wait for it.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn start(bench: &Bench<'_>, redis_url: &str, transport: &str, log: Log) -> anyhow::Result<Worker> {
        Self::start_with(bench, redis_url, transport, log, &[])
    }

    /// The same with more flags.
    ///
    /// # Errors
    /// The program cannot be started.
    pub(crate) fn start_with(
        bench: &Bench<'_>,
        redis_url: &str,
        transport: &str,
        log: Log,
        flags: &[&str],
    ) -> anyhow::Result<Worker> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let mut command = Command::new(&bench.programs.native_worker);
        // None of the variables that set up the caller's own worker.
        command.env_clear();
        if let Log::Warnings = log {
            command.env("RUST_LOG", "warn");
        }
        command.args(["--redis-url", redis_url, "--transport", transport, "--concurrency", &CONCURRENCY.to_string()]);
        command.args(flags);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = bench.directory.join(format!("worker-{number}.log"));
        Ok(Worker { process: Process::start(&mut command, Output::File(log))? })
    }

    /// Waits until it sits in `BRPOP`, which is when it has nothing to do.
    ///
    /// # Errors
    /// It has ended, or does not reach Redis.
    pub(crate) fn wait_until_idle(&self, server: &RedisServer) -> anyhow::Result<()> {
        let mut connection = redis_server::connect(server)?;
        self.process.wait_for("BRPOP", READY_LIMIT, || {
            let blocked = Info::read(&mut connection, "clients")?.number("blocked_clients")?;
            Ok((blocked >= 1.0).then_some(()))
        })
    }

    /// Waits until so many emails have been sent in all, and it has nothing left to do.
    ///
    /// # Errors
    /// It has ended, or does not send them within `limit`.
    pub(crate) fn wait_until_sent(&self, server: &RedisServer, emails: u64, limit: Duration) -> anyhow::Result<()> {
        let client = Client::open(server)?;
        let what = format!("{emails} emails to be sent");
        self.process.wait_for(&what, limit, || Ok((client.sent()? >= emails).then_some(())))?;
        self.wait_until_idle(server)
    }

    /// What it has used so far.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn usage(&self) -> anyhow::Result<Usage> {
        procfs::usage(self.process.id())
    }

    /// # Errors
    /// It has ended.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.process.check()
    }

    /// Halts it where it is; its connections stay open.
    pub(crate) fn freeze(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Resumes it.
    pub(crate) fn thaw(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Lets it end in order.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn stop(self) -> anyhow::Result<()> {
        self.process.stop(STOP_LIMIT)
    }
}
