//! What the tests of the web page run in: Debian's Chromium, and packages of npm that drive it and judge the page.

use std::env;
use std::path::PathBuf;

use crate::install::apt::find_or_install;
use crate::install::clients::find_or_install_from_npm;
use crate::signals::Signals;
use crate::workspace::{Workspace, find_program};

/// Names the program `chromium`, here and for the tests.
pub(crate) const CHROMIUM_VARIABLE: &str = "CHROMIUM";

/// Names the `node_modules` with `playwright-core` and `axe-core`, here and for the tests.
pub(crate) const PAGE_TOOLS_VARIABLE: &str = "PAGE_TOOLS";

/// The program `chromium`.
///
/// # Errors
/// There is none and none can be installed.
pub(crate) fn find_or_install_chromium(signals: &Signals) -> anyhow::Result<PathBuf> {
    let find = || {
        let named = env::var_os(CHROMIUM_VARIABLE).map(PathBuf::from);
        named.or_else(|| find_program("chromium")).or_else(|| find_program("google-chrome"))
    };
    let by_hand = format!("install Chromium, or set {CHROMIUM_VARIABLE} to its program");
    find_or_install(signals, find, &["chromium"], &by_hand)
}

/// The `node_modules` of the tests of the page.
///
/// # Errors
/// There is no Node and none can be installed; npm fails; we are asked to stop.
pub(crate) fn find_or_install_page_tools(workspace: &Workspace, signals: &Signals) -> anyhow::Result<PathBuf> {
    if let Some(named) = env::var_os(PAGE_TOOLS_VARIABLE) {
        return Ok(named.into());
    }
    find_or_install_from_npm(workspace, signals, ["page", "page"], "what drives a browser")
}
