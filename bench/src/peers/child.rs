//! Child processes: run to their end or to a deadline, with all that they started themselves.

use std::fs::File;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, kill_process_group};

/// How often to look whether a child has ended. Nothing is measured by it.
const POLL: Duration = Duration::from_millis(20);

/// The process group of the child that runs, if one does, and whether we were told to stop.
static RUNNING: Mutex<Running> = Mutex::new(Running { group: None, stopped: false });

struct Running {
    group: Option<Pid>,
    stopped: bool,
}

/// Kills what runs, and starts nothing more, for the rest of this process; for a Ctrl-C, which children do not get. Does
/// not wait: the call that it interrupts returns soon.
pub(crate) fn stop() {
    let mut running = running();
    running.stopped = true;
    if let Some(group) = running.group {
        // It fails only if nobody is left.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Runs a command to its end and answers its standard output. The rest of what it says goes to the end of the file `log`.
///
/// # Errors
/// It cannot be started; it fails, takes longer than `limit` or was stopped. Then nothing of it is left.
pub(super) fn run(command: &mut Command, log: &Path, limit: Duration) -> anyhow::Result<String> {
    let name = command.get_program().display().to_string();
    let stderr = File::options().create(true).append(true).open(log);
    let stderr = stderr.with_context(|| format!("cannot write {}", log.display()))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    let mut group = Group::spawn(command).with_context(|| format!("cannot start {name}"))?;
    let stdout = group.child.stdout.take();
    // Read beside us: a full pipe would stop the child.
    let reader = thread::spawn(move || {
        let mut output = Vec::new();
        stdout.map(|mut stdout| stdout.read_to_end(&mut output));
        String::from_utf8_lossy(&output).into_owned()
    });

    let deadline = Instant::now() + limit;
    let status = loop {
        if let Some(status) = group.ended()? {
            break status;
        }
        if Instant::now() >= deadline {
            bail!("{name} was not done after {limit:?}; {} may say why", log.display());
        }
        thread::sleep(POLL);
    };
    // Nobody else has the pipe now.
    drop(group);
    let output = reader.join().unwrap_or_default();
    ensure!(!running().stopped, "stopped");
    ensure!(status.success(), "{name} failed ({status}); {} says why", log.display());
    Ok(output)
}

fn running() -> MutexGuard<'static, Running> {
    RUNNING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A child that leads a process group of its own. Dropping it kills the whole group.
struct Group {
    child: Child,
    id: Pid,
}

impl Group {
    fn spawn(command: &mut Command) -> anyhow::Result<Group> {
        let mut running = running();
        ensure!(!running.stopped, "stopped");
        let child = command.process_group(0).spawn()?;
        let id = Pid::from_child(&child);
        running.group = Some(id);
        Ok(Group { child, id })
    }

    /// How the child ended, if it has.
    fn ended(&mut self) -> std::io::Result<Option<ExitStatus>> {
        // Locked, so that `stop` cannot signal a number that is free again.
        let mut running = running();
        let status = self.child.try_wait()?;
        if status.is_some() {
            running.group = None;
        }
        Ok(status)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let mut running = running();
        running.group = None;
        // The number of a group stays taken as long as it has members; an empty one is an error of no interest.
        let _ = kill_process_group(self.id, Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn the_output_is_answered_and_the_complaints_are_logged() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        assert_eq!(run(&mut shell("echo result; echo problem >&2"), &log, LONG).unwrap(), "result\n");
        let error = run(&mut shell("echo worse >&2; exit 3"), &log, LONG).unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains(log.to_str().unwrap()), "{error}");
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "problem\nworse\n");
    }

    #[test]
    fn a_child_that_takes_too_long_is_killed_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let (log, fifo) = (folder.path().join("log"), folder.path().join("fifo"));
        let made = Command::new("mkfifo").arg(&fifo).status().unwrap();
        assert!(made.success());
        // Reading the pipe ends only when the grandchild, who has it open for writing, is gone.
        let mut script = shell("sleep 600 > \"$0\" & wait");
        script.arg(&fifo);
        let reader = thread::spawn(move || std::fs::read(fifo).unwrap());
        let error = run(&mut script, &log, Duration::from_millis(300)).unwrap_err().to_string();
        assert!(error.contains("was not done"), "{error}");
        assert!(reader.join().unwrap().is_empty());
    }

    #[test]
    fn what_a_child_leaves_behind_does_not_keep_its_output_open() {
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        assert_eq!(run(&mut shell("sleep 600 & echo done"), &folder.path().join("log"), LONG).unwrap(), "done\n");
        assert!(begun.elapsed() < LONG);
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = run(&mut Command::new("/no/such/program"), &folder.path().join("log"), LONG).unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot start /no/such/program"), "{error:#}");
    }
}
