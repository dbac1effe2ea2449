//! Debian's package of Postfix, unpacked and not installed, so that a test does not set up a mail server on the
//! machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::console::say;
use crate::install::apt::Apt;
use crate::install::test_tools::succeeds;
use crate::process::run_step;
use crate::signals::Signals;
use crate::workspace::Workspace;

/// Names the directory under which Postfix is, as its package has it; `/` if it is installed.
pub(crate) const POSTFIX_VARIABLE: &str = "POSTFIX_ROOT";

/// The Postfix that the tests start instances of, and the benches take programs from.
///
/// # Errors
/// It is missing, and the package cannot be downloaded or does not run; the error says what to do by hand.
pub(crate) fn find_or_unpack(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    let named = std::env::var_os(POSTFIX_VARIABLE).map(PathBuf::from);
    let unpacked = workspace.test_tool("postfix");
    let mut roots = [named, Some(PathBuf::from("/")), Some(unpacked.clone())].into_iter().flatten();
    if let Some(root) = roots.find(|root| runs(root)) {
        return Ok(root);
    }
    let by_hand = format!("install Postfix, or set {POSTFIX_VARIABLE} to where its package is unpacked");
    let Some(apt) = Apt::find()? else { bail!("the tests need a mail server, Postfix: {by_hand}") };
    unpack(signals, &unpacked).context(by_hand.clone())?;
    if !runs(&unpacked) {
        // Libraries that other programs need too; they start nothing.
        apt.install(signals, libraries)?;
    }
    if runs(&unpacked) { Ok(unpacked) } else { bail!("Debian's Postfix does not run here: {by_hand}") }
}

/// Whether its programs find their libraries.
fn runs(root: &Path) -> bool {
    let mut postconf = Command::new(root.join("usr/sbin/postconf"));
    postconf.env("LD_LIBRARY_PATH", root.join("usr/lib/postfix")).args(["-d", "mail_version"]);
    root.join("usr/lib/postfix/sbin/master").exists() && succeeds(&mut postconf)
}

/// Fetches the package, and unpacks it into a directory, which is emptied before.
fn unpack(signals: &Signals, directory: &Path) -> anyhow::Result<()> {
    say("fetching Postfix (apt-get download postfix)...");
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let mut download = Command::new("apt-get");
    // Run as root, apt would fetch as a user of its own, who may not write here.
    download.args(["-q", "-o", "APT::Sandbox::User=root", "download", "postfix"]).current_dir(directory);
    run_step(signals, &mut download, "download postfix")?;
    let package = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get has downloaded no package")?;
    let mut unpack = Command::new("dpkg");
    unpack.arg("-x").arg(&package).arg(directory);
    run_step(signals, &mut unpack, &format!("unpack {}", package.display()))
}

/// The packages that bring what its programs are linked to.
fn libraries() -> Vec<String> {
    let output = Command::new("apt-cache").args(["depends", "postfix"]).output();
    output.map(|output| those_named(&String::from_utf8_lossy(&output.stdout))).unwrap_or_default()
}

/// The libraries among the lines `  Depends: NAME` of `apt-cache depends`.
fn those_named(depends: &str) -> Vec<String> {
    let names = depends.lines().filter_map(|line| line.trim().trim_start_matches('|').strip_prefix("Depends: "));
    names.filter(|name| name.starts_with("lib")).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_libraries_of_a_mail_server_are_installed() {
        let depends = "postfix\n  PreDepends: init-system-helpers\n |Depends: debconf\n  Depends: adduser\n  \
                       Depends: libc6\n  Depends: libdb5.3\n  Conflicts: libnothing\n  Suggests: libsasl2-modules\n";
        assert_eq!(those_named(depends), ["libc6", "libdb5.3"]);
    }
}
