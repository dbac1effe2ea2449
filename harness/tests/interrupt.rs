//! What becomes of children when their parent is interrupted: this program starts itself as that parent.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::env;
use std::fs;
use std::process::Command;

use harness::interrupt::end_children_with_us;
use harness::{DEADLINE, Output, Process, Signal, eventually};

/// Set for the copy of this program that is interrupted.
const IS_PARENT: &str = "HARNESS_TEST_PARENT";

#[test]
fn an_interrupted_program_cleans_up_and_leaves_no_child_behind() {
    if env::var_os(IS_PARENT).is_some() {
        end_children_with_us(|| println!("cleaned up")).unwrap();
        let child = Process::start(Command::new("sleep").arg("600"), Output::Inherit).unwrap();
        println!("child {}", child.id());
        child.wait(DEADLINE).unwrap();
        return;
    }
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let mut command = Command::new(env::current_exe().unwrap());
        let parent = Process::start(command.arg("--nocapture").env(IS_PARENT, "1"), Output::Lines(99, None)).unwrap();
        let said = |word: &str| parent.lines().iter().find_map(|line| Some(line.split_once(word)?.1.to_owned()));
        let child = eventually(DEADLINE, "a child", || said("child "));
        parent.signal(signal);
        assert_eq!(parent.wait(DEADLINE).unwrap().code(), Some(code));
        assert!(said("cleaned up").is_some());
        // It leads a group of its own, so the signal did not reach it.
        let is_gone = || fs::read_to_string(format!("/proc/{child}/stat")).map_or(true, |stat| stat.contains(") Z "));
        eventually(DEADLINE, "the end of the child", is_gone);
    }
}
