//! A Debian package that is unpacked and not installed, so that a test sets up no server on the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::console::say;
use crate::install::apt::Apt;
use crate::process::run_step;
use crate::signals::Signals;
use crate::workspace::Workspace;

/// A package that tests need.
pub(crate) struct Unpacked {
    pub(crate) package: &'static str,
    /// Names the directory under which it is, laid out as in the package; `/` if it is installed.
    pub(crate) variable: &'static str,
    /// Whether its programs are under this directory and find their libraries.
    pub(crate) runs: fn(&Path) -> bool,
}

impl Unpacked {
    /// The directory under which it is.
    ///
    /// # Errors
    /// It is missing, and the package cannot be downloaded or does not run; the error says what to do by hand.
    pub(crate) fn find_or_unpack(&self, workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
        let Self { package, variable, runs } = *self;
        let named = std::env::var_os(variable).map(PathBuf::from);
        let unpacked = workspace.test_tool(package);
        let mut roots = [named, Some(PathBuf::from("/")), Some(unpacked.clone())].into_iter().flatten();
        if let Some(root) = roots.find(|root| runs(root)) {
            return Ok(root);
        }
        let by_hand = format!("install {package}, or set {variable} to where its package is unpacked");
        let Some(apt) = Apt::find()? else { bail!("the tests need {package}: {by_hand}") };
        unpack(signals, package, &unpacked).context(by_hand.clone())?;
        if !runs(&unpacked) {
            // Libraries that other programs need too; they start nothing.
            apt.install(signals, || libraries(package))?;
        }
        if runs(&unpacked) { Ok(unpacked) } else { bail!("Debian's {package} does not run here: {by_hand}") }
    }
}

/// Fetches the package, and unpacks it into a directory, which is emptied before.
fn unpack(signals: &Signals, package: &str, directory: &Path) -> anyhow::Result<()> {
    say(&format!("fetching {package} (apt-get download)..."));
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))?;
    let mut download = Command::new("apt-get");
    // Run as root, apt would fetch as a user of its own, who may not write here.
    download.args(["-q", "-o", "APT::Sandbox::User=root", "download", package]).current_dir(directory);
    run_step(signals, &mut download, &format!("download {package}"))?;
    let file = fs::read_dir(directory)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get has downloaded no package")?;
    let mut unpack = Command::new("dpkg");
    unpack.arg("-x").arg(&file).arg(directory);
    run_step(signals, &mut unpack, &format!("unpack {}", file.display()))
}

/// The packages that bring what its programs are linked to.
fn libraries(package: &str) -> Vec<String> {
    let output = Command::new("apt-cache").args(["depends", package]).output();
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
    fn only_the_libraries_of_a_server_are_installed() {
        let depends = "postfix\n  PreDepends: init-system-helpers\n |Depends: debconf\n  Depends: adduser\n  \
                       Depends: libc6\n  Depends: libdb5.3\n  Conflicts: libnothing\n  Suggests: libsasl2-modules\n";
        assert_eq!(those_named(depends), ["libc6", "libdb5.3"]);
    }
}
