use std::os::unix::process::ExitStatusExt;

use rustix::process::test_kill_process;

use super::*;
use crate::wait::{DEADLINE, eventually};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    command
}

/// Starts a script whose output is kept, and waits until it has written a line.
fn started(script: &str) -> Process {
    let process = Process::start(&mut shell(script), Output::Lines(usize::MAX, None)).unwrap();
    eventually(DEADLINE, "a line", || !process.lines().is_empty());
    process
}

/// Killed, and reaped by the process that inherits orphans: a zombie counts as gone.
fn wait_until_gone(id: &str) {
    let pid = Pid::from_raw(id.parse().unwrap()).unwrap();
    let is_zombie = || fs::read_to_string(format!("/proc/{id}/stat")).is_ok_and(|stat| stat.contains(") Z "));
    eventually(DEADLINE, "the end of an orphan", || test_kill_process(pid).is_err() || is_zombie());
}

#[test]
fn the_status_and_the_output_of_both_streams_are_complete_at_the_end() {
    let process = Process::start(&mut shell("echo result; echo problem >&2; exit 3"), Output::Lines(9, None)).unwrap();
    assert_eq!(process.wait(DEADLINE).unwrap().code(), Some(3));
    assert_eq!(process.lines_of(Stream::Stdout), ["result"]);
    assert_eq!(process.lines_of(Stream::Stderr), ["problem"]);
    assert!(!process.is_running());
}

#[test]
fn of_much_output_the_last_lines_are_kept_and_each_was_seen() {
    let seen = Arc::new(Mutex::new(0));
    let count = Arc::clone(&seen);
    let sink: Sink = Arc::new(move |_| *lock(&count) += 1);
    let process = Process::start(&mut shell("seq 1 1000"), Output::Stdout(2, Some(sink))).unwrap();
    process.wait(DEADLINE).unwrap();
    assert_eq!(process.lines(), ["999", "1000"]);
    assert_eq!(*lock(&seen), 1000);
}

#[test]
fn a_file_gets_both_streams() {
    let home = tempfile::tempdir().unwrap();
    let output = Output::File(home.path().join("log"));
    let process = Process::start(&mut shell("echo one; echo two >&2"), output).unwrap();
    process.wait(DEADLINE).unwrap();
    assert_eq!(process.text(), "one\ntwo\n");
}

#[test]
fn a_signal_reaches_the_program_and_what_it_started() {
    for (name, signal) in [("TERM", Signal::TERM), ("INT", Signal::INT)] {
        // A shell runs its trap only between commands: hence many short sleeps.
        let process =
            started(&format!("trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.01; done"));
        process.signal(signal);
        assert_eq!(process.wait(DEADLINE).unwrap().code(), Some(7));
        assert!(process.lines().contains(&format!("got {name}")));
    }
}

#[test]
fn stopping_takes_no_longer_than_the_limit() {
    let process = started("trap '' TERM; echo ready; while :; do sleep 0.01; done");
    assert!(process.stop(Duration::from_millis(50)).unwrap_err().to_string().contains("has not ended"));
    process.kill();
    assert_eq!(process.wait(DEADLINE).unwrap().signal(), Some(Signal::KILL.as_raw()));
    assert_eq!(process.lines(), ["ready"]);
}

#[test]
fn what_a_process_leaves_behind_in_its_group_ends_with_it() {
    let process = started("sleep 600 & echo $!; exit 0");
    assert!(process.wait(DEADLINE).unwrap().success());
    wait_until_gone(&process.lines()[0]);
}

#[test]
fn dropping_a_process_kills_it_with_all_that_it_started() {
    let process = started("sleep 600 & echo $!; wait");
    let (id, child) = (process.id(), process.lines()[0].clone());
    drop(process);
    assert!(!std::path::Path::new(&format!("/proc/{id}")).exists());
    wait_until_gone(&child);
}

#[test]
fn a_program_that_ends_by_itself_ends_the_wait_for_it() {
    let process = started("echo I am ill; exit 1");
    let error = process.wait_for("a cure", DEADLINE, || Ok(None::<()>)).unwrap_err().to_string();
    assert!(error.contains("exit status: 1") && error.contains("I am ill"), "{error}");
}

#[test]
fn a_run_returns_what_was_written_and_fails_with_what_was_complained_of() {
    assert_eq!(run(&mut shell("echo 7"), DEADLINE).unwrap(), "7\n");
    let error = run(&mut shell("echo bad news >&2; exit 3"), DEADLINE).unwrap_err().to_string();
    assert!(error.contains("bad news") && error.contains("exit status: 3"), "{error}");
    let error = run(&mut Command::new("/no/such/program"), DEADLINE).unwrap_err();
    assert!(format!("{error:#}").starts_with("cannot start /no/such/program"), "{error:#}");
}

#[test]
fn a_run_that_takes_too_long_is_killed() {
    let error = run(&mut shell("echo working; sleep 600 & wait"), Duration::from_millis(300)).unwrap_err().to_string();
    assert!(error.contains("has not ended") && error.contains("working"), "{error}");
}
