//! `.data/`: what `cargo xtask up` keeps between two runs, and the lock that keeps two runs apart.
//!
//! Two Redis servers would corrupt one append-only file. So each process that `up` starts has the locked file as its
//! standard input: the lock lasts until the last of them has ended, even if xtask was killed.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{self, Stdio};

use anyhow::{Context, bail};
use rustix::process::{Pid, test_kill_process};

/// The name under which xtask itself stands in the lock file.
const OURSELVES: &str = "cargo xtask up";

/// The data directory, locked.
pub(crate) struct DataDir {
    path: PathBuf,
    lock: File,
}

impl DataDir {
    /// Creates the directory if need be, and locks it.
    ///
    /// # Errors
    /// It cannot be written to; another `up` has it, or what a killed one has left running.
    pub(crate) fn open(path: &Path) -> anyhow::Result<DataDir> {
        let in_the_way = || format!("cannot write to {}: give yourself the right to, or move it away", path.display());
        fs::create_dir_all(path).with_context(in_the_way)?;
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path.join("lock"))
            .with_context(in_the_way)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holders = String::new();
                lock.read_to_string(&mut holders).with_context(in_the_way)?;
                bail!("{} is in use: {}", path.display(), describe(&parse(&holders), is_alive));
            }
            Err(TryLockError::Error(error)) => return Err(error).with_context(in_the_way),
        }
        lock.set_len(0).with_context(in_the_way)?;
        let data_dir = DataDir { path: path.to_owned(), lock };
        data_dir.note_holder(OURSELVES, process::id())?;
        Ok(data_dir)
    }

    /// A directory in it, created if need be.
    ///
    /// # Errors
    /// It cannot be created.
    pub(crate) fn subdirectory(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        fs::create_dir_all(&path).with_context(|| {
            format!("cannot create {}: give yourself the right to, or move it away", path.display())
        })?;
        Ok(path)
    }

    /// The standard input of a process that is to hold the lock too.
    ///
    /// # Errors
    /// No file descriptor is left.
    pub(crate) fn share_lock(&self) -> anyhow::Result<Stdio> {
        Ok(self.lock.try_clone().context("cannot share the lock of the data directory")?.into())
    }

    /// Writes down who holds the lock, for a later run that finds it taken.
    ///
    /// # Errors
    /// The file system refuses the line.
    pub(crate) fn note_holder(&self, name: &str, pid: u32) -> anyhow::Result<()> {
        writeln!(&self.lock, "{pid} {name}").context("cannot write to the lock of the data directory")
    }
}

/// A process that may hold the lock.
#[derive(Debug, PartialEq, Eq)]
struct Holder {
    pid: i32,
    name: String,
}

fn parse(holders: &str) -> Vec<Holder> {
    let parse_line = |line: &str| {
        let (pid, name) = line.split_once(' ')?;
        Some(Holder { pid: pid.parse().ok()?, name: name.to_owned() })
    };
    holders.lines().filter_map(parse_line).collect()
}

/// The error for a taken lock: which process holds it, and what to do.
fn describe(holders: &[Holder], is_alive: impl Fn(i32) -> bool) -> String {
    let alive: Vec<&Holder> = holders.iter().filter(|holder| is_alive(holder.pid)).collect();
    if let Some(holder) = alive.iter().find(|holder| holder.name == OURSELVES) {
        let pid = holder.pid;
        return format!("another `{OURSELVES}` runs here (process {pid}): stop it first, with Ctrl-C or `kill {pid}`");
    }
    if alive.is_empty() {
        return format!("a process of an earlier `{OURSELVES}` still runs: stop it first");
    }
    let names: Vec<_> = alive.iter().map(|holder| format!("{} ({})", holder.name, holder.pid)).collect();
    let pids: Vec<_> = alive.iter().map(|holder| holder.pid.to_string()).collect();
    format!(
        "an earlier `{OURSELVES}` was killed and has left running: {}. Stop them with `kill {}`",
        names.join(", "),
        pids.join(" "),
    )
}

fn is_alive(pid: i32) -> bool {
    // Having no right to signal it also means that it is there.
    Pid::from_raw(pid).is_some_and(|pid| test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn holders() -> Vec<Holder> {
        parse("10 cargo xtask up\n11 redis\nnonsense\n12 worker 2\n")
    }

    /// Opens the directory once its lock is free: while some other test starts a program, that
    /// program has our open files for a moment.
    fn open_when_free(path: &Path) -> DataDir {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            match DataDir::open(path) {
                Ok(data_dir) => return data_dir,
                Err(error) => assert!(Instant::now() < deadline, "{error:#}"),
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_directory_is_created_and_can_be_opened_again_after_it_was_closed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(".data");
        drop(DataDir::open(&path).unwrap());
        let data_dir = open_when_free(&path);
        assert!(data_dir.subdirectory("redis").unwrap().is_dir());
    }

    #[test]
    fn a_second_run_is_refused_and_told_which_process_to_stop() {
        let home = tempfile::tempdir().unwrap();
        let _first = DataDir::open(home.path()).unwrap();
        let error = DataDir::open(home.path()).err().unwrap().to_string();
        assert!(error.contains(&format!("`kill {}`", process::id())), "{error}");
    }

    #[test]
    fn a_process_that_outlives_us_keeps_the_lock() {
        let home = tempfile::tempdir().unwrap();
        let first = DataDir::open(home.path()).unwrap();
        let mut sleep = process::Command::new("sleep");
        let mut orphan = sleep.arg("600").stdin(first.share_lock().unwrap()).spawn().unwrap();
        // Holds the lock too, as the standard input of its child to be.
        drop(sleep);
        drop(first);
        let refused = DataDir::open(home.path()).is_err();
        orphan.kill().unwrap();
        orphan.wait().unwrap();
        assert!(refused);
        open_when_free(home.path());
    }

    #[test]
    fn what_a_killed_run_has_left_is_listed_with_the_command_that_ends_it() {
        let text = describe(&holders(), |pid| pid != 10);
        assert!(text.contains("redis (11), worker 2 (12)"), "{text}");
        assert!(text.ends_with("`kill 11 12`"), "{text}");
    }

    #[test]
    fn a_living_run_is_to_be_stopped_itself_not_its_services() {
        let text = describe(&holders(), |_| true);
        assert!(text.contains("process 10") && !text.contains("11"), "{text}");
    }
}
