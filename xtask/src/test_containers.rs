//! `cargo xtask test containers`: what `cargo xtask dist` packs, and the recipes that run it.

use std::sync::Arc;

use anyhow::Context;

use crate::compile;
use crate::dist;
use crate::install::clients::{KEDA_MODELS_VARIABLE, RECIPE_TOOLS_VARIABLE};
use crate::install::containers;
use crate::install::redis;
use crate::install::test_tools::find_or_install_curl;
use crate::signals::Signals;
use crate::test_count::TestCount;
use crate::test_step::{run_tests, step};
use crate::workspace::{DIST, Workspace};

/// Packs and tests, with the tools of [`containers::find_or_install`].
///
/// # Errors
/// There are no tools, because containers cannot be run here; another tool is missing and cannot be installed; something does not
/// compile; a test fails; we are asked to stop.
pub(crate) fn run(
    workspace: &Workspace,
    signals: &Signals,
    test_args: &[String],
    count: &Arc<TestCount>,
    tools: Option<containers::RecipeTools>,
) -> anyhow::Result<()> {
    let tools = tools.context("the container tests need root and x86-64 Linux")?;
    let redis_server = redis::find_or_install_server(signals)?;
    find_or_install_curl(signals)?;
    let (packed, again) = (workspace.target_dir().join("dist"), workspace.target_dir().join("dist-again"));
    step("cargo xtask dist", || {
        compile::for_tests(workspace, signals)?;
        // Packed twice, so that a test can compare.
        [&packed, &again].into_iter().try_for_each(|out| dist::pack(workspace, signals, out))
    })?;
    step("cargo test -p dist", || {
        let mut command = workspace.cargo();
        command
            .args(["test", "-p", DIST, "--no-fail-fast", "--"])
            .args(test_args)
            .envs(compile::environment(workspace))
            .env("DIST_DIR", &packed)
            .env("DIST_AGAIN_DIR", &again)
            .env("REDIS_SERVER", &redis_server)
            .env(RECIPE_TOOLS_VARIABLE, &tools.programs)
            .env(KEDA_MODELS_VARIABLE, &tools.keda_models);
        run_tests(signals, &mut command, count)
    })
}
