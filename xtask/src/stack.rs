//! The services that `cargo xtask up` has started: watched together, stopped in order.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use harness::{Output, Process, Signal};

use crate::console::{complain, say};
use crate::data_dir::DataDir;
use crate::process::LAST_LINES;
use crate::signals::{Interrupted, Signals, Wake};

/// How often to look whether a starting service is ready yet.
const READY_INTERVAL: Duration = Duration::from_millis(50);

/// After how long a wait is worth a line of explanation.
const LONG_WAIT: Duration = Duration::from_secs(2);

/// What a service does, in the order of stopping: first nothing new comes in, then what is in flight
/// goes out, and Redis stays until both have written down what they did.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Api,
    Worker,
    Redis,
}

impl Role {
    const IN_ORDER_OF_STOPPING: [Role; 3] = [Role::Api, Role::Worker, Role::Redis];

    /// How long it may take to stop before it is killed. Each ends by itself well before that.
    fn grace(self) -> Duration {
        match self {
            Role::Api | Role::Redis => Duration::from_secs(10),
            Role::Worker => WORKER_GRACE + Duration::from_secs(5),
        }
    }
}

/// How long a worker may take to finish the deliveries in flight.
pub(crate) const WORKER_GRACE: Duration = Duration::from_secs(10);

/// A program to start.
pub(crate) struct Service {
    /// What its lines and our messages about it begin with.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// A file that its output goes to, if it does not go to our terminal.
    pub(crate) log: Option<PathBuf>,
    pub(crate) command: Command,
}

/// All services that run.
pub(crate) struct Stack<'a> {
    signals: &'a Signals,
    data_dir: &'a DataDir,
    name_width: usize,
    running: Vec<Running>,
}

struct Running {
    name: String,
    role: Role,
    process: Process,
}

impl<'a> Stack<'a> {
    /// An empty stack. Each line of output begins with the service's name, padded to `name_width`.
    pub(crate) fn new(signals: &'a Signals, data_dir: &'a DataDir, name_width: usize) -> Stack<'a> {
        Stack { signals, data_dir, name_width, running: Vec::new() }
    }

    /// Starts a service. It holds the lock of the data directory for as long as it runs.
    pub(crate) fn start(&mut self, service: Service) -> anyhow::Result<()> {
        let Service { name, role, log, mut command } = service;
        let prefix = format!("{name:<0$} | ", self.name_width);
        let show = move |line: &str| say(&format!("{prefix}{line}"));
        let output = log.map_or_else(|| Output::Lines(LAST_LINES, Some(Arc::new(show))), Output::File);
        command.stdin(self.data_dir.share_lock()?);
        let process = Process::start_with_input(&mut command, output)?;
        self.data_dir.note_holder(&name, process.id())?;
        self.running.push(Running { name, role, process });
        Ok(())
    }

    /// Waits until `is_ready` says so. It is asked often, and answers why not otherwise.
    ///
    /// # Errors
    /// A service has ended; `limit` is over, with the last reason; [`Interrupted`].
    pub(crate) fn wait_until_ready(
        &mut self,
        what: &str,
        limit: Duration,
        mut is_ready: impl FnMut() -> Result<(), String>,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let mut explained = false;
        loop {
            self.check()?;
            let Err(reason) = is_ready() else {
                return Ok(());
            };
            if started.elapsed() > limit {
                bail!("{what} is not ready after {} s: {reason}", limit.as_secs());
            }
            if !explained && started.elapsed() > LONG_WAIT {
                explained = true;
                say(&format!("waiting for {what}: {reason}"));
            }
            if self.signals.wait_until(Instant::now() + READY_INTERVAL) == Wake::Stop {
                return Err(Interrupted.into());
            }
        }
    }

    /// Runs until a request to stop.
    ///
    /// # Errors
    /// A service has ended by itself.
    pub(crate) fn watch(&mut self) -> anyhow::Result<()> {
        loop {
            self.check()?;
            if self.signals.wait() == Wake::Stop {
                return Ok(());
            }
        }
    }

    /// Stops everything, in order. Being asked to stop once more kills all that still runs.
    /// Answers whether everything went gracefully.
    pub(crate) fn stop(mut self) -> bool {
        let mut graceful = true;
        for role in Role::IN_ORDER_OF_STOPPING {
            let (group, rest): (Vec<_>, Vec<_>) = self.running.into_iter().partition(|running| running.role == role);
            self.running = rest;
            match stop_group(self.signals, &group, role.grace()) {
                Stopped::Gracefully => {}
                Stopped::Late => graceful = false,
                // Dropping a process kills it.
                Stopped::Hurried => return false,
            }
        }
        graceful
    }

    /// Fails if a service has ended, with its exit status and the end of its output.
    fn check(&self) -> anyhow::Result<()> {
        self.running.iter().try_for_each(|Running { name, process, .. }| process.check().context(name.clone()))
    }
}

/// How a group of services came to its end.
enum Stopped {
    Gracefully,
    /// Some were killed because they took too long.
    Late,
    /// We were asked not to wait. Some still run.
    Hurried,
}

