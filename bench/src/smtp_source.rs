//! Postfix' `smtp-source`: a client that sends the same message again and again, made before it begins.
//! <https://www.postfix.org/smtp-source.1.html>

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use harness::process::POLL;
use harness::{Output, Process};

use crate::bench::Bench;
use crate::procfs;
use crate::smtp_sink::SmtpSink;
use crate::worker::CONCURRENCY;

/// How many lines of its output an error has.
const SHOWN: usize = 10;

const LIMIT: Duration = Duration::from_secs(60);

/// What it took to send some messages.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) messages: u64,
    pub(crate) time: Duration,
    /// Time on a processor.
    pub(crate) cpu: Duration,
}

/// Sends messages of so many bytes, over as many sessions at once as the worker has emails in flight.
///
/// # Errors
/// There is no smtp-source; it fails, or takes too long.
pub(crate) fn send(bench: &Bench<'_>, sink: &SmtpSink, messages: u64, bytes: u64) -> anyhow::Result<Sent> {
    let mut command = Command::new(&bench.programs.smtp_source);
    command.args(["-d", "-s", &CONCURRENCY.to_string(), "-l", &bytes.to_string(), "-m", &messages.to_string()]);
    command.arg(sink.inet());
    let before = sink.counts()?.messages;
    let start = Instant::now();
    let process = Process::start(&mut command, Output::Lines(SHOWN, None))?;
    let mut last = None;
    // An ended process has no memory figures any more; at most one polling interval is missed.
    while let Ok(usage) = procfs::usage(process.id()) {
        last = Some(usage);
        if start.elapsed() > LIMIT {
            bail!("smtp-source has not sent {messages} messages in {} s", LIMIT.as_secs());
        }
        thread::sleep(POLL);
    }
    let time = start.elapsed();
    let cpu = last.context("smtp-source has ended before it could be looked at")?.cpu;
    let seen = sink.counts()?.messages - before;
    if seen != messages {
        bail!("smtp-sink has got {seen} messages of {messages} from smtp-source: {}", process.text());
    }
    Ok(Sent { messages, time, cpu })
}
