//! Tools that only `cargo xtask bench` needs: redis-benchmark, wrk, and Postfix's smtp-sink and smtp-source.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::install::apt::find_or_install;
use crate::install::postfix::POSTFIX;
use crate::signals::Signals;
use crate::workspace::{Workspace, find_program};

/// Redis' or Valkey's, whichever is there.
///
/// # Errors
/// It is missing and cannot be installed; the error says what to do by hand.
pub(crate) fn find_or_install_redis_benchmark(signals: &Signals) -> anyhow::Result<PathBuf> {
    let find = || ["redis-benchmark", "valkey-benchmark"].into_iter().find_map(find_program);
    find_or_install(signals, find, &["redis-tools"], "install redis-benchmark or valkey-benchmark")
}

/// The HTTP load generator.
///
/// # Errors
/// It is missing and cannot be installed; the error says what to do by hand.
pub(crate) fn find_or_install_wrk(signals: &Signals) -> anyhow::Result<PathBuf> {
    find_or_install(signals, || find_program("wrk"), &["wrk"], "install wrk")
}

/// A program of Postfix on the `PATH`, or the one of the Postfix that the tests use.
///
/// # Errors
/// It is missing, and the package cannot be downloaded or does not run; the error says what to do by hand.
pub(crate) fn find_or_install_postfix(
    workspace: &Workspace,
    signals: &Signals,
    program: &str,
) -> anyhow::Result<PathBuf> {
    if let Some(program) = find_program(program) {
        return Ok(program);
    }
    let by_hand = format!("put Postfix' {program} on the PATH");
    let root = POSTFIX.find_or_unpack(workspace, signals).context(by_hand.clone())?;
    let wrapper = workspace.bench_tool(program);
    write_wrapper(&wrapper, &root, program)?;
    if runs(&wrapper) { Ok(wrapper) } else { bail!("the {program} of Debian's Postfix does not run here: {by_hand}") }
}

/// A program that finds Postfix' own libraries where they were unpacked.
fn write_wrapper(wrapper: &Path, root: &Path, program: &str) -> anyhow::Result<()> {
    let script = format!(
        "#!/bin/sh\n\
         root='{}'\n\
         LD_LIBRARY_PATH=$root/usr/lib/postfix exec \"$root/usr/sbin/{program}\" \"$@\"\n",
        root.display()
    );
    let cannot = || format!("cannot write {}", wrapper.display());
    if let Some(directory) = wrapper.parent() {
        fs::create_dir_all(directory).with_context(cannot)?;
    }
    fs::write(wrapper, script).with_context(cannot)?;
    fs::set_permissions(wrapper, fs::Permissions::from_mode(0o755)).with_context(cannot)
}

/// Whether it gets as far as to ask for arguments; without its libraries it does not.
fn runs(program: &Path) -> bool {
    let output = Command::new(program).stdin(Stdio::null()).output();
    output.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).contains("usage:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrapper_runs_the_program_with_its_libraries_from_anywhere() {
        let home = tempfile::tempdir().unwrap();
        let (root, wrapper) = (home.path().join("a root"), home.path().join("tools/smtp-sink"));
        fs::create_dir_all(root.join("usr/sbin")).unwrap();
        let sink = root.join("usr/sbin/smtp-sink");
        fs::write(&sink, "#!/bin/sh\necho \"usage: $LD_LIBRARY_PATH\" >&2\nexit 1\n").unwrap();
        fs::set_permissions(&sink, fs::Permissions::from_mode(0o755)).unwrap();
        write_wrapper(&wrapper, &root, "smtp-sink").unwrap();
        assert!(runs(&wrapper));
        fs::remove_file(&sink).unwrap();
        assert!(!runs(&wrapper));
    }
}
