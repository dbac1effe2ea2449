//! Release builds, each where its users look for it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::console::say;
use crate::install::wasm_toolchain::{TARGET, WasmToolchain};
use crate::process;
use crate::signals::Signals;
use crate::workspace::Workspace;

pub(crate) const WORKER: &str = "native-worker";
pub(crate) const DEV_HOST: &str = "dev-host";
pub(crate) const NATIVE_API: &str = "native-api";

/// `cargo xtask build`.
///
/// # Errors
/// No compiler for the component; something does not compile; we are asked to stop.
pub(crate) fn everything(workspace: &Workspace, signals: &Signals) -> anyhow::Result<()> {
    wasm(workspace, signals)?;
    native(workspace, signals, &[WORKER, NATIVE_API, DEV_HOST])?;
    say(&format!("component  {}", workspace.short(&workspace.wasm())));
    say(&format!("  WASI 0.3 {}", workspace.short(&workspace.wasm_wasip3())));
    say(&format!("worker     {}", workspace.short(&workspace.binary(WORKER))));
    say(&format!("API        {}", workspace.short(&workspace.binary(NATIVE_API))));
    say(&format!("dev host   {}", workspace.short(&workspace.binary(DEV_HOST))));
    Ok(())
}

/// Builds the component for WASI 0.2 and for WASI 0.3, to where their manifests say.
///
/// # Errors
/// As [`everything`].
pub(crate) fn wasm(workspace: &Workspace, signals: &Signals) -> anyhow::Result<()> {
    let toolchain = WasmToolchain::find_or_install(signals)?;
    let builds: [(PathBuf, PathBuf, &[&str]); 2] = [
        (workspace.target_dir(), workspace.wasm(), &[]),
        (workspace.wasip3_target_dir(), workspace.wasm_wasip3(), &["--no-default-features", "--features", "wasip3"]),
    ];
    for (target_dir, wasm, features) in builds {
        let (mut command, target_dir) = toolchain.cargo_build(workspace, &target_dir);
        command.args(["--release", "-p", "api-component"]).args(features);
        if !process::run(signals, &mut command)?.success() {
            bail!("the component does not compile for {TARGET}");
        }
        copy_if_changed(&target_dir.join(TARGET).join("release/api_component.wasm"), &wasm)?;
    }
    Ok(())
}

/// Builds the component that the API is measured beside, to where its manifest says.
///
/// # Errors
/// As [`everything`].
pub(crate) fn ceiling(workspace: &Workspace, signals: &Signals) -> anyhow::Result<()> {
    let (mut command, target_dir) =
        WasmToolchain::find_or_install(signals)?.cargo_build(workspace, &workspace.target_dir());
    command.args(["--release", "-p", "bench-ceiling"]);
    if !process::run(signals, &mut command)?.success() {
        bail!("the component that only pushes does not compile for {TARGET}");
    }
    let wasm = Path::new(TARGET).join("release/bench_ceiling.wasm");
    copy_if_changed(&target_dir.join(&wasm), &workspace.target_dir().join(&wasm))
}

/// Builds native programs in release mode.
///
/// # Errors
/// One does not compile; we are asked to stop.
pub(crate) fn native(workspace: &Workspace, signals: &Signals, packages: &[&str]) -> anyhow::Result<()> {
    for package in packages {
        // One by one: together they would be compiled with the features of all, and anew when one is tested alone.
        let mut command = workspace.cargo();
        command.args(["build", "--release", "-p", package]);
        if !process::run(signals, &mut command)?.success() {
            bail!("{package} does not compile");
        }
    }
    Ok(())
}

/// An unchanged file keeps its time stamp, so that hosts do not recompile the component.
fn copy_if_changed(from: &Path, to: &Path) -> anyhow::Result<()> {
    let built = fs::read(from).with_context(|| format!("the build has left no {}", from.display()))?;
    if from == to || fs::read(to).is_ok_and(|present| present == built) {
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
