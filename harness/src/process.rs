//! Child processes. Each leads a process group of its own, and the whole group ends with it: at its own end, when it is
//! dropped, and by [`crate::interrupt`].

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

/// The pause between two looks at a child.
pub const POLL: Duration = Duration::from_millis(2);

/// How long to wait for the rest of the output of a process that has ended. It is there at once, unless a process that
/// left the group still holds the pipe.
const OUTPUT_GRACE: Duration = Duration::from_secs(1);

/// How many lines of output an error has.
const SHOWN: usize = 10;

/// All children that run.
static CHILDREN: Mutex<Vec<Arc<Mutex<Group>>>> = Mutex::new(Vec::new());

/// Receives each line of a stream.
pub type Sink = Arc<dyn Fn(&str) + Send + Sync>;

/// Where the output of a child goes.
#[derive(Clone)]
pub enum Output {
    /// To our own output.
    Inherit,
    /// Both streams to this file, which is created anew.
    File(PathBuf),
    /// Both streams, line by line: to a function if there is one, and the last so many lines are kept.
    Lines(usize, Option<Sink>),
    /// The same for standard output; errors go to ours.
    Stdout(usize, Option<Sink>),
}

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub enum Stream {
    Stdout,
    Stderr,
}

/// A line of output without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Line {
    pub stream: Stream,
    pub text: String,
}

/// A running program. Dropping it kills its process group, and prints its output if the thread panics.
#[derive(Debug)]
pub struct Process {
    name: String,
    group: Arc<Mutex<Group>>,
    id: Pid,
    captured: Arc<Captured>,
    file: Option<PathBuf>,
}

/// The child and all that it has started.
#[derive(Debug)]
struct Group {
    child: Child,
    ended: Option<ExitStatus>,
}

#[derive(Debug, Default)]
struct Captured {
    state: Mutex<CapturedState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct CapturedState {
    lines: VecDeque<Line>,
    /// How many streams may still bring lines.
    open: usize,
}

impl Process {
    /// Starts a program. Unless the command says otherwise, it has no input.
    ///
    /// # Errors
    /// It cannot be started; the file for its output cannot be written.
    pub fn start(command: &mut Command, output: Output) -> anyhow::Result<Process> {
        command.stdin(Stdio::null());
        Self::start_with_input(command, output)
    }

    /// The same with the standard input that the command has.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with_input(command: &mut Command, output: Output) -> anyhow::Result<Process> {
        let program = command.get_program().to_string_lossy().into_owned();
        let mut file = None;
        let (keep, sink) = match output {
            Output::Inherit => (0, None),
            Output::File(path) => {
                let log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
                command.stdout(log.try_clone()?).stderr(log);
                file = Some(path);
                (0, None)
            }
            Output::Lines(keep, sink) => {
                command.stdout(Stdio::piped()).stderr(Stdio::piped());
                (keep, sink)
            }
            Output::Stdout(keep, sink) => {
                command.stdout(Stdio::piped());
                (keep, sink)
            }
        };
        let mut children = lock(&CHILDREN);
        let mut child = command.process_group(0).spawn().with_context(|| format!("cannot start {program}"))?;
        let id = Pid::from_child(&child);
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let group = Arc::new(Mutex::new(Group { child, ended: None }));
        children.push(Arc::clone(&group));
        drop(children);

        let captured = Arc::new(Captured::default());
        capture(Stream::Stdout, stdout, keep, sink.clone(), &captured);
        capture(Stream::Stderr, stderr, keep, sink, &captured);
        let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
        Ok(Process { name, group, id, captured, file })
    }

