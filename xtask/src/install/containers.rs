//! What the container tests need: podman, and what reads the recipes.

use std::path::PathBuf;

use crate::install::apt::find_or_install as find_or_install_packages;
use crate::install::clients::{find_or_install_keda_models, find_or_install_recipe_tools};
use crate::signals::Signals;
use crate::workspace::{Workspace, find_program};

/// Debian's packages.
const PACKAGES: [&str; 8] =
    ["podman", "buildah", "runc", "netavark", "aardvark-dns", "catatonit", "iptables", "skopeo"];

/// What reads the recipes.
pub(crate) struct RecipeTools {
    /// The folder of programs.
    pub(crate) programs: PathBuf,
    /// The `node_modules` with KEDA's schemas.
    pub(crate) keda_models: PathBuf,
}

/// What reads the recipes, after podman is found or installed; `None` where containers cannot be run: by another
/// user than root, or on another platform than that of the images.
///
/// # Errors
/// Something is missing and cannot be installed; we are asked to stop.
pub(crate) fn find_or_install(workspace: &Workspace, signals: &Signals) -> anyhow::Result<Option<RecipeTools>> {
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) || !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let on_path = ["podman", "buildah", "runc", "catatonit", "iptables", "skopeo"];
    let find = || on_path.iter().all(|name| find_program(name).is_some()).then_some(());
    find_or_install_packages(
        signals,
        find,
        &PACKAGES,
        "install podman with runc and netavark, for the container tests",
    )?;
    let programs = find_or_install_recipe_tools(workspace, signals)?;
    Ok(Some(RecipeTools { programs, keda_models: find_or_install_keda_models(workspace, signals)? }))
}
