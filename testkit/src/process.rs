//! A child process whose output is captured and can be waited for.

use std::ops::Deref;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use harness::interrupt::end_children_with_us;
use harness::wait::PAUSE;
use harness::{Output, Signal};

pub use harness::Stream;

use crate::wait::{DEADLINE, eventually};

/// A running program. Dropping it kills it with all that it has started, and prints its output if the test is failing.
#[derive(Debug)]
pub struct Process(harness::Process);

impl Deref for Process {
    type Target = harness::Process;

    fn deref(&self) -> &harness::Process {
        &self.0
    }
}

impl Process {
    /// Starts `command` with its output captured and no input. Arguments, environment and directory are those that
    /// the command was given.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start(mut command: Command) -> Self {
        let started = end_children_with_us(|| {})
            .map_err(Into::into)
            .and_then(|()| harness::Process::start(&mut command, Output::Lines(usize::MAX, None)));
        Self(started.unwrap_or_else(|error| panic!("{error:#}")))
    }

    /// Waits until a line that satisfies `wanted` has been printed, on either stream, and returns it. Lines printed
    /// before the call count.
    ///
    /// # Panics
    /// With all output, after [`DEADLINE`] or when the process has ended without such a line.
    pub async fn wait_for_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_for_line_within(DEADLINE, wanted).await
    }

    /// The same with another deadline.
    ///
    /// # Panics
    /// As [`wait_for_line`](Self::wait_for_line).
    pub async fn wait_for_line_within(&self, deadline: Duration, wanted: impl Fn(&str) -> bool) -> String {
        self.find_within(deadline, |lines| lines.iter().find(|line| wanted(line)).map(|line| (*line).to_owned())).await
    }

    /// Waits until everything printed so far, line by line, satisfies `wanted`: for what one line cannot show, such
    /// as a message that must come twice.
    ///
    /// # Panics
    /// With all output, after [`DEADLINE`] or when the process has ended before.
    pub async fn wait_for_output(&self, wanted: impl Fn(&[&str]) -> bool) {
        self.find_within(DEADLINE, |lines| wanted(lines).then_some(())).await;
    }

    async fn find_within<T>(&self, deadline: Duration, find: impl Fn(&[&str]) -> Option<T>) -> T {
        let (start, mut seen) = (Instant::now(), None);
        loop {
            let has_ended = !self.is_running();
            let found = self.read(|lines| {
                let is_new = seen.replace(lines.len()) != Some(lines.len());
                is_new.then(|| find(&lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>())).flatten()
            });
            if let Some(found) = found {
                return found;
            }
            assert!(!has_ended, "it ended without the line waited for; it printed:\n{}", self.text());
            assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for a line; it printed:\n{}", self.text());
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until the process has ended and its output is complete.
    ///
    /// # Panics
    /// With all output, when `deadline` has passed.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        eventually(deadline, &format!("the end of process {}", self.id()), async || self.status()).await
    }

    /// Kills the process with SIGKILL and waits until it is gone.
    pub fn kill_now(&mut self) {
        self.kill();
    }

    /// Sends SIGTERM and returns at once; does nothing to a process that has ended.
    pub fn terminate(&mut self) {
        self.signal(Signal::TERM);
    }

    /// Sends SIGINT, as Ctrl-C does, and returns at once; does nothing to a process that has ended.
    pub fn interrupt(&mut self) {
        self.signal(Signal::INT);
    }

    /// Stops the process with SIGSTOP until [`thaw`](Self::thaw); does nothing to a process that has ended.
    pub fn freeze(&mut self) {
        self.signal(Signal::STOP);
    }

    /// Resumes a frozen process.
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Process {
        let mut command = Command::new("sh");
        command.arg("-c").arg(script);
        Process::start(command)
    }

    #[tokio::test]
    async fn a_line_is_found_on_either_stream_even_if_printed_before() {
        let process = shell("echo one; echo two >&2; exec sleep 60");
        process.wait_for_line(|line| line == "two").await;
        process.wait_for_line(|line| line.starts_with("on")).await;
    }

    #[tokio::test]
    #[should_panic(expected = "ended without the line waited for; it printed:\nno luck")]
    async fn waiting_for_a_line_ends_with_the_output() {
        shell("echo no luck").wait_for_line(|line| line == "ready").await;
    }

    #[tokio::test]
    #[should_panic(expected = "it printed:\nnot yet")]
    async fn a_line_that_never_comes_is_reported_with_what_came() {
        let process = shell("echo not yet; exec sleep 60");
        process.wait_for_line(|line| line == "not yet").await;
        process.find_within(Duration::from_millis(20), |_| None::<()>).await;
    }

    #[tokio::test]
    async fn output_can_be_waited_for_as_a_whole() {
        let process = shell("echo again; echo again; exec sleep 60");
        process.wait_for_output(|lines| lines.iter().filter(|line| **line == "again").count() == 2).await;
    }
}
