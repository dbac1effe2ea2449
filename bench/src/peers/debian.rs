//! A package of Debian or Ubuntu, unpacked beside the system: with all it needs and the system lacks, and without root.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

/// Downloads a package and unpacks it into `directory/root`. apt keeps its lists in `directory` too: those of a container
/// are often removed, and those of the system may be stale.
///
/// # Errors
/// There is no apt, or no such package.
pub(super) fn unpack(package: &str, directory: &Path, limit: Duration) -> anyhow::Result<()> {
    let (lists, cache, debs) = (directory.join("lists"), directory.join("cache"), directory.join("debs"));
    for folder in [&lists.join("partial"), &cache.join("archives/partial"), &debs] {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    let apt = |arguments: &[&str]| -> anyhow::Result<String> {
        let mut apt = Command::new("apt-get");
        apt.args(["-o", &format!("Dir::State::lists={}", lists.display())]);
        apt.args(["-o", &format!("Dir::Cache={}", cache.display()), "-o", "Debug::NoLocking=1"]);
        // As root, apt would switch to a user who may not write here.
        apt.args(["-o", "APT::Sandbox::User=root"]);
        apt.args(arguments).env("LC_ALL", "C").current_dir(&debs);
        harness::run(&mut apt, limit)
    };
    apt(&["update"])?;
    let plan = apt(&["install", "--simulate", "--no-install-recommends", package])?;
    let missing = missing(&plan);
    // None: the system has it all.
    if !missing.is_empty() {
        apt(&[&["download"][..], &missing].concat())?;
    }
    let root = directory.join("root");
    for entry in fs::read_dir(&debs).context("cannot list what was downloaded")? {
        harness::run(Command::new("dpkg").arg("-x").arg(entry?.path()).arg(&root), limit)?;
    }
    ensure!(missing.is_empty() || root.exists(), "apt-get has downloaded nothing");
    Ok(())
}

/// The packages that apt would install, by the plan that it prints.
fn missing(plan: &str) -> Vec<&str> {
    plan.lines().filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next()).collect()
}

/// The Ruby in `root`, or else the system's, with the libraries in `root`.
pub(super) fn ruby(root: &Path) -> Command {
    let own = root.join("usr/bin/ruby");
    let mut ruby = Command::new(if own.exists() { own } else { "ruby".into() });
    // `usr/lib/x86_64-linux-gnu`, or whatever this machine is.
    let native: Vec<_> = children(&root.join("usr/lib")).filter(|path| path.join("ruby").is_dir()).collect();
    let mut libraries = vec![root.join("usr/lib/ruby/vendor_ruby")];
    libraries.extend(versions(&root.join("usr/lib/ruby")));
    for native in &native {
        libraries.extend(versions(&native.join("ruby/vendor_ruby")));
        libraries.extend(versions(&native.join("ruby")));
    }
    let gems = [root.join("usr/share/rubygems-integration/all"), "/usr/share/rubygems-integration/all".into()];
    ruby.env("LD_LIBRARY_PATH", joined(&native)).env("RUBYLIB", joined(&libraries)).env("GEM_PATH", joined(&gems));
    ruby
}

/// The directories that are named by a version, such as `3.1.0`.
fn versions(directory: &Path) -> impl Iterator<Item = PathBuf> {
    let is_version = |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes()[0].is_ascii_digit());
    children(directory).filter(is_version)
}

fn children(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path())
}

fn joined(paths: &[PathBuf]) -> OsString {
    let paths: Vec<_> = paths.iter().map(|path| path.as_os_str()).collect();
    paths.join(":".as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_packages_to_fetch_are_those_that_apt_would_install() {
        let plan = "Reading package lists...\nThe following NEW packages will be installed:\n  libruby ruby\n\
            Inst libruby (1:3.1 Debian:12/stable [amd64])\nInst ruby (1:3.1 Debian:12/stable [amd64])\n\
            Conf libruby (1:3.1 Debian:12/stable [amd64])\n";
        assert_eq!(missing(plan), ["libruby", "ruby"]);
    }

    #[test]
    fn ruby_is_told_of_every_library_folder_that_was_unpacked() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path();
        for folder in ["usr/bin/ruby", "usr/lib/ruby/3.1.0", "usr/lib/riscv64-linux-gnu/ruby/3.1.0"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        let ruby = ruby(root);
        assert_eq!(Path::new(ruby.get_program()), root.join("usr/bin/ruby"));
        let variable = |name: &str| {
            let (_, value) = ruby.get_envs().find(|(variable, _)| *variable == name).unwrap();
            value.unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(variable("LD_LIBRARY_PATH"), root.join("usr/lib/riscv64-linux-gnu").to_str().unwrap());
        assert!(variable("RUBYLIB").contains("usr/lib/ruby/3.1.0:"));
        assert!(variable("RUBYLIB").ends_with("usr/lib/riscv64-linux-gnu/ruby/3.1.0"));
    }
}
