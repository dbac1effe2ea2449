//! `cargo xtask dist`: what people download.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};
use clap::Args;

use crate::compile::{self, Part};
use crate::console::say;
use crate::install::apt::find_or_install;
use crate::process;
use crate::signals::Signals;
use crate::workspace::Workspace;

/// The only platform that programs are packed for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Links the C library into the programs: they then run where there is no other file. The GNU one does names and DNS without
/// any, and allocates faster than musl's.
const STATIC: &str = "-C target-feature=+crt-static";

/// Options of `cargo xtask dist`.
#[derive(Args)]
pub(crate) struct Options {
    /// The directory to write, which must be empty, or from an earlier run; by default target/dist.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Builds and packs.
///
/// # Errors
/// This machine is of another platform; something does not compile; we are asked to stop.
pub(crate) fn dist(workspace: &Workspace, signals: &Signals, options: &Options) -> anyhow::Result<()> {
    let out = match &options.out {
        Some(out) => std::path::absolute(out)?,
        None => workspace.target_dir().join("dist"),
    };
    pack(workspace, signals, &out)?;
    say(&format!("packed in {}", workspace.short(&out)));
    Ok(())
}

/// Builds and packs into a directory.
///
/// # Errors
/// As [`dist`].
pub(crate) fn pack(workspace: &Workspace, signals: &Signals, out: &Path) -> anyhow::Result<()> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")) {
        bail!("programs are packed for {TARGET} alone, and on such a machine: this one is another");
    }
    let certificates = Path::new("/etc/ssl/certs/ca-certificates.crt");
    let find = || certificates.exists().then_some(());
    find_or_install(signals, find, &["ca-certificates"], "install ca-certificates, which the images contain")?;
    compile::build(workspace, signals, &[Part::Wasip2, Part::Wasip3, Part::Dashboard])?;
    let commit = Commit::read(workspace)?;
    // In a directory of their own: other flags would make cargo throw away the normal build.
    let target_dir = workspace.target_dir().join("static");
    let mut build = workspace.cargo();
    build
        .args(["build", "--locked", "--profile", "dist", "--target", TARGET, "--target-dir"])
        .arg(&target_dir)
        .args(["-p", "native-api", "-p", "native-worker", "-p", "cli", "-p", "testkit"])
        .env("RUSTFLAGS", STATIC)
        .env("EMAIL_QUEUE_COMMIT", &commit.id);
    ensure!(process::run(signals, &mut build)?.success(), "the static programs do not compile, see above");
    let mut dist = workspace.cargo();
    dist.args(["run", "--quiet", "-p", "dist", "--"])
        .args([Path::new("--out"), out, Path::new("--root"), workspace.root(), Path::new("--programs")])
        .arg(target_dir.join(TARGET).join("dist"))
        .args([Path::new("--wasip2"), &workspace.wasm(), Path::new("--wasip3"), &workspace.wasm_wasip3()])
        .arg("--dashboard")
        .arg(workspace.dashboard_wasm())
        .args(["--commit", &commit.id, "--time", &commit.time])
        .arg("--certificates")
        .arg(certificates);
    ensure!(process::run(signals, &mut dist)?.success(), "packing has failed, see above");
    Ok(())
}

/// What is packed.
struct Commit {
    /// With `-dirty` where files differ from it.
    id: String,
    /// In seconds since 1970.
    time: String,
}

impl Commit {
    fn read(workspace: &Workspace) -> anyhow::Result<Self> {
        let id = git(workspace, &["describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"])?;
        Ok(Self { id, time: git(workspace, &["log", "-1", "--format=%ct"])? })
    }
}

fn git(workspace: &Workspace, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new("git").current_dir(workspace.root()).args(arguments).output();
    let output = output.context("git is needed to say which commit is packed")?;
    ensure!(output.status.success(), "git {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
