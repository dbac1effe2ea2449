//! A child process whose output is captured and can be waited for.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::sync::watch;

use crate::wait::{DEADLINE, eventually, watched};

/// How long to wait for the rest of the output of a process that has ended. It is there at once, unless a process
/// that it started in turn still holds the pipe.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A running program. Dropping it kills and reaps it, and prints its output if the test is failing.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    /// Whether it leads a process group, which is killed with it.
    leads: bool,
    output: Arc<watch::Sender<Output>>,
}

/// Which stream a line came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

#[derive(Debug)]
struct Output {
    lines: Vec<(Stream, String)>,
    open_streams: usize,
}

impl Process {
    /// Starts `command` with its output captured and no input. Arguments, environment and directory are those that
    /// the command was given.
    ///
    /// # Panics
    /// When the program cannot be started.
    pub fn start(command: Command) -> Self {
        Self::spawn(command, false)
    }

    /// The same for a program that starts others which would outlive it: they are killed with it.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_group(mut command: Command) -> Self {
        command.process_group(0);
        Self::spawn(command, true)
    }

    fn spawn(mut command: Command, leads: bool) -> Self {
        let program = command.get_program().to_string_lossy().into_owned();
        let name = program.rsplit('/').next().unwrap_or(&program).to_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("cannot start {program}: {error}"));

        let output = Arc::new(watch::Sender::new(Output { lines: Vec::new(), open_streams: 2 }));
        capture(Stream::Stdout, child.stdout.take(), &output);
        capture(Stream::Stderr, child.stderr.take(), &output);
        Self { name, child, leads, output }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until a line that satisfies `wanted` has been printed, on either stream, and returns it. Lines printed
    /// before the call count.
    ///
    /// # Panics
    /// With all output, after [`DEADLINE`] or when the output has ended without such a line.
    pub async fn wait_for_line(&self, wanted: impl Fn(&str) -> bool) -> String {
        self.wait_for_line_within(DEADLINE, wanted).await
    }

    /// The same as [`wait_for_line`](Self::wait_for_line) with another deadline.
    ///
    /// # Panics
    /// As [`wait_for_line`](Self::wait_for_line).
    pub async fn wait_for_line_within(&self, deadline: Duration, wanted: impl Fn(&str) -> bool) -> String {
        let find = |output: &Output| output.texts().find(|line| wanted(line)).map(str::to_owned);
        let found = |output: &Output| output.open_streams == 0 || find(output).is_some();
        let complaint = |output: &Output| format!("a line from {}; it printed:\n{output}", self.name);
        watched(&self.output, deadline, found, find, complaint).await.unwrap_or_else(|| {
            panic!("{} ended without the line waited for; it printed:\n{}", self.name, self.printed())
        })
    }

    /// Waits until everything printed so far, line by line, satisfies `wanted`: for what one line cannot tell, such
    /// as a message that must come twice.
    ///
    /// # Panics
    /// With all output, after [`DEADLINE`] or when the output has ended before.
    pub async fn wait_for_output(&self, wanted: impl Fn(&[&str]) -> bool) {
        let satisfied = |output: &Output| wanted(&output.texts().collect::<Vec<_>>());
        let found = |output: &Output| output.open_streams == 0 || satisfied(output);
        let complaint = |output: &Output| format!("output of {}; it printed:\n{output}", self.name);
        if !watched(&self.output, DEADLINE, found, satisfied, complaint).await {
            panic!("{} ended without the output waited for; it printed:\n{}", self.name, self.printed());
        }
    }

    /// Everything printed so far, both streams in the order of arrival.
    pub fn lines(&self) -> Vec<String> {
        self.output.borrow().texts().map(str::to_owned).collect()
    }

    /// What was printed so far on one of the streams.
    pub fn lines_of(&self, stream: Stream) -> Vec<String> {
        let output = self.output.borrow();
        output.lines.iter().filter(|(from, _)| *from == stream).map(|(_, line)| line.clone()).collect()
    }

    /// Whether the process has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until the process has ended and its output is complete.
    ///
    /// # Panics
    /// With all output, when `deadline` has passed.
    pub async fn wait(&mut self, deadline: Duration) -> ExitStatus {
        let what = format!("the end of {} (process {})", self.name, self.child.id());
        let status = eventually(deadline, &what, async || self.child.try_wait().ok().flatten()).await;
        self.wait_for_last_words().await;
        status
    }

    /// Kills the process with SIGKILL and waits until it is gone.
    pub fn kill_now(&mut self) {
        if self.leads && self.is_running() {
            // Fails only if all of them are gone already.
            let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        }
        // Both fail only if the process is gone already, which is what we want.
        let _ = self.child.kill();
        let _ = self.child.wait();
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

    /// Lets a frozen process go on.
    pub fn thaw(&mut self) {
        self.signal(Signal::CONT);
    }

    fn signal(&mut self, signal: Signal) {
        // Once it is reaped, the id may be another process's.
        if self.is_running() {
            kill_process(Pid::from_child(&self.child), signal)
                .unwrap_or_else(|error| panic!("cannot signal {}: {error}", self.name));
        }
    }

    async fn wait_for_last_words(&self) {
        let mut output = self.output.subscribe();
        let ended = output.wait_for(|output| output.open_streams == 0);
        // If somebody else holds the pipe, what we have is all that the process itself printed.
        let _ = tokio::time::timeout(LAST_WORDS, ended).await;
    }

    fn printed(&self) -> String {
        self.output.borrow().to_string()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill_now();
        if std::thread::panicking() {
            eprintln!("--- output of {} (process {}):\n{}---", self.name, self.child.id(), self.printed());
        }
    }
}

