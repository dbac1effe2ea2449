//! The API that is measured: a component in dev-host, or in Spin; or the native server.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, ensure};
use harness::{Output, Process, RedisServer, http};

use crate::bench::Bench;
use crate::host::Host;
use crate::procfs;

/// Compiling the component takes the host some seconds when it is new.
const START_LIMIT: Duration = Duration::from_secs(120);

/// The flags of every recipe: a busy WASI 0.3 instance is then never replaced.
const FLAGS: [&str; 2] = ["--max-instance-reuse-count", "1000000"];

/// The API key of the clients, as in a deployment. Without one the API would read one more variable.
pub(crate) const KEY: &str = "bench";

/// Which build of the component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wasi {
    /// An instance for each request.
    P2,
    /// An instance for many requests.
    P3,
}

impl fmt::Display for Wasi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Wasi::P2 => "WASI 0.2",
            Wasi::P3 => "WASI 0.3",
        })
    }
}

impl Wasi {
    /// The build, and what runs it, as the rows of the report name them.
    pub(crate) fn name(self, bench: &Bench<'_>) -> String {
        format!("{self} on {}", bench.host_name)
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
        let manifest = &bench.programs.spin_manifest;
        // All of them, so that the caller's environment does not matter, and in a file: Spin looks for what it is not given
        // in the environment, at every request.
        let variables = [
            ("redis_url", server.url()),
            ("redis_host", server.address().to_string()),
            ("queue", "emails".to_owned()),
            ("api_keys", KEY.to_owned()),
            ("open", String::new()),
            ("default_from", String::new()),
            ("max_body_bytes", "10485760".to_owned()),
            ("backlog_limit", "0".to_owned()),
            ("backlog_bytes", "0".to_owned()),
            ("rate_limit", "0".to_owned()),
            ("retention", String::new()),
        ];
        match wasi {
            Wasi::P2 => Self::serve(bench, manifest, &variables, &[]),
            Wasi::P3 => Self::serve(bench, &manifest.with_file_name("spin-wasip3.toml"), &variables, &FLAGS),
        }
    }

    /// Starts the native server with no limit to the backlog, and waits until it listens.
    ///
    /// # Errors
    /// It does not.
    pub(crate) fn start_native(bench: &Bench<'_>, server: &RedisServer) -> anyhow::Result<ApiHost> {
        let mut command = Command::new(&bench.programs.native_api);
        command.args(["--listen", "127.0.0.1:0", "--backlog-limit", "0", "--backlog-bytes", "0"]);
        command.env("EMAIL_QUEUE_REDIS_URL", server.url()).env("EMAIL_QUEUE_API_KEYS", KEY);
        Self::start_program(bench, &mut command)
    }

    /// Starts the component that does nothing but push what it gets.
    ///
    /// # Errors
    /// It does not listen.
    pub(crate) fn start_ceiling(bench: &Bench<'_>, server: &RedisServer) -> anyhow::Result<ApiHost> {
        let variables = [("redis_url", server.url()), ("redis_host", server.address().to_string())];
        Self::serve(bench, &bench.programs.ceiling_manifest, &variables, &FLAGS)
    }

    /// Starts a program that says where it serves as the hosts do.
    ///
    /// # Errors
    /// It does not listen.
    pub(crate) fn start_program(bench: &Bench<'_>, command: &mut Command) -> anyhow::Result<ApiHost> {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let log = bench.directory.join(format!("api-{number}.log"));
        let process = Process::start(command, Output::File(log))?;
        let address = http::serving_address(&process, START_LIMIT)?;
        Ok(ApiHost { process, address })
    }

    fn serve(
        bench: &Bench<'_>,
        manifest: &Path,
        variables: &[(&str, String)],
        flags: &[&str],
    ) -> anyhow::Result<ApiHost> {
        ensure!(manifest.is_file(), "there is no {}", manifest.display());
        let mut command = match bench.host {
            Host::DevHost => Command::new(&bench.programs.dev_host),
            Host::Spin => {
                let mut command = Command::new(&bench.programs.spin);
                command.arg("up").arg("--state-dir").arg(&bench.directory);
                command
            }
        };
        let file = variables_file(bench, manifest, variables)?;
        command.arg("--from").arg(manifest).args(["--listen", "127.0.0.1:0", "--quiet"]).args(flags);
        command.arg("--variable").arg(format!("@{}", file.display()));
        Self::start_program(bench, &mut command)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How long it has been on a processor so far, with what it has started.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        procfs::cpu_with_descendants(self.process.id())
    }

    /// # Errors
    /// It has ended.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        self.process.check().context("the API")
    }
}

fn variables_file(bench: &Bench<'_>, manifest: &Path, variables: &[(&str, String)]) -> anyhow::Result<PathBuf> {
    let name = manifest.file_stem().unwrap_or_default().display().to_string();
    let file = bench.directory.join(format!("{name}-{}.json", variables.len()));
    let variables: serde_json::Map<_, _> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
    fs::write(&file, serde_json::to_vec(&variables)?)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_with_its_version() {
        assert_eq!(Host::DevHost.name(Path::new("nothing")).unwrap(), "dev-host");
        let error = Host::Spin.name(Path::new("echo")).unwrap_err().to_string();
        assert!(error.contains("--version") || error.contains("echo"), "{error}");
    }
}
