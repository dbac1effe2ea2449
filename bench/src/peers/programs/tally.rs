//! What the Rust programs share: the arguments, the email, and the count.

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Notify;

/// What the program was called for.
pub enum Step {
    Enqueue { emails: u64, deadline: Instant },
    Work { concurrency: usize, limit: Duration },
}

/// Reads `enqueue EMAILS LIMIT` or `work EMAILS CONCURRENCY LIMIT …`.
pub fn step() -> Step {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let number = |index: usize| arguments[index].parse::<u64>().expect("a number");
    match arguments[0].as_str() {
        "enqueue" => Step::Enqueue { emails: number(1), deadline: Instant::now() + Duration::from_secs(number(2)) },
        _ => {
            EMAILS.store(number(1), Ordering::Relaxed);
            Step::Work { concurrency: number(2) as usize, limit: Duration::from_secs(number(3)) }
        }
    }
}

/// The library's own way of working; empty for the usual one.
#[allow(dead_code, reason = "not every library has several")]
pub fn mode() -> String {
    env::args().nth(5).unwrap_or_default()
}

pub fn redis_url() -> String {
    env::var("REDIS_URL").expect("REDIS_URL")
}

/// The email of the job with this number.
pub fn email(number: u64) -> Value {
    static TEMPLATE: LazyLock<String> = LazyLock::new(|| env::var("EMAIL").expect("EMAIL"));
    serde_json::from_str(&TEMPLATE.replace("000000000000", &format!("{number:012}"))).expect("JSON")
}

struct Tally {
    handled: u64,
    first_and_last: Option<(Instant, Instant)>,
}

/// How many are to be handled.
static EMAILS: AtomicU64 = AtomicU64::new(0);
static TALLY: Mutex<Tally> = Mutex::new(Tally { handled: 0, first_and_last: None });
static DONE: Notify = Notify::const_new();

/// The whole of a job.
pub fn handle() {
    let mut tally = TALLY.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    tally.handled += 1;
    tally.first_and_last = Some((tally.first_and_last.map_or(now, |(first, _)| first), now));
    if tally.handled == EMAILS.load(Ordering::Relaxed) {
        DONE.notify_one();
    }
}

/// Waits until all are handled or `limit` has passed, prints how many were, and ends the program.
pub async fn report(limit: Duration) -> ! {
    let _ = tokio::time::timeout(limit, DONE.notified()).await;
    let tally = TALLY.lock().unwrap_or_else(PoisonError::into_inner);
    let seconds = tally.first_and_last.map_or(0.0, |(first, last)| (last - first).as_secs_f64());
    println!("{}", json!({ "emails": tally.handled, "seconds": seconds }));
    std::process::exit(0);
}

/// Prints how many were enqueued, and by which version of the library: the one that `lock`, a Cargo.lock, holds.
pub fn report_enqueued(emails: u64, package: &str, lock: &str) {
    let version =
        lock.split_once(&format!("name = \"{package}\"\nversion = \"")).and_then(|(_, rest)| rest.split('"').next());
    println!("{}", json!({ "emails": emails, "version": version }));
}
