//! A compiler for `wasm32-wasip1`: the Rust toolchain in use if it has the target, else Debian's own
//! compiler if it is installed, else whichever of the two can be installed.
//!
//! Debian builds its compiler without the target's standard library, so that one is compiled from its
//! source together with the component (`-Zbuild-std`), and linked with Debian's `wasi-libc` and LLD.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use anyhow::bail;

use crate::console::say;
use crate::install::apt::{Apt, newest_lld, newest_versioned};
use crate::process::run_quietly;
use crate::signals::Signals;
use crate::workspace::{Workspace, find_program, is_executable};

pub(crate) const TARGET: &str = "wasm32-wasip1";

/// The packages that make up Debian's toolchain, besides a versioned `lld`.
const DEBIAN_PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"];
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

/// `rustup` retries for a long time where there is no way to its server.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// A compiler that can build the component.
pub(crate) enum WasmToolchain {
    /// The toolchain in use, which has the target.
    InUse,
    /// Debian's compiler with this linker.
    Debian { linker: PathBuf },
}

impl WasmToolchain {
    /// Finds one, or installs one, and says which.
    ///
    /// # Errors
    /// There is none and none can be installed, with what to do by hand; we are asked to stop.
    pub(crate) fn find_or_install(signals: &Signals) -> anyhow::Result<WasmToolchain> {
        let chosen = match find() {
            Some(found) => found,
            None => install(signals)?,
        };
        match &chosen {
            WasmToolchain::InUse => say(&format!("{TARGET}: built by the Rust toolchain in use")),
            WasmToolchain::Debian { linker } => say(&format!(
                "{TARGET}: built by Debian's compiler ({DEBIAN_RUSTC}, {}), as the Rust toolchain in use lacks the target",
                linker.display(),
            )),
        }
        Ok(chosen)
    }

    /// The beginning of a cargo command for the target, and cargo's target directory for it: the one given, or one in it.
    pub(crate) fn cargo_build(&self, workspace: &Workspace, target_dir: &Path) -> (Command, PathBuf) {
        let (mut command, target_dir) = match self {
            WasmToolchain::InUse => {
                let mut command = workspace.cargo();
                command.env("CARGO_TARGET_DIR", target_dir).arg("build");
                (command, target_dir.to_owned())
            }
            WasmToolchain::Debian { linker } => {
                // A directory of its own: the two compilers would undo each other's work.
                let target_dir = target_dir.join("debian-wasm");
                let mut command = debian_cargo(workspace, linker);
                command.env("CARGO_TARGET_DIR", &target_dir).args(["build", "-Zbuild-std=std,panic_abort"]);
                (command, target_dir)
            }
        };
        // Flags meant for native code, such as a choice of linker, do not fit this target.
        command.env_remove("CARGO_ENCODED_RUSTFLAGS");
        if let WasmToolchain::InUse = self {
            command.env_remove("RUSTFLAGS");
        }
        command.args(["--target", TARGET]);
        (command, target_dir)
    }
}

/// A toolchain that needs no installing.
fn find() -> Option<WasmToolchain> {
    if toolchain_in_use_has_target() { Some(WasmToolchain::InUse) } else { find_debian().ok() }
}

fn install(signals: &Signals) -> anyhow::Result<WasmToolchain> {
    let mut tried = Vec::new();
    match add_with_rustup(signals)? {
        Ok(()) => return Ok(WasmToolchain::InUse),
        Err(reason) => {
            say(&format!("{reason}: falling back to Debian's compiler"));
            tried.push(reason);
        }
    }
    match Apt::find()? {
        Some(apt) => {
            apt.install(signals, debian_packages)?;
            match find_debian() {
                Ok(debian) => return Ok(debian),
                Err(reason) => tried.push(reason),
            }
        }
        None => tried.push("there is no apt-get".to_owned()),
    }
    bail!("no compiler for {TARGET} ({}): run `rustup target add {TARGET}` and try again", tried.join("; "))
}

/// The toolchain in use is whichever `rustc` cargo calls; `--print target-libdir` names a directory
/// also where nothing is installed.
fn toolchain_in_use_has_target() -> bool {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let Ok(output) = Command::new(rustc).args(["--print", "target-libdir", "--target", TARGET]).output() else {
        return false;
    };
    let directory = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success() && has_standard_library(Path::new(&directory))
}

fn has_standard_library(directory: &Path) -> bool {
    fs::read_dir(directory)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with("libstd-")))
}

/// The outer error is that we are asked to stop, the inner one why rustup is of no help.
fn add_with_rustup(signals: &Signals) -> anyhow::Result<Result<(), String>> {
    if find_program("rustup").is_none() {
        return Ok(Err("there is no rustup".to_owned()));
    }
    say(&format!("installing the target {TARGET} (rustup)..."));
    let mut command = Command::new("rustup");
    command.args(["target", "add", TARGET]);
    let (status, lines) = run_quietly(signals, &mut command, Some(RUSTUP_LIMIT))?;
    if !status.success() {
        return Ok(Err(format!("rustup cannot add the target ({})", reason(&lines, status))));
    }
    if !toolchain_in_use_has_target() {
        return Ok(Err("rustup has added it to another toolchain than the one in use".to_owned()));
    }
    Ok(Ok(()))
}

