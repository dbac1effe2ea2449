//! Installing Debian packages.

use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, bail};

use crate::console::{complain, say};
use crate::process::run_quietly;
use crate::signals::Signals;
use crate::workspace::find_program;

/// What `find` finds, after installing Debian packages if it finds nothing.
///
/// # Errors
/// It cannot be installed here; `by_hand` says what to do then.
pub(crate) fn find_or_install<T>(
    signals: &Signals,
    find: impl Fn() -> Option<T>,
    packages: &[&str],
    by_hand: &str,
) -> anyhow::Result<T> {
    if let Some(found) = find() {
        return Ok(found);
    }
    let names = packages.join(" ");
    let Some(apt) = Apt::find()? else { bail!("{names} cannot be installed here: {by_hand}") };
    apt.install(signals, || packages.iter().map(|&name| name.to_owned()).collect()).context(by_hand.to_owned())?;
    find().with_context(|| format!("{names} has been installed, and what is needed is still not found: {by_hand}"))
}

/// Another apt may be at work, for example the daily update: wait for it this many seconds.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=120";

/// An `apt-get` that can be used, as root or with sudo.
pub(crate) struct Apt {
    right: Right,
}

/// What makes us root.
enum Right {
    Root,
    Sudo,
    None,
}

impl Apt {
    /// Finds `apt-get`, and sudo if needed; `None` on a system without it.
    ///
    /// # Errors
    /// `sudo` is there and cannot be started.
    pub(crate) fn find() -> anyhow::Result<Option<Apt>> {
        if find_program("apt-get").is_none() {
            return Ok(None);
        }
        let right = if rustix::process::geteuid().is_root() {
            Right::Root
        } else if sudo_needs_no_password()? {
            Right::Sudo
        } else {
            Right::None
        };
        Ok(Some(Apt { right }))
    }

    /// Reads the package lists anew and installs the packages that `choose` then names, knowing the
    /// lists. What apt says is shown only if it fails.
    ///
    /// # Errors
    /// No permission, with the command to run by hand; apt fails; interrupted.
    pub(crate) fn install(&self, signals: &Signals, choose: impl Fn() -> Vec<String>) -> anyhow::Result<()> {
        if matches!(self.right, Right::None) {
            bail!(
                "installing needs root: run `sudo apt-get install --no-install-recommends {}` and try again",
                choose().join(" "),
            );
        }
        say("reading package lists (apt-get update)...");
        let (status, lines) = run_quietly(signals, self.apt_get().arg("update"), None)?;
        if !status.success() {
            // The present lists may suffice.
            say(&format!("apt-get update failed, going on without:\n  {}", lines.join("\n  ")));
        }
        let packages = choose();
        let names = packages.join(" ");
        say(&format!("installing {names} (apt-get)..."));
        let started = Instant::now();
        let mut install = self.apt_get();
        install.args(["install", "-y", "--no-install-recommends"]).args(&packages);
        let (status, lines) = run_quietly(signals, &mut install, None)?;
        if !status.success() {
            complain(&format!("  {}", lines.join("\n  ")));
            bail!(
                "apt-get could not install {names} ({status}, see above): \
                 check that this machine reaches its package mirror, or install the same by other means"
            );
        }
        say(&format!("installed in {} s", started.elapsed().as_secs()));
        Ok(())
    }

    fn apt_get(&self) -> Command {
        let mut command = match self.right {
            Right::Sudo => {
                let mut sudo = Command::new("sudo");
                sudo.args(["-n", "env"]);
                sudo
            }
            Right::Root | Right::None => Command::new("env"),
        };
        // Through `env`, as sudo passes no variables on.
        command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", LOCK_TIMEOUT]);
        command
    }
}

/// The newest `lld-NN` in the package lists.
pub(crate) fn newest_lld() -> Option<String> {
    let output = Command::new("apt-cache").args(["search", "--names-only", "^lld-[0-9]+$"]).output().ok()?;
    newest_versioned("lld-", String::from_utf8_lossy(&output.stdout).lines())
}

/// Among names like `lld-19 - a linker`, the one with the highest number after `prefix`.
pub(crate) fn newest_versioned<'a>(prefix: &str, names: impl Iterator<Item = &'a str>) -> Option<String> {
    let version = |name: &str| -> Option<u32> { name.split_whitespace().next()?.strip_prefix(prefix)?.parse().ok() };
    let newest = names.filter_map(version).max()?;
    Some(format!("{prefix}{newest}"))
}

fn sudo_needs_no_password() -> anyhow::Result<bool> {
    if find_program("sudo").is_none() {
        return Ok(false);
    }
    let quiet = Stdio::null;
    let status = Command::new("sudo").args(["-n", "true"]).stdin(quiet()).stdout(quiet()).stderr(quiet()).status()?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_linker_is_chosen_by_number_and_not_by_spelling() {
        let search = "lld-9 - LLVM-based linker\nlld-22 - LLVM-based linker\nlld-19 - LLVM-based linker";
        assert_eq!(newest_versioned("lld-", search.lines()), Some("lld-22".to_owned()));
    }

    #[test]
    fn names_without_a_number_are_passed_over() {
        let names = ["lld", "lld-", "lld-22-dev", "liblld-22"];
        assert_eq!(newest_versioned("lld-", names.into_iter()), None);
    }
}
