//! A step of `cargo xtask test`.

use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

use anyhow::bail;

use crate::console::say;
use crate::process;
use crate::signals::Signals;
use crate::test_count::TestCount;

/// Runs a step between a line with its name and one with the time that it took.
///
/// # Errors
/// Those of the step.
pub(crate) fn step(name: &str, run: impl FnOnce() -> anyhow::Result<()>) -> anyhow::Result<()> {
    say(&format!("\n== {name}"));
    let started = Instant::now();
    run()?;
    say(&format!("== done in {:.1} s", started.elapsed().as_secs_f64()));
    Ok(())
}

/// Runs test programs, and adds up what they report.
///
/// # Errors
/// A test fails, or the programs do not compile; interrupted.
pub(crate) fn run_tests(signals: &Signals, command: &mut Command, count: &Arc<TestCount>) -> anyhow::Result<()> {
    let reader = Arc::clone(count);
    let status = process::run_by_line(signals, command, move |line| {
        say(line);
        reader.read(line);
    })?;
    if !status.success() {
        bail!("tests failed, see above");
    }
    Ok(())
}
