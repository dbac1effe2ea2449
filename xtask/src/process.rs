//! Steps: child processes that are run to their end.
//!
//! Each child leads a process group of its own, so Ctrl-C reaches xtask alone, which then stops its children in an order
//! that loses nothing.

use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use harness::{Output, Process, Signal};

use crate::console::complain;
use crate::signals::{Interrupted, Signals, Wake};

/// How many lines of a child's output are kept to be shown when it fails.
pub(crate) const LAST_LINES: usize = 20;

/// How long a step that is stopped has for its own clean-up.
const STEP_GRACE: Duration = Duration::from_secs(5);

/// Runs a step with its output on our terminal, until it ends.
///
/// # Errors
/// The program cannot be started; [`Interrupted`] when we are asked to stop, after the step has been.
pub(crate) fn run(signals: &Signals, command: &mut Command) -> anyhow::Result<ExitStatus> {
    run_with(signals, command, Output::Inherit, None).map(|(status, _)| status)
}

/// Like [`run`], but with its output kept back. Returns the last lines of it too, to be shown if the step has failed.
/// After `limit` the step is stopped, and counts as failed.
pub(crate) fn run_quietly(
    signals: &Signals,
    command: &mut Command,
    limit: Option<Duration>,
) -> anyhow::Result<(ExitStatus, Vec<String>)> {
    run_with(signals, command, Output::Lines(LAST_LINES, None), limit)
}

/// Runs a step whose output is shown only if it fails.
///
/// # Errors
/// As [`run`]; or it fails, with `what` it cannot do and the end of its output.
pub(crate) fn run_step(signals: &Signals, command: &mut Command, what: &str) -> anyhow::Result<()> {
    let (status, lines) = run_quietly(signals, command, None)?;
    ensure!(status.success(), "cannot {what} ({status}):\n  {}", lines.join("\n  "));
    Ok(())
}

/// Like [`run`], but each line of its standard output goes to `sink`.
pub(crate) fn run_by_line(
    signals: &Signals,
    command: &mut Command,
    sink: impl Fn(&str) + Send + Sync + 'static,
) -> anyhow::Result<ExitStatus> {
    run_with(signals, command, Output::Stdout(0, Some(Arc::new(sink))), None).map(|(status, _)| status)
}

/// Runs steps at the same time. Their output is shown, each line behind the name of its step.
///
/// # Errors
/// As [`run`]; or a step fails: then the others are stopped.
pub(crate) fn run_side_by_side(signals: &Signals, steps: Vec<(String, &mut Command)>) -> anyhow::Result<()> {
    let width = steps.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let start = |(name, command): (String, &mut Command)| {
        let prefix = format!("{name:<width$} | ");
        let show = move |line: &str| complain(&format!("{prefix}{}", line.trim_start()));
        Ok((name, Process::start(command, Output::Lines(0, Some(Arc::new(show))))?))
    };
    let running = steps.into_iter().map(start).collect::<anyhow::Result<Vec<_>>>()?;
    loop {
        let mut all_ended = true;
        for (name, process) in &running {
            match process.status() {
                Some(status) => ensure!(status.success(), "{name} does not compile, see above"),
                None => all_ended = false,
            }
        }
        if all_ended {
            return Ok(());
        }
        if signals.wait() == Wake::Stop {
            running.iter().for_each(|(_, process)| process.signal(Signal::TERM));
            running.iter().try_for_each(|(_, process)| stop(process, signals).map(drop))?;
            return Err(Interrupted.into());
        }
    }
}

fn run_with(
    signals: &Signals,
    command: &mut Command,
    output: Output,
    limit: Option<Duration>,
) -> anyhow::Result<(ExitStatus, Vec<String>)> {
    let process = Process::start(command, output)?;
    let deadline = limit.map(|limit| Instant::now() + limit);
    loop {
        if let Some(status) = process.status() {
            return Ok((status, process.lines()));
        }
        let wake = match deadline {
            Some(deadline) => signals.wait_until(deadline),
            None => signals.wait(),
        };
        if wake != Wake::Child {
            let status = stop(&process, signals)?;
            return if wake == Wake::Stop { Err(Interrupted.into()) } else { Ok((status, process.lines())) };
        }
    }
}

/// Asks a step to stop and waits; kills it after [`STEP_GRACE`], or when we are asked to stop again.
fn stop(process: &Process, signals: &Signals) -> anyhow::Result<ExitStatus> {
    process.signal(Signal::TERM);
    let deadline = Instant::now() + STEP_GRACE;
    loop {
        if let Some(status) = process.status() {
            return Ok(status);
        }
        if signals.wait_until(deadline) != Wake::Child {
            process.kill();
            return process.wait(STEP_GRACE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn of_a_step_the_status_and_the_last_lines_are_returned() {
        let script = "seq 1 1000 >&2; exit 3";
        let (status, lines) = run_quietly(&Signals::with_stops(0), &mut shell(script), None).unwrap();
        assert_eq!((status.code(), lines.len()), (Some(3), LAST_LINES));
        assert_eq!(lines.last().unwrap(), "1000");
    }

    #[test]
    fn a_step_that_fails_is_named_with_what_it_printed() {
        let mut step = shell("echo no such version >&2; exit 1");
        let error = run_step(&Signals::with_stops(0), &mut step, "install a tool").unwrap_err().to_string();
        assert!(error.contains("install a tool") && error.contains("no such version"), "{error}");
    }

    #[test]
    fn a_step_is_stopped_with_its_whole_group_when_we_are() {
        let error = run(&Signals::with_stops(1), &mut shell("sleep 600 & wait")).unwrap_err();
        assert!(error.is::<Interrupted>());
    }

    #[test]
    fn a_step_that_takes_too_long_is_stopped_and_has_failed() {
        let limit = Some(Duration::from_millis(50));
        let (status, _) = run_quietly(&Signals::with_stops(0), &mut shell("sleep 600"), limit).unwrap();
        assert!(!status.success());
    }

    #[test]
    fn steps_side_by_side_all_run_and_one_that_fails_stops_the_others() {
        let steps = |mut commands: [Command; 2]| {
            let steps = commands.iter_mut().enumerate().map(|(nth, command)| (format!("step {nth}"), command));
            run_side_by_side(&Signals::with_stops(0), steps.collect())
        };
        let home = tempfile::tempdir().unwrap();
        let touch = |name: &str| shell(&format!("touch {}", home.path().join(name).display()));
        steps([touch("a"), touch("b")]).unwrap();
        assert!(home.path().join("a").exists() && home.path().join("b").exists());
        let error = steps([shell("sleep 600"), shell("exit 1")]).unwrap_err().to_string();
        assert!(error.starts_with("step 1 does not compile"), "{error}");
    }

    #[test]
    fn a_second_request_kills_a_step_that_ignores_the_first() {
        let script = "trap '' TERM; while :; do sleep 0.1; done";
        assert!(run(&Signals::with_stops(2), &mut shell(script)).unwrap_err().is::<Interrupted>());
    }
}