/// The first line of rustup's output that is an error: a backtrace may follow.
fn reason(lines: &[String], status: ExitStatus) -> String {
    let error = lines.iter().find_map(|line| line.strip_prefix("error: "));
    error.map_or_else(|| status.to_string(), str::to_owned)
}

fn debian_packages() -> Vec<String> {
    let linker = newest_lld().unwrap_or_else(|| "lld".to_owned());
    DEBIAN_PACKAGES.into_iter().map(str::to_owned).chain([linker]).collect()
}

fn find_debian() -> Result<WasmToolchain, String> {
    let lacks = |what: &str| format!("Debian's compiler lacks {what}");
    let version = version_of(Path::new(DEBIAN_RUSTC)).ok_or_else(|| lacks(DEBIAN_RUSTC))?;
    let needed = env!("CARGO_PKG_RUST_VERSION");
    if !is_at_least(&version, needed) {
        return Err(format!("Debian's compiler is {version}, and Rust {needed} is needed"));
    }
    if !is_executable(Path::new(DEBIAN_CARGO)) {
        return Err(lacks(DEBIAN_CARGO));
    }
    if !Path::new(DEBIAN_WASI_LIBC).join("libc.a").exists() {
        return Err(lacks(DEBIAN_WASI_LIBC));
    }
    let source = Path::new("/usr/lib/rustlib/src/rust/library/Cargo.lock");
    if !source.exists() {
        return Err(lacks("the source of the standard library"));
    }
    let linker = find_linker(Path::new("/usr/bin")).ok_or_else(|| lacks("wasm-ld"))?;
    Ok(WasmToolchain::Debian { linker })
}

/// The newest `wasm-ld-NN` there.
fn find_linker(directory: &Path) -> Option<PathBuf> {
    let names: Vec<String> =
        fs::read_dir(directory).ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let newest = newest_versioned("wasm-ld-", names.iter().map(String::as_str))?;
    Some(directory.join(newest))
}

/// The second word of `rustc --version`.
fn version_of(rustc: &Path) -> Option<String> {
    let output = Command::new(rustc).arg("--version").env_remove("LD_LIBRARY_PATH").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().nth(1)?.to_owned())
}

fn is_at_least(version: &str, needed: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> { text.split('.').map_while(|number| number.parse().ok()).collect() };
    numbers(version) >= numbers(needed)
}

fn debian_cargo(workspace: &Workspace, linker: &Path) -> Command {
    let mut command = Command::new(DEBIAN_CARGO);
    let mut flags = OsString::from("-Clink-self-contained=no -Clinker=");
    flags.push(linker);
    flags.push(" -L");
    flags.push(DEBIAN_WASI_LIBC);
    command
        .current_dir(workspace.root())
        .env("RUSTC", DEBIAN_RUSTC)
        // `-Zbuild-std` is unstable; this is the standard library's own way of being compiled.
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags);
    // What the cargo that runs us has set points to its own toolchain, libraries included.
    for name in ["CARGO", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "RUSTDOC"] {
        command.env_remove(name);
    }
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_directory_without_a_standard_library_is_no_target() {
        let directory = tempfile::tempdir().unwrap();
        assert!(!has_standard_library(&directory.path().join("missing")));
        assert!(!has_standard_library(directory.path()));
        fs::write(directory.path().join("libstd-0123456789abcdef.rlib"), "").unwrap();
        assert!(has_standard_library(directory.path()));
    }

    #[test]
    fn the_newest_linker_in_a_directory_is_taken() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(find_linker(directory.path()), None);
        for name in ["wasm-ld-9", "wasm-ld-22", "wasm-ld-19", "wasm-ld-old", "ld"] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        assert_eq!(find_linker(directory.path()), Some(directory.path().join("wasm-ld-22")));
    }

    #[test]
    fn what_rustup_says_is_found_before_its_backtrace() {
        use std::os::unix::process::ExitStatusExt;
        let lines = ["info: downloading", "error: no network", "Stack backtrace:", "15: <unknown>"].map(str::to_owned);
        assert_eq!(reason(&lines, ExitStatus::from_raw(256)), "no network");
        assert_eq!(reason(&lines[2..], ExitStatus::from_raw(256)), "exit status: 1");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(is_at_least("1.96.0", "1.95"));
        assert!(is_at_least("1.95.0", "1.95"));
        assert!(is_at_least("1.100.0", "1.95"));
        assert!(!is_at_least("1.85.0", "1.95"));
        assert!(!is_at_least("", "1.95"));
    }
}
