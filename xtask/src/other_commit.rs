//! Another commit's programs, for `cargo xtask bench --against`.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::compile::{self, Part};
use crate::console::say;
use crate::process;
use crate::signals::Signals;
use crate::workspace::{NATIVE_API, Profile, WORKER, Workspace};

/// How long git may take to look a name up.
const GIT_LIMIT: Duration = Duration::from_secs(30);

/// Builds a commit in a checkout of its own, `target/bench-tools/against`, and answers where that is. The checkout stays, with what
/// is compiled in it, for the next commit.
///
/// # Errors
/// Git is missing or knows no such commit; the commit does not compile; interrupted.
pub(crate) fn build(workspace: &Workspace, signals: &Signals, commit: &str) -> anyhow::Result<PathBuf> {
    let git = || {
        let mut git = Command::new("git");
        git.current_dir(workspace.root());
        git
    };
    // A name such as HEAD~1 means another commit in the other checkout.
    let name = format!("{commit}^{{commit}}");
    let hash = harness::run(git().args(["rev-parse", "--verify", "--end-of-options", &name]), GIT_LIMIT)
        .with_context(|| format!("there is no commit {commit}"))?;
    let checkout = workspace.bench_tool("against");
    let mut check_out = git();
    if checkout.join(".git").exists() {
        check_out.arg("-C").arg(&checkout).args(["checkout", "--detach", "--force", hash.trim()]);
    } else {
        // The last one may have been deleted with target/, and git still knows it.
        check_out.args(["worktree", "add", "--force", "--detach"]).arg(&checkout).arg(hash.trim());
    }
    process::run_step(signals, &mut check_out, &format!("check out {commit}"))?;

    say(&format!("building {commit} in {}", workspace.short(&checkout)));
    let other = Workspace::at(checkout.clone());
    let mut parts =
        vec![Part::Wasip3, Part::Native(WORKER, Profile::Release), Part::Native(NATIVE_API, Profile::Release)];
    ensure!(checkout.join("native-api").is_dir(), "{commit} is from before the native server, which is measured");
    if checkout.join("dashboard").is_dir() {
        parts.push(Part::Dashboard);
    }
    compile::build(&other, signals, &parts)?;
    Ok(checkout)
}
