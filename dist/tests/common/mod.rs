//! What the tests of packages and recipes have in common.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]
#![allow(dead_code, reason = "each test program uses some of it")]

pub(crate) mod podman;
pub(crate) mod queue;

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long something may take to start on a busy machine.
pub(crate) const START: Duration = Duration::from_secs(120);

/// What `cargo xtask dist` has packed.
pub(crate) fn dist() -> PathBuf {
    path("DIST_DIR", "target/dist")
}

/// A folder of `deploy/`.
pub(crate) fn recipe(name: &str) -> PathBuf {
    root().join("deploy").join(name)
}

/// What the environment variable names, or else the file or folder where `cargo xtask test containers` puts it.
pub(crate) fn path(variable: &str, built: &str) -> PathBuf {
    let path = env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| root().join(built));
    assert!(path.exists(), "{} is not there: run `cargo xtask test containers`", path.display());
    path
}

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// What a program prints; it must succeed.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("cannot run {command:?}: {error}"));
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}: {}\n{out}{err}", output.status);
    out.into_owned()
}
