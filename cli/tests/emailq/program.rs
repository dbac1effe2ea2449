//! The program, and a queue for it.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use email_queue::{Class, EmailId, Lane, transition::Outcome};
use serde_json::Value;

use super::queue::{LONG, TestQueue, delayed};

/// What a run of the program has printed.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Run {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {:?} {:?}", self.out, self.err))
    }

    pub(crate) fn json_lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[track_caller]
    pub(crate) fn assert(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.err);
        self
    }
}

/// The program with the environment of nobody.
pub(crate) fn emailq_command(url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_emailq"));
    command.env_clear().env("EMAIL_QUEUE_REDIS_URL", url).args(arguments);
    command
}

/// Runs it with the environment of nobody, and with this on standard input.
pub(crate) fn emailq_with(url: &str, arguments: &[&str], input: &[u8]) -> Run {
    let mut command = emailq_command(url, arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // It may end before it has read all.
    let _ = stdin.write_all(input);
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

pub(crate) fn emailq(q: &TestQueue, arguments: &str) -> Run {
    emailq_with(&q.server.url(), &arguments.split_whitespace().collect::<Vec<_>>(), b"")
}

/// An email that has failed for good.
pub(crate) fn failed(q: &TestQueue, class: Class) -> EmailId {
    let id = q.enqueue(Lane::Normal);
    let claim = q.claim(1, LONG).remove(0).claim;
    q.finish(claim, Outcome::Failed { class, error: "550 5.1.1 no such user".to_owned() });
    id
}

/// An email that waits for another attempt.
pub(crate) fn waits_for_another_attempt(q: &TestQueue) -> EmailId {
    let id = q.enqueue(Lane::Normal);
    let claim = q.claim(1, LONG).remove(0).claim;
    q.finish(claim, delayed(LONG));
    id
}