    /// The process id, which is also that of the group.
    pub fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().cast_unsigned()
    }

    /// How it ended, or `None` while it runs. What it has left behind in its group is killed, and its output is complete.
    pub fn status(&self) -> Option<ExitStatus> {
        let status = lock(&self.group).status()?;
        let state = lock(&self.captured.state);
        let _ = self.captured.changed.wait_timeout_while(state, OUTPUT_GRACE, |state| state.open > 0);
        Some(status)
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.status().is_none()
    }

    /// Sends a signal to the whole group; does nothing once the process has ended.
    pub fn signal(&self, signal: Signal) {
        let mut group = lock(&self.group);
        if group.status().is_none() {
            // It fails where the processes are another user's (sudo).
            let _ = kill_process_group(self.id, signal);
        }
    }

    /// Kills the group with SIGKILL and waits until the process is gone.
    pub fn kill(&self) {
        lock(&self.group).kill();
    }

    /// Reads the lines of output that are kept.
    pub fn read<T>(&self, read: impl FnOnce(&[Line]) -> T) -> T {
        read(lock(&self.captured.state).lines.make_contiguous())
    }

    /// The lines of output that are kept, of both streams in the order of arrival.
    pub fn lines(&self) -> Vec<String> {
        self.read(|lines| lines.iter().map(|line| line.text.clone()).collect())
    }

    /// Those of one stream.
    pub fn lines_of(&self, stream: Stream) -> Vec<String> {
        let is_of = |line: &&Line| line.stream == stream;
        self.read(|lines| lines.iter().filter(is_of).map(|line| line.text.clone()).collect())
    }

    /// All output: the file's content, or the lines that are kept.
    pub fn text(&self) -> String {
        match &self.file {
            Some(file) => String::from_utf8_lossy(&fs::read(file).unwrap_or_default()).into_owned(),
            None => self.lines().iter().map(|line| format!("{line}\n")).collect(),
        }
    }

    /// The end of its output, to be appended to an error.
    pub fn last_lines(&self) -> String {
        let text = self.text();
        let lines: Vec<_> = text.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        let last = &lines[lines.len().saturating_sub(SHOWN)..];
        if last.is_empty() { String::new() } else { format!(". Its last lines:\n  {}", last.join("\n  ")) }
    }

    /// # Errors
    /// It has ended, with the end of its output.
    pub fn check(&self) -> anyhow::Result<()> {
        match self.status() {
            Some(status) => bail!("{} has ended by itself ({status}){}", self.name, self.last_lines()),
            None => Ok(()),
        }
    }

    /// Waits until `ready` returns a value.
    ///
    /// # Errors
    /// The process has ended; `limit` has passed; `ready` fails.
    pub fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut ready: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            // Looked at first: what a process has printed before its end counts.
            let ended = self.check();
            if let Some(value) = ready()? {
                return Ok(value);
            }
            ended?;
            if start.elapsed() > limit {
                bail!("{}: waited {limit:?} in vain for {what}{}", self.name, self.last_lines());
            }
            thread::sleep(POLL);
        }
    }

    /// Waits until it has ended.
    ///
    /// # Errors
    /// It has not when `limit` has passed.
    pub fn wait(&self, limit: Duration) -> anyhow::Result<ExitStatus> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.status() {
                return Ok(status);
            }
            ensure!(start.elapsed() < limit, "{} has not ended after {limit:?}{}", self.name, self.last_lines());
            thread::sleep(POLL);
        }
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// It had ended before; it has not when `limit` has passed.
    pub fn stop(&self, limit: Duration) -> anyhow::Result<()> {
        self.check()?;
        self.signal(Signal::TERM);
        self.wait(limit).map(drop)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        lock(&CHILDREN).retain(|group| !Arc::ptr_eq(group, &self.group));
        if thread::panicking() {
            eprintln!("--- output of {} (process {}):\n{}---", self.name, self.id(), self.text());
        }
    }
}

/// Runs a program to its end and returns its standard output.
///
/// # Errors
/// It cannot be started, fails, or has not ended when `limit` has passed; with the end of its output. Nothing of it is left
/// then.
pub fn run(command: &mut Command, limit: Duration) -> anyhow::Result<String> {
    let process = Process::start(command, Output::Lines(usize::MAX, None))?;
    let status = process.wait(limit)?;
    ensure!(status.success(), "{} has failed ({status}){}", process.name, process.last_lines());
    Ok(process.lines_of(Stream::Stdout).iter().map(|line| format!("{line}\n")).collect())
}

/// Kills all children. As long as the guard lives, none can be started.
pub(crate) fn kill_all() -> impl Drop {
    let children = lock(&CHILDREN);
    children.iter().for_each(|group| lock(group).kill());
    children
}

impl Group {
    fn status(&mut self) -> Option<ExitStatus> {
        let peek = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        if self.ended.is_none() && !matches!(waitid(WaitId::Pid(Pid::from_child(&self.child)), peek), Ok(None)) {
            self.kill();
        }
        self.ended
    }

    /// Reaps the child only after the group was signalled: until then no other process can get its number.
    fn kill(&mut self) {
        if self.ended.is_none() {
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
            self.ended = self.child.wait().ok();
        }
    }
}

/// Reads a stream on a thread of its own, so that a full pipe never stops the child.
fn capture(
    stream: Stream,
    source: Option<impl Read + Send + 'static>,
    keep: usize,
    sink: Option<Sink>,
    captured: &Arc<Captured>,
) {
    let Some(source) = source else { return };
    lock(&captured.state).open += 1;
    let captured = Arc::clone(captured);
    thread::spawn(move || {
        // An error means the same as the end: nothing more will come.
        for line in BufReader::new(source).split(b'\n').map_while(io::Result::ok) {
            let text = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
            if let Some(sink) = &sink {
                sink(&text);
            }
            let lines = &mut lock(&captured.state).lines;
            lines.push_back(Line { stream, text });
            if lines.len() > keep {
                lines.pop_front();
            }
        }
        lock(&captured.state).open -= 1;
        captured.changed.notify_all();
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
