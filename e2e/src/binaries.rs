//! Where the programs under test are.

use std::{env, path::PathBuf};

/// What a test runs: the program, file or directory that the environment variable names, or else the one that
/// `cargo xtask` has put there in this workspace.
///
/// # Panics
/// When it is not there.
#[must_use]
pub fn path(variable: &str, built: &str) -> PathBuf {
    let path = env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| workspace().join(built));
    assert!(path.exists(), "{} is not there: run `cargo xtask test`, which puts it there", path.display());
    path
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