/// Asks all of them at the same time, so that many workers take no longer than one.
fn stop_group(signals: &Signals, group: &[Running], grace: Duration) -> Stopped {
    for running in group.iter() {
        running.process.signal(Signal::TERM);
    }
    let started = Instant::now();
    let mut explained = false;
    loop {
        let Some(Running { name: slow, .. }) = group.iter().find(|running| running.process.is_running()) else {
            return Stopped::Gracefully;
        };
        let next_look = if explained { grace } else { LONG_WAIT };
        match signals.wait_until(started + next_look) {
            Wake::Child => {}
            Wake::Timeout if !explained => {
                explained = true;
                let grace = grace.as_secs();
                say(&format!("waiting for {slow} to stop, {grace} s at most (Ctrl-C: do not wait)"));
            }
            Wake::Timeout => {
                complain(&format!("{slow} does not stop and is killed"));
                for running in group.iter() {
                    running.process.kill();
                }
                return Stopped::Late;
            }
            Wake::Stop => {
                complain("not waiting: what still runs is killed");
                return Stopped::Hurried;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(20);

    /// A service that notes in a file that it has started, and when asked to stop does `on_stop` and notes that too.
    fn service(name: &str, role: Role, directory: &Path, on_stop: &str) -> Service {
        let mut command = Command::new("sh");
        let script = format!(
            "trap '{on_stop}; echo {name} >> stopped; exit 0' TERM; touch {name}; while :; do sleep 0.02; done"
        );
        command.current_dir(directory).args(["-c", &script]);
        Service { name: name.to_owned(), role, log: None, command }
    }

    fn start(stack: &mut Stack<'_>, directory: &Path, services: &[(&str, Role)], on_stop: &str) {
        for (name, role) in services {
            stack.start(service(name, *role, directory, on_stop)).unwrap();
            let started = directory.join(name);
            let is_ready = || if started.exists() { Ok(()) } else { Err("not yet".to_owned()) };
            stack.wait_until_ready(name, LIMIT, is_ready).unwrap();
        }
    }

    const ALL: [(&str, Role); 3] = [("redis", Role::Redis), ("worker", Role::Worker), ("api", Role::Api)];

    #[test]
    fn services_stop_in_the_order_that_loses_nothing() {
        let home = tempfile::tempdir().unwrap();
        let (signals, data_dir) = (Signals::with_stops(0), DataDir::open(home.path()).unwrap());
        let mut stack = Stack::new(&signals, &data_dir, 6);
        start(&mut stack, home.path(), &ALL, "sleep 0.1");
        assert!(stack.stop());
        assert_eq!(fs::read_to_string(home.path().join("stopped")).unwrap(), "api\nworker\nredis\n");
    }

    #[test]
    fn a_second_request_to_stop_kills_what_still_runs() {
        let home = tempfile::tempdir().unwrap();
        let data_dir = DataDir::open(home.path()).unwrap();
        let (patient, impatient) = (Signals::with_stops(0), Signals::with_stops(1));
        let mut stack = Stack::new(&patient, &data_dir, 6);
        start(&mut stack, home.path(), &ALL, "sleep 600");
        stack.signals = &impatient;
        let started = Instant::now();
        assert!(!stack.stop());
        assert!(started.elapsed() < Role::Api.grace());
        assert!(!home.path().join("stopped").exists());
    }

    #[test]
    fn a_service_that_ends_by_itself_is_reported_with_the_end_of_its_output() {
        let home = tempfile::tempdir().unwrap();
        let (signals, data_dir) = (Signals::with_stops(0), DataDir::open(home.path()).unwrap());
        for log in [None, Some(home.path().join("service.log"))] {
            let mut stack = Stack::new(&signals, &data_dir, 6);
            let mut command = Command::new("sh");
            command.args(["-c", "echo I am ill >&2; exit 70"]);
            stack.start(Service { name: "worker".to_owned(), role: Role::Worker, log, command }).unwrap();
            let error = format!("{:#}", stack.watch().unwrap_err());
            assert!(error.starts_with("worker: sh has ended by itself (exit status: 70)"), "{error}");
            assert!(error.contains("I am ill"), "{error}");
        }
    }

    #[test]
    fn waiting_for_a_service_ends_with_the_reason_why_it_is_not_ready() {
        let home = tempfile::tempdir().unwrap();
        let (signals, data_dir) = (Signals::with_stops(0), DataDir::open(home.path()).unwrap());
        let mut stack = Stack::new(&signals, &data_dir, 6);
        let limit = Duration::from_millis(100);
        let error = stack.wait_until_ready("the API", limit, || Err("it sleeps".to_owned())).unwrap_err();
        assert!(error.to_string().ends_with("it sleeps"), "{error}");
    }

    #[test]
    fn being_asked_to_stop_ends_the_wait_for_a_service() {
        let home = tempfile::tempdir().unwrap();
        let (signals, data_dir) = (Signals::with_stops(1), DataDir::open(home.path()).unwrap());
        let mut stack = Stack::new(&signals, &data_dir, 6);
        let error = stack.wait_until_ready("the API", LIMIT, || Err("it sleeps".to_owned())).unwrap_err();
        assert!(error.is::<Interrupted>());
    }
}
