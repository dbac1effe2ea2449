//! Builds, each where its users look for it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use harness::{Output, Process, http};

use crate::console::say;
use crate::install::wasm_toolchain::{TARGET, WasmToolchain};
use crate::process::{self, LAST_LINES};
use crate::signals::Signals;
use crate::workspace::{DEV_HOST, NATIVE_API, Profile, WASIP2_MANIFEST, WASIP3_MANIFEST, WORKER, Workspace};

/// How long dev-host may take to compile a component to machine code.
const COMPONENT_LIMIT: Duration = Duration::from_secs(300);

/// What can be built.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The component for WASI 0.2, where its manifest says.
    Wasip2,
    /// The component for WASI 0.3, where its manifest says.
    Wasip3,
    /// The component of the web page, where both manifests say.
    Dashboard,
    /// The component that the API is measured beside.
    Ceiling,
    /// A program.
    Native(&'static str, Profile),
}

/// What users run, in release mode.
const RELEASE: [Part; 6] = [
    Part::Wasip2,
    Part::Wasip3,
    Part::Dashboard,
    Part::Native(WORKER, Profile::Release),
    Part::Native(NATIVE_API, Profile::Release),
    Part::Native(DEV_HOST, Profile::Release),
];

/// What the end-to-end tests run on Spin.
pub(crate) const FOR_SPIN: [Part; 4] =
    [Part::Wasip2, Part::Wasip3, Part::Dashboard, Part::Native(WORKER, Profile::Release)];

/// What the end-to-end tests run on dev-host.
const TESTED: [Part; 6] = [
    Part::Wasip2,
    Part::Wasip3,
    Part::Dashboard,
    Part::Native(WORKER, Profile::Release),
    Part::Native(NATIVE_API, Profile::Release),
    Part::Native(DEV_HOST, Profile::Quick),
];

/// Everything in release mode, and where it is: `cargo xtask build`.
///
/// # Errors
/// As [`build`].
pub(crate) fn everything(workspace: &Workspace, signals: &Signals) -> anyhow::Result<()> {
    build(workspace, signals, &RELEASE)?;
    for part in RELEASE {
        say(&format!("{part}: {}", workspace.short(&part.wanted(workspace))));
    }
    Ok(())
}

/// What the benches measure, in release mode.
///
/// # Errors
/// As [`build`].
pub(crate) fn for_benches(workspace: &Workspace, signals: &Signals) -> anyhow::Result<()> {
    build(workspace, signals, &[&RELEASE[..], &[Part::Ceiling]].concat())
}

/// Builds all of these side by side. Cargo's output is shown, each line behind the name of the part.
///
/// # Errors
/// No compiler for the component; something does not compile; we are asked to stop.
pub(crate) fn build(workspace: &Workspace, signals: &Signals, parts: &[Part]) -> anyhow::Result<()> {
    let is_wasm = |part: &Part| !matches!(part, Part::Native(..));
    let toolchain = parts.iter().any(is_wasm).then(|| WasmToolchain::find_or_install(signals)).transpose()?;
    announce(workspace, parts);
    let builds = parts.iter().map(|part| part.build(workspace, toolchain.as_ref()));
    let mut builds = builds.collect::<anyhow::Result<Vec<_>>>()?;
    let steps = builds.iter_mut().zip(parts).map(|(build, part)| (part.to_string(), &mut build.command));
    process::run_side_by_side(signals, steps.collect())?;
    builds.iter().try_for_each(|build| copy_if_changed(&build.made, &build.wanted))
}

/// Builds what the end-to-end tests run, and lets dev-host compile each component once: many tests that all start with
/// that would take long.
///
/// # Errors
/// As [`build`]; dev-host does not start.
pub(crate) fn for_tests(workspace: &Workspace, signals: &Signals) -> anyhow::Result<()> {
    build(workspace, signals, &TESTED)?;
    for manifest in [WASIP2_MANIFEST, WASIP3_MANIFEST] {
        let mut host = Command::new(workspace.binary(DEV_HOST, Profile::Quick));
        host.arg("--from").arg(workspace.manifest(manifest)).args(["--listen", "127.0.0.1:0"]);
        let host = Process::start(&mut host, Output::Lines(LAST_LINES, None))?;
        http::serving_address(&host, COMPONENT_LIMIT)?;
    }
    Ok(())
}

