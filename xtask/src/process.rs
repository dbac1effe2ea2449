//! Child processes: steps that are run to their end, and services that run beside us.
//!
//! Each child leads a process group of its own, so that Ctrl-C reaches xtask alone, which then stops
//! its children in an order that loses nothing. Children are signalled and reaped by the same thread,
//! so a signal cannot reach a process that has taken over the number of one that ended.

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::signals::{Interrupted, Signals, Wake};

/// How many lines of a child's output are kept to be shown when it fails.
const LAST_LINES: usize = 20;

/// How long a step that is not wanted any more has for its own clean-up.
const STEP_GRACE: Duration = Duration::from_secs(5);

/// How long to wait for the output of a process that has ended: something else may hold its pipe.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

/// Runs a step with its output on our terminal, until it ends.
///
/// # Errors
/// The program cannot be started; [`Interrupted`] when we are asked to stop, after the step has been.
pub(crate) fn run(signals: &Signals, command: &mut Command) -> anyhow::Result<ExitStatus> {
    run_with(signals, command, Output::default(), None).map(|(status, _)| status)
}

/// Like [`run`], but with its output kept back. Answers the last lines of it too, to be shown if the
/// step has failed. After `limit` the step is stopped, and counts as failed.
pub(crate) fn run_quietly(
    signals: &Signals,
    command: &mut Command,
    limit: Option<Duration>,
) -> anyhow::Result<(ExitStatus, Vec<String>)> {
    let output = Output::each_line(|_| {});
    run_with(signals, command, output, limit)
}

/// Like [`run`], but each line of its standard output goes to `sink`.
pub(crate) fn run_by_line(
    signals: &Signals,
    command: &mut Command,
    sink: impl Fn(&str) + Send + Sync + 'static,
) -> anyhow::Result<ExitStatus> {
    let output = Output { stdout: Some(Arc::new(sink)), stderr: None };
    run_with(signals, command, output, None).map(|(status, _)| status)
}

fn run_with(
    signals: &Signals,
    command: &mut Command,
    output: Output,
    limit: Option<Duration>,
) -> anyhow::Result<(ExitStatus, Vec<String>)> {
    // Outside the terminal's foreground group, reading from it would suspend the child for ever.
    command.stdin(Stdio::null());
    let mut process = Process::spawn(command, output)?;
    let deadline = limit.map(|limit| Instant::now() + limit);
    loop {
        if let Some(status) = process.status()? {
            return Ok((status, process.last_lines()));
        }
        let wake = match deadline {
            Some(deadline) => signals.wait_until(deadline),
            None => signals.wait(),
        };
        match wake {
            Wake::Child => {}
            Wake::Stop => {
                process.stop(signals, STEP_GRACE)?;
                return Err(Interrupted.into());
            }
            Wake::Timeout => {
                let status = process.stop(signals, STEP_GRACE)?;
                return Ok((status, process.last_lines()));
            }
        }
    }
}

/// What is called with each line of a stream.
type LineSink = Arc<dyn Fn(&str) + Send + Sync>;

/// Where the output of a child goes: to our terminal as it is, unless there is a sink for it.
#[derive(Default)]
pub(crate) struct Output {
    stdout: Option<LineSink>,
    stderr: Option<LineSink>,
}

impl Output {
    /// Both streams, line by line, to the same sink.
    pub(crate) fn each_line(sink: impl Fn(&str) + Send + Sync + 'static) -> Output {
        let sink: LineSink = Arc::new(sink);
        Output { stdout: Some(sink.clone()), stderr: Some(sink) }
    }
}

/// A child process with its process group. Dropping it kills the whole group.
pub(crate) struct Process {
    child: Child,
    group: Pid,
    ended: Option<ExitStatus>,
    last_lines: Arc<Mutex<VecDeque<String>>>,
    /// Disconnected once every reader of its output has come to the end.
    readers: Receiver<()>,
}

impl Process {
    /// Starts a program as the leader of a new process group.
    pub(crate) fn spawn(command: &mut Command, output: Output) -> anyhow::Result<Process> {
        let piped = |sink: &Option<LineSink>| {
            if sink.is_some() { Stdio::piped() } else { Stdio::inherit() }
        };
        let mut child = command
            .process_group(0)
            .stdout(piped(&output.stdout))
            .stderr(piped(&output.stderr))
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let last_lines = Arc::default();
        let (reading, readers) = mpsc::channel();
        if let (Some(stream), Some(sink)) = (child.stdout.take(), output.stdout) {
            read_lines(stream, sink, Arc::clone(&last_lines), reading.clone());
        }
        if let (Some(stream), Some(sink)) = (child.stderr.take(), output.stderr) {
            read_lines(stream, sink, Arc::clone(&last_lines), reading);
        }
        let group = Pid::from_child(&child);
        Ok(Process { child, group, ended: None, last_lines, readers })
    }

