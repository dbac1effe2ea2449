//! What only `cargo xtask bench` needs: redis-benchmark, wrk, and Postfix' smtp-sink and smtp-source.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::apt::Apt;
use crate::postfix;
use crate::signals::Signals;
use crate::workspace::{Workspace, find_program, is_executable};

/// Redis' or Valkey's, whichever is there.
///
/// # Errors
/// There is none and none can be installed, with what to do by hand.
pub(crate) fn find_or_install_redis_benchmark(signals: &Signals) -> anyhow::Result<PathBuf> {
    find_or_install(signals, &["redis-benchmark", "valkey-benchmark"], "redis-tools")
}

/// The HTTP load generator.
///
/// # Errors
/// There is none and none can be installed, with what to do by hand.
pub(crate) fn find_or_install_wrk(signals: &Signals) -> anyhow::Result<PathBuf> {
    find_or_install(signals, &["wrk"], "wrk")
}

fn find_or_install(signals: &Signals, programs: &[&str], package: &str) -> anyhow::Result<PathBuf> {
    let find = || programs.iter().find_map(|program| find_program(program));
    if let Some(program) = find() {
        return Ok(program);
    }
    let by_hand = format!("install {} (Debian's package {package})", programs.join(" or "));
    let Some(apt) = Apt::find()? else { bail!("no {} on the PATH: {by_hand}", programs[0]) };
    apt.install(signals, || vec![package.to_owned()]).context(by_hand.clone())?;
    find().with_context(|| format!("the package {package} has brought no {}: {by_hand}", programs[0]))
}

/// A program on the `PATH`, or the one from Debian's package of Postfix, which is unpacked under `target` and not
/// installed: nobody wants a mail server on their machine for this.
///
/// # Errors
/// There is none, and the package cannot be had or does not run, with what to do by hand.
pub(crate) fn find_or_install_postfix(
    workspace: &Workspace,
    signals: &Signals,
    program: &str,
) -> anyhow::Result<PathBuf> {
    if let Some(program) = find_program(program) {
        return Ok(program);
    }
    let directory = workspace.bench_tool("postfix");
    let wrapper = directory.join(program);
    if is_executable(&wrapper) && runs(&wrapper) {
        return Ok(wrapper);
    }
    let by_hand = format!("put Postfix' {program} on the PATH");
    let Some(apt) = Apt::find()? else { bail!("no {program} on the PATH: {by_hand}") };
    postfix::unpack(signals, &directory).context(by_hand.clone())?;
    write_wrapper(&directory, program)?;
    if !runs(&wrapper) {
        // Libraries that other programs need too; they start nothing.
        apt.install(signals, postfix::libraries)?;
    }
    if runs(&wrapper) { Ok(wrapper) } else { bail!("the {program} of Debian's Postfix does not run here: {by_hand}") }
}

/// A program that finds Postfix' own libraries where they were unpacked.
fn write_wrapper(directory: &Path, program: &str) -> anyhow::Result<()> {
    let wrapper = directory.join(program);
    let script = format!(
        "#!/bin/sh\n\
         here=$(dirname \"$0\")\n\
         LD_LIBRARY_PATH=$here/usr/lib/postfix exec \"$here/usr/sbin/{program}\" \"$@\"\n"
    );
    fs::write(&wrapper, script).with_context(|| format!("cannot write to {}", directory.display()))?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755))?;
    Ok(())
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
    fn a_wrapper_finds_what_is_beside_it_from_anywhere() {
        let home = tempfile::tempdir().unwrap();
        let (directory, wrapper) = (home.path(), home.path().join("smtp-sink"));
        fs::create_dir_all(directory.join("usr/sbin")).unwrap();
        let sink = directory.join("usr/sbin/smtp-sink");
        fs::write(&sink, "#!/bin/sh\necho \"usage: $LD_LIBRARY_PATH\" >&2\nexit 1\n").unwrap();
        fs::set_permissions(&sink, fs::Permissions::from_mode(0o755)).unwrap();
        write_wrapper(directory, "smtp-sink").unwrap();
        assert!(is_executable(&wrapper) && runs(&wrapper));
        fs::remove_file(&sink).unwrap();
        assert!(!runs(&wrapper));
    }
}
