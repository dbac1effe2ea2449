//! What serves the API: `dev-host` or the real Spin that the environment variable `SPIN` names, with the component; or, where
//! `NATIVE_API` names it, the native server.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
};

use crate::binaries;

/// The command that serves the API under test on any free port. All hosts say `Serving http://ADDRESS` once they accept
/// requests; what they do not have in common is here and nowhere else.
pub(crate) fn command() -> Command {
    command_for(&manifest())
}

/// The same for an application whose component may connect to all of these servers. Its manifest is written to a folder.
///
/// # Panics
/// When the manifest is not as expected.
pub(crate) fn command_allowing(servers: &[SocketAddr], folder: &Path) -> Command {
    if is_native() {
        return command();
    }
    let original = manifest();
    let text = fs::read_to_string(&original).unwrap_or_else(|error| panic!("{}: {error}", original.display()));
    let hosts: Vec<_> = servers.iter().map(|server| format!("redis://{server}")).collect();
    let lines = text.lines().map(|line| match line.split_once(" = ") {
        Some(("allowed_outbound_hosts", _)) => format!("allowed_outbound_hosts = {hosts:?}\n"),
        Some(("source", source)) => {
            let root = original.parent().unwrap_or(Path::new(".")).canonicalize();
            let source = root.map(|root| root.join(source.trim_matches('"')));
            format!("source = {:?}\n", source.unwrap_or_else(|error| panic!("{error}")))
        }
        _ => format!("{line}\n"),
    });
    let changed = folder.join("spin.toml");
    let written = fs::write(&changed, lines.collect::<String>());
    written.unwrap_or_else(|error| panic!("{}: {error}", changed.display()));
    command_for(&changed)
}

fn command_for(manifest: &Path) -> Command {
    if let Some(native) = native() {
        let mut command = Command::new(native);
        command.args(["--listen", "127.0.0.1:0"]);
        return command;
    }
    let mut command = match spin() {
        Some(spin) => {
            let mut command = Command::new(spin);
            // Without one there are no files of what the component prints: it goes to stderr alone, as from dev-host. An empty
            // `--log-dir` is an error.
            command.args(["up", "--state-dir", ""]);
            command
        }
        None => Command::new(binaries::path("DEV_HOST", "target/quick/dev-host")),
    };
    command.arg("--from").arg(manifest).args(["--listen", "127.0.0.1:0"]);
    command
}

/// The environment variable by which a host is given a setting.
pub(crate) fn variable(setting: &str) -> String {
    let prefix = if is_native() { "EMAIL_QUEUE" } else { "SPIN_VARIABLE" };
    format!("{prefix}_{}", setting.to_uppercase())
}

/// Whether the native server serves the API.
pub(crate) fn is_native() -> bool {
    native().is_some()
}

/// Whether a host says by this line no more than that it serves, and where.
pub(crate) fn is_about_serving(line: &str) -> bool {
    let line = line.trim_start();
    line.is_empty()
        || ["Serving http://", "Available Routes:", "api: http://", "dashboard: http://"]
            .iter()
            .any(|start| line.starts_with(start))
}

/// The application under test: `spin.toml`, or what `SPIN_MANIFEST` names. The same tests hold for each build.
pub(crate) fn manifest() -> PathBuf {
    binaries::path("SPIN_MANIFEST", "spin.toml")
}

fn spin() -> Option<PathBuf> {
    given("SPIN")
}

fn native() -> Option<PathBuf> {
    given("NATIVE_API")
}

fn given(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|path| !path.is_empty()).map(PathBuf::from)
}
