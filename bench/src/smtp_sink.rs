//! Postfix's `smtp-sink`: a mail server that discards every message. <https://www.postfix.org/smtp-sink.1.html>

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use harness::ports::free_port;
use harness::{Output, Process};

use crate::bench::Bench;

const START_LIMIT: Duration = Duration::from_secs(10);

/// A running smtp-sink. Dropping it kills it.
pub(crate) struct SmtpSink {
    process: Process,
    port: u16,
    /// How many of the sessions were ours.
    probes: Cell<u64>,
}

/// What it has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections that have ended.
    pub(crate) sessions: u64,
    pub(crate) messages: u64,
}

impl SmtpSink {
    /// # Errors
    /// There is no smtp-sink, or it does not start.
    pub(crate) fn start(bench: &Bench<'_>) -> anyhow::Result<SmtpSink> {
        let port = free_port();
        let mut command = Command::new(&bench.programs.smtp_sink);
        command.arg("-c");
        if rustix::process::geteuid().is_root() {
            // It refuses to be root.
            command.args(["-u", "nobody"]);
        }
        command.args([&format!("inet:127.0.0.1:{port}"), "1024"]);
        let log = bench.directory.join(format!("smtp-sink-{port}.log"));
        let process = Process::start(&mut command, Output::File(log))?;
        let sink = SmtpSink { process, port, probes: Cell::new(0) };
        sink.process.wait_for("a session", START_LIMIT, || Ok(sink.probe().ok()))?;
        Ok(sink)
    }

    /// The worker's transport that leads here.
    pub(crate) fn transport(&self) -> String {
        format!("smtp://127.0.0.1:{}?tls=none", self.port)
    }

    /// Its address as the programs of Postfix write it.
    pub(crate) fn inet(&self) -> String {
        format!("inet:127.0.0.1:{}", self.port)
    }

    /// What it has seen, all of what has ended by now included.
    ///
    /// # Errors
    /// It has ended, or shows no counters.
    pub(crate) fn counts(&self) -> anyhow::Result<Counts> {
        // It does one thing at a time, and shows its counters before it closes a connection: what came before this
        // one is in them.
        self.probe()?;
        let Counts { sessions, messages } = counts(&self.process.text()).context("smtp-sink shows no counters")?;
        Ok(Counts { sessions: sessions - self.probes.get(), messages })
    }

    /// A session without an email, to its end.
    fn probe(&self) -> anyhow::Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(START_LIMIT))?;
        stream.write_all(b"QUIT\r\n")?;
        stream.read_to_end(&mut Vec::new())?;
        self.probes.set(self.probes.get() + 1);
        Ok(())
    }
}

/// The last of its lines `sess=    1 quit=    0 mesg=    7`, each of which ends in a carriage return.
fn counts(written: &str) -> Option<Counts> {
    let (lines, _) = written.rsplit_once('\r')?;
    let line = lines.rsplit(['\r', '\n']).next()?;
    let after = |name: &str| line.split_once(name)?.1.split_whitespace().next()?.parse().ok();
    Some(Counts { sessions: after("sess=")?, messages: after("mesg=")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_counters_count() {
        let written = "sess=    1 quit=    0 mesg=    1\rsess=   12 quit=   11 mesg=  345\rsess=   13 qu";
        assert_eq!(counts(written), Some(Counts { sessions: 12, messages: 345 }));
        assert_eq!(counts("smtp-sink: fatal"), None);
    }
}
