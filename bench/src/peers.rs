//! Other job libraries draining the same emails as jobs that do nothing, to compare with.
//!
//! Each library has a program in `programs/`, which is called twice: to enqueue, and to work as one process with the
//! given concurrency. It records the times of the first and last job, so that no start-up is counted. The libraries are
//! installed only into the benchmark's folder.

pub(crate) mod compare;
mod debian;
mod install;
mod library;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;

use library::{HTTP_PEER, LIBRARIES, Library};

/// The email that is every job's argument, as JSON. The zeros at the end of a word stand for the job's number.
const EMAIL: &str = concat!(
    r#"{"id":"019a7e0c-0000-7000-8000-000000000000","from":"Email Queue <email-queue@localhost>","#,
    r#""to":["user-000000000000@example.com"],"subject":"Welcome","#,
    r#""text":"Hello, and welcome. We are glad to have you."}"#,
);

/// How much longer than its limit a step may take to start and to end.
const GRACE: Duration = Duration::from_secs(60);

/// A library and what came out.
#[derive(Debug)]
struct Peer {
    /// Its name, with the mode that was the fastest if it has several, such as `Celery (prefork)`.
    name: String,
    /// Its version and its runtime's. Empty if it never ran.
    version: String,
    /// Whether the jobs in flight survive a `kill -9` of the worker.
    survives_kill: bool,
    /// The measurement, or why there is none.
    result: anyhow::Result<Drained>,
}

/// What a worker has handled.
#[derive(Clone, Copy, Debug)]
struct Drained {
    /// How many jobs were handled; fewer than asked for if the time was up.
    emails: u64,
    /// From the first to the last of them.
    seconds: f64,
    /// How much Redis' `used_memory` grew for each job that was enqueued, in bytes; the email itself is a part of it.
    bytes_per_job: f64,
}

impl Drained {
    /// Emails a second. The first one started the clock, so it is not counted.
    fn per_second(&self) -> f64 {
        self.emails.saturating_sub(1) as f64 / self.seconds
    }
}

/// How long and how much is to be measured.
#[derive(Clone, Copy, Debug)]
struct Load<'a> {
    redis_url: &'a str,
    emails: u64,
    concurrency: u32,
    limit: Duration,
}

/// Installs the libraries into `folder`, as far as they are not there yet, and measures them one after the other: those
/// named in `only`, or all. Enqueueing and draining take at most `limit` each, for each mode of a library; what was
/// handled until then counts. A library that cannot be installed or run is in the answer with its error.
///
/// **Empties the Redis at `redis_url`**, several times.
fn run(
    folder: &Path,
    redis_url: &str,
    emails: u64,
    concurrency: u32,
    limit: Duration,
    only: &[String],
    progress: &dyn Fn(&str),
) -> Vec<Peer> {
    let load = Load { redis_url, emails, concurrency, limit };
    let unknown = only.iter().filter(|name| !LIBRARIES.iter().any(|library| library.is_called(name)));
    let unknown = unknown.map(|name| Peer {
        name: name.clone(),
        version: String::new(),
        survives_kill: false,
        result: Err(anyhow::anyhow!("there is no such peer; there are {}", library::names())),
    });
    let chosen = LIBRARIES.iter().filter(|library| only.is_empty() || only.iter().any(|name| library.is_called(name)));
    chosen.flat_map(|library| measure(library, folder, load, progress)).chain(unknown).collect()
}

/// The program that serves `POST /emails` with fastify and puts each email on a BullMQ queue, installed into `folder`.
///
/// # Errors
/// npm is missing or fails.
pub(crate) fn http_peer(folder: &Path, redis_url: &str, progress: &dyn Fn(&str)) -> anyhow::Result<Command> {
    install::install(&HTTP_PEER, folder, progress).context("fastify and BullMQ cannot be installed")?;
    let mut program = HTTP_PEER.program(&install::directory(&HTTP_PEER, folder), folder);
    program.env("REDIS_URL", redis_url).env("NODE_ENV", "production");
    Ok(program)
}

/// A result for each mode.
fn measure(library: &Library, folder: &Path, load: Load<'_>, progress: &dyn Fn(&str)) -> Vec<Peer> {
    let peer =
        |name: String, version: String, result| Peer { name, version, survives_kill: library.survives_kill, result };
    if let Err(error) = install::install(library, folder, progress) {
        return vec![peer(library.name.to_owned(), String::new(), Err(error.context("it cannot be installed")))];
    }
    let measured = library.modes.iter().map(|mode| {
        let mut version = String::new();
        let drained = drain(library, mode, folder, load, &mut version, progress);
        peer(library.name_in(mode), version, drained)
    });
    measured.collect()
}

