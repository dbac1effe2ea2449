//! Where the programs under test are.

use std::{env, path::PathBuf};

/// The program that `variable` names, or else the one where a build of this workspace puts it.
pub(crate) fn path(variable: &str, built: &str) -> PathBuf {
    let path = env::var_os(variable).map(PathBuf::from).unwrap_or_else(|| workspace().join(built));
    assert!(path.exists(), "{} is not there: run `cargo xtask test`, which builds it", path.display());
    path
}

fn workspace() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
