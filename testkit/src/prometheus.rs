//! Prometheus' `promtool`, which judges metrics, rules and configurations.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The variable that names the directory under which Prometheus is, as its package has it.
pub const ROOT_VARIABLE: &str = "PROMETHEUS_ROOT";

/// Runs `promtool` with arguments and an input. Returns what it printed.
///
/// # Panics
/// There is none, or it has found fault.
pub fn promtool(arguments: &[&str], input: &str) -> String {
    let Output { status, stdout, stderr } =
        run(arguments, input).unwrap_or_else(|error| panic!("cannot run promtool: {error}"));
    let said = format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    assert!(status.success(), "promtool {}: {said}", arguments.join(" "));
    said
}

fn run(arguments: &[&str], input: &str) -> std::io::Result<Output> {
    let mut command = Command::new(root().join("usr/bin/promtool"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without having read it.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}

fn root() -> PathBuf {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/test-tools/prometheus");
    let named = std::env::var_os(ROOT_VARIABLE).map(PathBuf::from);
    let mut roots = [named, Some(PathBuf::from("/")), Some(unpacked)].into_iter().flatten();
    roots.find(|root| root.join("usr/bin/promtool").exists()).unwrap_or_else(|| {
        panic!("no promtool to test with; run cargo xtask test, which fetches it, or set {ROOT_VARIABLE}")
    })
}