/// One run on an empty Redis.
fn drain(
    library: &Library,
    mode: &str,
    folder: &Path,
    load: Load<'_>,
    version: &mut String,
    progress: &dyn Fn(&str),
) -> anyhow::Result<Drained> {
    let Load { redis_url, emails, concurrency, limit } = load;
    let program = || {
        let mut program = library.program(&install::directory(library, folder), folder);
        program.env("REDIS_URL", redis_url).env("EMAIL", EMAIL);
        program
    };
    let call = |step: &mut Command| -> anyhow::Result<Value> { last_line(&harness::run(step, limit + GRACE)?) };
    let mut redis = redis::Client::open(redis_url)?.get_connection().context("cannot reach the benchmark's Redis")?;

    let name = library.name_in(mode);
    progress(&format!("{name}: enqueueing {emails} emails"));
    redis::cmd("FLUSHALL").exec(&mut redis)?;
    let before = used_memory(&mut redis)?;
    let seconds = limit.as_secs().max(1).to_string();
    let enqueued = call(program().args(["enqueue", &emails.to_string(), &seconds]))?;
    let after = used_memory(&mut redis)?;
    *version = enqueued["version"].as_str().context("the program reported no version")?.to_owned();
    let enqueued = enqueued["emails"].as_u64().context("the program reported no count")?;
    ensure!(enqueued > 0, "nothing was enqueued in {limit:?}");

    progress(&format!("{name} {version}: draining {enqueued} emails"));
    let worked = call(program().args(["work", &enqueued.to_string(), &concurrency.to_string(), &seconds]).arg(mode))?;
    redis::cmd("FLUSHALL").exec(&mut redis)?;
    let (handled, seconds) = (worked["emails"].as_u64(), worked["seconds"].as_f64());
    let (Some(handled), Some(seconds)) = (handled, seconds) else { bail!("the program reported {worked}") };
    ensure!(handled > 1, "{handled} of {enqueued} emails were handled in {limit:?}");
    let bytes_per_job = after.saturating_sub(before) as f64 / enqueued as f64;
    Ok(Drained { emails: handled, seconds, bytes_per_job })
}

/// What a program reports: the last line of its output.
fn last_line(output: &str) -> anyhow::Result<Value> {
    let line = output.lines().last().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("the program printed {line:?} instead of its result"))
}

fn used_memory(redis: &mut redis::Connection) -> anyhow::Result<u64> {
    let info: String = redis::cmd("INFO").arg("memory").query(redis)?;
    parse_used_memory(&info).context("Redis does not say how much memory it uses")
}

fn parse_used_memory(info: &str) -> Option<u64> {
    info.lines().find_map(|line| line.strip_prefix("used_memory:"))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_email_is_json_of_about_200_bytes_with_the_number_in_its_id_and_its_recipient() {
        assert!((190..=230).contains(&EMAIL.len()), "{}", EMAIL.len());
        let email: Value = serde_json::from_str(&EMAIL.replace("000000000000", "000000000042")).unwrap();
        assert!(email["id"].as_str().unwrap().ends_with("-000000000042"), "{email}");
        assert_eq!(email["to"][0], "user-000000000042@example.com");
    }

    #[test]
    fn the_first_email_starts_the_clock() {
        let drained = Drained { emails: 101, seconds: 2.0, bytes_per_job: 0.0 };
        assert_eq!(drained.per_second(), 50.0);
    }

    #[test]
    fn the_result_is_the_last_line_whatever_a_library_prints_before() {
        let result = last_line("a banner\n\n{\"emails\": 3, \"seconds\": 0.5}\n").unwrap();
        assert_eq!((result["emails"].as_u64(), result["seconds"].as_f64()), (Some(3), Some(0.5)));
        let error = last_line("a banner\n").unwrap_err().to_string();
        assert!(error.contains("a banner"), "{error}");
    }

    #[test]
    fn memory_is_the_figure_without_a_unit() {
        let info = "# Memory\r\nused_memory:874480\r\nused_memory_human:853.98K\r\n";
        assert_eq!(parse_used_memory(info), Some(874_480));
        assert_eq!(parse_used_memory("# Memory\r\n"), None);
    }

    #[test]
    fn a_name_that_no_library_has_is_reported_with_those_that_there_are() {
        let folder = tempfile::tempdir().unwrap();
        let only = ["Resque".to_owned()];
        let peers = run(folder.path(), "redis://127.0.0.1:1", 10, 1, Duration::from_secs(1), &only, &|_| {});
        let [peer] = &peers[..] else { panic!("{peers:?}") };
        let error = peer.result.as_ref().unwrap_err().to_string();
        assert!(peer.name == "Resque" && error.contains("BullMQ"), "{peer:?}");
    }
}