/// The environment in which tests find what [`for_tests`] has built.
pub(crate) fn environment(workspace: &Workspace) -> [(&'static str, PathBuf); 2] {
    [
        ("NATIVE_WORKER", workspace.binary(WORKER, Profile::Release)),
        ("DEV_HOST", workspace.binary(DEV_HOST, Profile::Quick)),
    ]
}

/// Prints how long it may take. Only cargo can find out what has to be compiled again.
fn announce(workspace: &Workspace, parts: &[Part]) {
    let seconds = |parts: &mut dyn Iterator<Item = &Part>| parts.map(|part| part.cpu_seconds()).sum::<usize>();
    let missing = seconds(&mut parts.iter().filter(|part| !part.wanted(workspace).exists()));
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let minutes = |seconds: usize| (seconds / cores).div_ceil(60);
    if missing > 0 {
        let minutes = minutes(missing);
        say(&format!("compiling for the first time, which may take {minutes} minutes on {cores} cores..."));
    } else {
        let minutes = minutes(seconds(&mut parts.iter()));
        say(&format!("compiling what has changed; up to {minutes} minutes if the compiler or dependencies have..."));
    }
}

/// A call of cargo, what it leaves, and where its users look for that.
struct Build {
    command: Command,
    made: PathBuf,
    wanted: PathBuf,
}

impl Part {
    fn build(self, workspace: &Workspace, toolchain: Option<&WasmToolchain>) -> anyhow::Result<Build> {
        let wanted = self.wanted(workspace);
        let (package, target_dir, features): (_, _, &[&str]) = match self {
            Part::Native(package, profile) => {
                let mut command = workspace.cargo();
                command.args(["build", "--profile", profile.name(), "-p", package]);
                return Ok(Build { command, made: wanted.clone(), wanted });
            }
            Part::Wasip2 => ("api-component", workspace.target_dir(), &[]),
            Part::Wasip3 => {
                ("api-component", workspace.wasip3_target_dir(), &["--no-default-features", "--features", "wasip3"])
            }
            Part::Dashboard => ("dashboard-component", workspace.target_dir(), &[]),
            Part::Ceiling => ("bench-ceiling", workspace.target_dir(), &[]),
        };
        let toolchain = toolchain.context("no compiler for the component was looked for")?;
        let (mut command, target_dir) = toolchain.cargo_build(workspace, &target_dir);
        command.args(["--release", "-p", package]).args(features);
        Ok(Build { command, made: target_dir.join(wasm_file(package)), wanted })
    }

    fn wanted(self, workspace: &Workspace) -> PathBuf {
        match self {
            Part::Wasip2 => workspace.wasm(),
            Part::Wasip3 => workspace.wasm_wasip3(),
            Part::Dashboard => workspace.dashboard_wasm(),
            Part::Ceiling => workspace.target_dir().join(wasm_file("bench-ceiling")),
            Part::Native(name, profile) => workspace.binary(name, profile),
        }
    }

    /// About how long it occupies a processor if none of its dependencies are compiled yet.
    fn cpu_seconds(self) -> usize {
        match self {
            Part::Wasip2 | Part::Wasip3 => 90,
            Part::Dashboard => 5,
            Part::Ceiling => 60,
            Part::Native(DEV_HOST, Profile::Release) => 660,
            Part::Native(DEV_HOST, Profile::Quick) => 230,
            Part::Native(_, Profile::Release) => 200,
            Part::Native(_, Profile::Quick) => 80,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Part::Wasip2 => "component",
            Part::Wasip3 => "component, WASI 0.3",
            Part::Dashboard => "web page",
            Part::Ceiling => "ceiling",
            Part::Native(name, _) => name,
        })
    }
}

/// Where cargo leaves a component, in its target directory.
fn wasm_file(package: &str) -> PathBuf {
    Path::new(TARGET).join("release").join(package.replace('-', "_")).with_extension("wasm")
}

/// An unchanged file keeps its time stamp, so that hosts do not recompile the component.
fn copy_if_changed(from: &Path, to: &Path) -> anyhow::Result<()> {
    if from == to {
        return Ok(());
    }
    let built = fs::read(from).with_context(|| format!("the build has left no {}", from.display()))?;
    if fs::read(to).is_ok_and(|present| present == built) {
        return Ok(());
    }
    let cannot = || format!("cannot write {}", to.display());
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory).with_context(cannot)?;
    }
    // Renamed into place, as a running host may read it at this moment.
    let partial = to.with_extension("wasm.partial");
    fs::write(&partial, built).with_context(cannot)?;
    fs::rename(&partial, to).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_copied_only_when_it_has_changed() {
        let home = tempfile::tempdir().unwrap();
        let (from, to) = (home.path().join("a.wasm"), home.path().join("deep/down/b.wasm"));
        fs::write(&from, "one").unwrap();
        copy_if_changed(&from, &to).unwrap();
        let mut permissions = fs::metadata(&to).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&to, permissions.clone()).unwrap();

        // A copy is a new file, which is not read-only.
        copy_if_changed(&from, &to).unwrap();
        assert!(fs::metadata(&to).unwrap().permissions().readonly());

        fs::write(&from, "two").unwrap();
        copy_if_changed(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "two");
        assert!(!fs::metadata(&to).unwrap().permissions().readonly());
    }

    #[test]
    fn a_missing_build_result_is_named() {
        let home = tempfile::tempdir().unwrap();
        let error = copy_if_changed(&home.path().join("a.wasm"), &home.path().join("b.wasm")).unwrap_err();
        assert!(error.to_string().contains("a.wasm"));
    }
}
