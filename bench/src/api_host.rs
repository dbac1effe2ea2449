//! The API that is measured: the component in dev-host.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context;

use crate::bench::Bench;
use crate::process::Process;
use crate::redis_server::RedisServer;

/// Compiling the component takes the host some seconds when it is new.
const START_LIMIT: Duration = Duration::from_secs(120);

/// Which build of the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wasi {
    /// An instance for each request.
    P2,
    /// An instance for many requests.
    P3,
}

impl Wasi {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Wasi::P2 => "WASI 0.2",
            Wasi::P3 => "WASI 0.3",
        }
    }

    /// Those that can be measured here.
    pub(crate) fn built(bench: &Bench<'_>) -> Vec<Wasi> {
        match &bench.programs.wasip3 {
            Some(wasm) if wasm.is_file() => vec![Wasi::P2, Wasi::P3],
            _ => vec![Wasi::P2],
        }
    }
}

/// A running host. Dropping it kills it.
pub(crate) struct ApiHost {
    process: Process,
    /// Host and port.
    pub(crate) address: String,
}

impl ApiHost {
    /// Starts the API with no limit to the backlog, and waits until it listens.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn start(bench: &Bench<'_>, server: &RedisServer, wasi: Wasi) -> anyhow::Result<ApiHost> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let mut command = Command::new(&bench.programs.dev_host);
        let manifest = &bench.programs.spin_manifest;
        let manifest = match wasi {
            Wasi::P2 => manifest.clone(),
            Wasi::P3 => manifest.with_file_name("spin-wasip3.toml"),
        };
        command.arg("--from").arg(manifest).args(["--listen", "127.0.0.1:0", "--quiet"]);
        for (name, value) in [("redis_url", server.url()), ("redis_host", server.address())] {
            command.arg("--variable").arg(format!("{name}={value}"));
        }
        // Set here, so that the caller's environment does not matter.
        for unlimited in ["backlog_limit=0", "rate_limit=0", "api_keys=", "queue=emails", "retention="] {
            command.args(["--variable", unlimited]);
        }
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let process = Process::start("dev-host", &mut command, &bench.directory.join(format!("api-{number}.log")))?;
        let address = process.wait_for("it does not listen", START_LIMIT, || Ok(address(&process.written())))?;
        Ok(ApiHost { process, address })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// # Errors
    /// It has ended.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.process.check().context("the API")
    }
}

/// The address in the line that dev-host prints once it listens.
fn address(written: &str) -> Option<String> {
    // A line that is not yet whole may hold half an address.
    let (lines, _) = written.rsplit_once('\n')?;
    let address = lines.lines().find_map(|line| line.strip_prefix("Serving http://"))?;
    Some(address.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_read_once_its_line_is_whole() {
        assert_eq!(address("warning\nServing http://127.0.0.1:30"), None);
        assert_eq!(address("warning\nServing http://127.0.0.1:3000\n"), Some("127.0.0.1:3000".to_owned()));
    }
}
