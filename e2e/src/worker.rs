use std::process::Command;

use testkit::Process;

use crate::binaries;

/// The real worker binary.
#[derive(Debug)]
pub struct Worker {
    /// The process; dropping it kills it.
    pub process: Process,
}

impl Worker {
    /// Starts a worker on the Redis of a URL, which may lead through a proxy, with times short enough for tests: leases
    /// of 2 s, retries after at most 200 ms. `flags` come last and win.
    #[must_use]
    pub fn start(redis_url: &str, transport: &str, flags: &[&str]) -> Self {
        Self::start_with(redis_url, transport, flags, &[])
    }

    /// The same with environment variables.
    #[must_use]
    pub fn start_with(redis_url: &str, transport: &str, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(binaries::path("NATIVE_WORKER", "target/release/native-worker"));
        command.env("RUST_LOG", "info");
        for (name, value) in [
            ("REDIS_URL", redis_url),
            ("TRANSPORT", transport),
            ("LEASE", "2s"),
            ("POP_GRACE", "1s"),
            ("RETRY_BASE", "100ms"),
            ("RETRY_MAX", "200ms"),
            ("SMTP_TIMEOUT", "5s"),
        ] {
            command.env(format!("EMAIL_QUEUE_{name}"), value);
        }
        command.args(flags).envs(variables.iter().copied());
        Self { process: Process::start(command) }
    }

    /// Starts a worker and waits until it says that it is ready.
    pub async fn ready(redis_url: &str, transport: &str, flags: &[&str]) -> Self {
        let worker = Self::start(redis_url, transport, flags);
        worker.process.wait_for_line(|line| line.contains("ready")).await;
        worker
    }

    /// Where a worker with `--admin-listen` serves its metrics; waits until it says so.
    ///
    /// # Panics
    /// When it does not.
    pub async fn admin_address(&self) -> String {
        let line = self.process.wait_for_line(|line| line.contains("serving /metrics")).await;
        let address = line.split("address=").nth(1).and_then(|rest| rest.split_whitespace().next());
        address.unwrap_or_else(|| panic!("no address in {line}")).to_owned()
    }
}
