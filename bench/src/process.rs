//! Child processes, none of which outlives us: not our end, not a panic, not Ctrl-C.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{peers, procfs};

/// All children that may run.
static CHILDREN: Mutex<Vec<Arc<Mutex<Child>>>> = Mutex::new(Vec::new());

/// How often to look whether something has come about that nothing tells us of.
pub(crate) const POLL: Duration = Duration::from_millis(2);

/// When we are asked to stop: kills all children, removes `directory` and ends this process.
///
/// # Errors
/// The system does not let us hear of signals.
pub(crate) fn end_all_when_asked(directory: &Path) -> anyhow::Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    let directory = directory.to_owned();
    thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        // Held until the end, so that nobody starts another one.
        let children = lock(&CHILDREN);
        for child in children.iter() {
            kill(child);
        }
        peers::stop();
        // What cannot be removed is a few files among the temporary ones.
        let _ = fs::remove_dir_all(&directory);
        eprintln!("stopped");
        std::process::exit(128 + signal);
    });
    Ok(())
}

/// A running program. Dropping it kills it.
pub(crate) struct Process {
    name: &'static str,
    child: Arc<Mutex<Child>>,
    id: Pid,
    log: PathBuf,
}

impl Process {
    /// Starts a program, with all that it writes going to the file `log`.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(name: &'static str, command: &mut Command, log: &Path) -> anyhow::Result<Process> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let (child, id) = spawn(command)?;
        Ok(Process { name, child, id, log: log.to_owned() })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.id.as_raw_nonzero().get().cast_unsigned()
    }

    /// How long it has been on a processor so far, with the processes that it has started and that are still there.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn cpu(&self) -> anyhow::Result<Duration> {
        let ids = procfs::with_descendants(self.id());
        ids.into_iter().map(|id| Ok(procfs::usage(id)?.cpu)).sum()
    }

    /// All that it has written so far.
    pub(crate) fn written(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// # Errors
    /// It has ended, with the last that it wrote.
    pub(crate) fn check(&self) -> anyhow::Result<()> {
        if let Some(status) = lock(&self.child).try_wait()? {
            bail!("{} has ended by itself ({status}): {}", self.name, self.last_words());
        }
        Ok(())
    }

    /// Waits until `ready` answers something.
    ///
    /// # Errors
    /// The program has ended; `limit` is over; `ready` fails.
    pub(crate) fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut ready: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let start = Instant::now();
        loop {
            if let Some(value) = ready()? {
                return Ok(value);
            }
            self.check()?;
            if start.elapsed() > limit {
                bail!("{}: {what} after {} s in vain: {}", self.name, limit.as_secs(), self.last_words());
            }
            thread::sleep(POLL);
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// It has ended.
    pub(crate) fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        self.check()?;
        kill_process(self.id, signal).with_context(|| format!("cannot signal {}", self.name))
    }

    /// Asks it to end (SIGTERM) and waits.
    ///
    /// # Errors
    /// It does not end within `limit`.
    pub(crate) fn stop(&self, limit: Duration) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let start = Instant::now();
        while lock(&self.child).try_wait()?.is_none() {
            if start.elapsed() > limit {
                bail!("{} does not stop within {} s", self.name, limit.as_secs());
            }
            thread::sleep(POLL);
        }
        Ok(())
    }

    fn last_words(&self) -> String {
        last_lines(&self.written())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        forget(&self.child);
    }
}

/// Runs a program to its end, and answers what it wrote on its standard output.
///
/// # Errors
/// It cannot be started, or fails, with the last that it wrote.
pub(crate) fn run(name: &str, command: &mut Command) -> anyhow::Result<String> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let (child, _) = spawn(command)?;
    let (stdout, stderr) = {
        let mut child = lock(&child);
        (child.stdout.take(), child.stderr.take())
    };
    // It writes little on the other stream: less than the pipe holds until this one is read.
    let output = read(stdout).and_then(|output| Ok((output, read(stderr)?)));
    let status = wait(&child);
    forget(&child);
    let (output, complaints) = output.with_context(|| format!("cannot read what {name} writes"))?;
    let status = status?;
    if !status.success() {
        bail!("{name} has failed ({status}): {}", last_lines(&format!("{output}{complaints}")));
    }
    Ok(output)
}

fn spawn(command: &mut Command) -> anyhow::Result<(Arc<Mutex<Child>>, Pid)> {
    let mut children = lock(&CHILDREN);
    let program = command.get_program().display().to_string();
    // A group of its own, because some start others, which would be left behind.
    let child =
        command.process_group(0).spawn().with_context(|| format!("cannot start {program}: is it installed?"))?;
    let id = Pid::from_child(&child);
    let child = Arc::new(Mutex::new(child));
    children.push(Arc::clone(&child));
    Ok((child, id))
}

/// The child has closed its output, so it is about to end.
fn wait(child: &Mutex<Child>) -> io::Result<ExitStatus> {
    lock(child).wait()
}

fn forget(child: &Arc<Mutex<Child>>) {
    kill(child);
    lock(&CHILDREN).retain(|other| !Arc::ptr_eq(other, child));
}

/// Kills and reaps under the lock, so that no signal reaches a process that took over the number of one that ended.
fn kill(child: &Mutex<Child>) {
    let mut child = lock(child);
    // All fail only if nobody is left. The number of a group stays taken as long as it has members.
    if !matches!(child.try_wait(), Ok(Some(_))) {
        let _ = kill_process_group(Pid::from_child(&child), Signal::KILL);
    }
    let _ = child.kill();
    let _ = child.wait();
}

fn read(stream: Option<impl Read>) -> io::Result<String> {
    let mut bytes = Vec::new();
    if let Some(mut stream) = stream {
        stream.read_to_end(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn last_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    lines[lines.len().saturating_sub(3)..].join(" / ")
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn what_a_program_writes_is_answered_and_what_it_complains_of_is_the_error() {
        assert_eq!(run("sh", &mut shell("echo 7")).unwrap(), "7\n");
        let error = run("sh", &mut shell("echo bad news >&2; exit 3")).unwrap_err().to_string();
        assert!(error.contains("bad news") && error.contains('3'), "{error}");
        assert!(run("nobody", &mut Command::new("/no/such/program")).is_err());
    }

    #[test]
    fn a_program_that_ends_by_itself_ends_the_wait_for_it() {
        let home = tempfile::tempdir().unwrap();
        let process = Process::start("sh", &mut shell("echo I am ill; exit 1"), &home.path().join("log")).unwrap();
        let waited = process.wait_for("not ready", Duration::from_secs(20), || Ok(None::<()>));
        let error = waited.unwrap_err().to_string();
        assert!(error.contains("I am ill"), "{error}");
    }

    #[test]
    fn a_dropped_process_is_gone() {
        let home = tempfile::tempdir().unwrap();
        let process = Process::start("sleep", &mut shell("exec sleep 600"), &home.path().join("log")).unwrap();
        let proc = PathBuf::from(format!("/proc/{}", process.id()));
        assert!(proc.exists());
        drop(process);
        assert!(!proc.exists());
    }
}