    /// The process id, which is also that of the group.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, or `None` while it runs. What it has left behind in its group ends with it.
    pub(crate) fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.ended.is_none()
            && let Some(status) = self.child.try_wait()?
        {
            self.ended = Some(status);
            // The number of the group stays taken as long as it has members; an empty one is ESRCH.
            let _ = kill_process_group(self.group, Signal::KILL);
            // Only a disconnection can come. Whoever reads `last_lines` next should find all of them.
            let _ = self.readers.recv_timeout(OUTPUT_GRACE);
        }
        Ok(self.ended)
    }

    /// Asks the group to stop (`SIGTERM`).
    pub(crate) fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    /// Ends the group at once (`SIGKILL`).
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// The last lines of its output, as far as it did not go straight to the terminal.
    pub(crate) fn last_lines(&self) -> Vec<String> {
        self.last_lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Asks the group to stop and waits; kills it after `grace`, or when we are asked to stop again.
    fn stop(&mut self, signals: &Signals, grace: Duration) -> io::Result<ExitStatus> {
        self.ask_to_stop();
        let deadline = Instant::now() + grace;
        loop {
            if let Some(status) = self.status()? {
                return Ok(status);
            }
            if signals.wait_until(deadline) != Wake::Child {
                self.kill();
                let status = self.child.wait()?;
                self.ended = Some(status);
                return Ok(status);
            }
        }
    }

    fn signal(&self, signal: Signal) {
        if self.ended.is_none() {
            // It fails only where there is nobody left to tell, or somebody who is not ours (sudo).
            let _ = kill_process_group(self.group, signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Ok(None) = self.status() {
            self.kill();
            let _ = self.child.wait();
        }
    }
}

fn read_lines(
    stream: impl Read + Send + 'static,
    sink: LineSink,
    last_lines: Arc<Mutex<VecDeque<String>>>,
    reading: Sender<()>,
) {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while stream.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            let text = String::from_utf8_lossy(&line);
            let text = text.trim_end_matches(['\n', '\r']);
            sink(text);
            let mut last_lines = last_lines.lock().unwrap_or_else(PoisonError::into_inner);
            if last_lines.len() == LAST_LINES {
                last_lines.pop_front();
            }
            last_lines.push_back(text.to_owned());
            drop(last_lines);
            line.clear();
        }
        drop(reading);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    /// Starts a script, and waits until it has written a line.
    fn spawn_and_hear(script: &str) -> Process {
        let (said, hear) = mpsc::channel();
        let output = Output::each_line(move |_| said.send(()).unwrap_or_default());
        let process = Process::spawn(&mut shell(script), output).unwrap();
        hear.recv_timeout(Duration::from_secs(10)).unwrap();
        process
    }

    #[test]
    fn a_step_answers_its_status_and_what_it_wrote_to_either_stream() {
        let script = "echo result; echo problem >&2; exit 3";
        let (status, mut lines) = run_quietly(&Signals::with_stops(0), &mut shell(script), None).unwrap();
        assert_eq!(status.code(), Some(3));
        lines.sort();
        assert_eq!(lines, ["problem", "result"]);
    }

    #[test]
    fn of_much_output_the_last_lines_are_kept() {
        let (_, lines) = run_quietly(&Signals::with_stops(0), &mut shell("seq 1 1000"), None).unwrap();
        assert_eq!(lines.len(), LAST_LINES);
        assert_eq!(lines.last().unwrap(), "1000");
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
    fn a_process_that_ignores_a_polite_request_is_killed_after_the_grace() {
        use std::os::unix::process::ExitStatusExt;
        let mut process = spawn_and_hear("trap '' TERM; echo ready; while :; do sleep 0.1; done");
        let status = process.stop(&Signals::with_stops(0), Duration::from_millis(300)).unwrap();
        assert_eq!(status.signal(), Some(9));
    }

    #[test]
    fn a_process_that_stops_when_asked_is_given_the_time_for_it() {
        let mut process = spawn_and_hear("trap 'sleep 0.3; exit 7' TERM; echo ready; while :; do sleep 0.1; done");
        let status = process.stop(&Signals::with_stops(0), Duration::from_secs(20)).unwrap();
        assert_eq!(status.code(), Some(7));
    }

    #[test]
    fn what_a_process_leaves_behind_in_its_group_ends_with_it() {
        let signals = Signals::with_stops(0);
        let mut process = spawn_and_hear("sleep 600 & echo $!; exit 0");
        while process.status().unwrap().is_none() {
            signals.wait();
        }
        let left: i32 = process.last_lines()[0].parse().unwrap();
        let left = Pid::from_raw(left).unwrap();
        // Killed, and reaped by whoever inherits orphans here; a zombie is as good as gone.
        let deadline = Instant::now() + Duration::from_secs(10);
        while rustix::process::test_kill_process(left).is_ok() && !is_zombie(left) {
            assert!(Instant::now() < deadline, "the orphan still runs");
            thread::yield_now();
        }
    }

    fn is_zombie(pid: Pid) -> bool {
        std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).is_ok_and(|stat| stat.contains(") Z "))
    }

    #[test]
    fn a_program_that_does_not_exist_is_named() {
        let error = run(&Signals::with_stops(0), &mut Command::new("/no/such/program")).unwrap_err();
        assert!(format!("{error:#}").starts_with("cannot start /no/such/program"), "{error:#}");
    }
}