impl Output {
    fn texts(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(|(_, line)| line.as_str())
    }
}

impl std::fmt::Display for Output {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.texts().try_for_each(|line| writeln!(formatter, "{line}"))
    }
}

/// Reads a stream on a thread of its own: it goes on while the test itself is blocked, and needs no runtime.
fn capture(stream: Stream, source: Option<impl Read + Send + 'static>, output: &Arc<watch::Sender<Output>>) {
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        if let Some(source) = source {
            // An error means the same as the end: nothing more will come.
            for line in BufReader::new(source).split(b'\n').map_while(Result::ok) {
                let text = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                output.send_modify(|output| output.lines.push((stream, text)));
            }
        }
        output.send_modify(|output| output.open_streams -= 1);
    });
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

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
        assert_eq!(process.lines_of(Stream::Stdout), ["one"]);
        assert_eq!(process.lines_of(Stream::Stderr), ["two"]);
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
        process.wait_for_line_within(Duration::from_millis(20), |line| line == "ready").await;
    }

    #[tokio::test]
    async fn output_can_be_waited_for_as_a_whole() {
        let process = shell("echo again; echo again; exec sleep 60");
        process.wait_for_output(|lines| lines.iter().filter(|line| **line == "again").count() == 2).await;
    }

    #[tokio::test]
    async fn wait_gives_the_status_and_all_output() {
        let mut process = shell("echo last words; exit 3");
        assert_eq!(process.wait(DEADLINE).await.code(), Some(3));
        assert_eq!(process.lines(), ["last words"]);
        assert!(!process.is_running());
    }

    #[tokio::test]
    async fn terminate_and_interrupt_reach_the_program() {
        for (name, send) in [("TERM", Process::terminate as fn(&mut Process)), ("INT", Process::interrupt)] {
            // A shell runs its trap only between commands: hence many short sleeps.
            let mut process =
                shell(&format!("trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.01; done"));
            process.wait_for_line(|line| line == "ready").await;
            send(&mut process);
            assert_eq!(process.wait(DEADLINE).await.code(), Some(7));
            assert!(process.lines().contains(&format!("got {name}")));
        }
    }

    #[tokio::test]
    async fn kill_now_leaves_no_time_for_a_trap() {
        let mut process = shell("trap 'echo trapped' TERM INT EXIT; echo ready; while :; do sleep 0.01; done");
        process.wait_for_line(|line| line == "ready").await;
        process.kill_now();
        assert_eq!(process.wait(DEADLINE).await.signal(), Some(Signal::KILL.as_raw()));
        assert_eq!(process.lines(), ["ready"]);
    }

    #[tokio::test]
    async fn dropping_a_process_kills_it() {
        let process = shell("echo ready; exec sleep 60");
        process.wait_for_line(|line| line == "ready").await;
        let id = process.id();
        drop(process);
        assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    }
}
