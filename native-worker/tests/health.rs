//! The health file, by which containers see whether a worker works.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::{
    fs::File,
    path::Path,
    process::Command,
    time::{Duration, SystemTime},
};

use common::Queue;
use testkit::{DEADLINE, eventually};

/// The exit code of a health check.
fn check(file: &Path) -> i32 {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-worker"));
    command.env_clear().env("EMAIL_QUEUE_HEALTH_FILE", file).arg("--check-health");
    command.status().unwrap().code().unwrap()
}

/// Makes the file look as if it had been written a minute ago.
fn age(file: &Path) {
    let minute_ago = SystemTime::now() - Duration::from_secs(60);
    File::options().write(true).open(file).unwrap().set_modified(minute_ago).unwrap();
}

#[tokio::test]
async fn a_worker_is_well_as_long_as_it_writes_its_file_whether_redis_answers_or_not() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("health");
    assert_eq!(check(&file), 1);
    let queue = Queue::start();
    let is_well = async || {
        age(&file);
        eventually(DEADLINE, "the health check to succeed", async || check(&file) == 0).await;
    };
    let flags = ["--health-file", file.to_str().unwrap()];

    let worker = queue.worker("null:", &flags);
    worker.wait_for_line(|line| line.contains("ready")).await;
    is_well().await;
    queue.redis.freeze();
    is_well().await;
    // A worker that starts waits for Redis.
    drop(worker);
    age(&file);
    let worker = queue.worker("null:", &flags);
    is_well().await;
    queue.redis.thaw();
    worker.wait_for_line(|line| line.contains("ready")).await;

    worker.kill();
    age(&file);
    assert_eq!(check(&file), 1);
}

#[tokio::test]
async fn a_health_file_that_cannot_be_written_is_logged_once_and_emails_are_delivered() {
    let queue = Queue::start();
    let worker = queue.worker("null:", &["--health-file", "/proc/nowhere"]);
    queue.import(&common::short("a@b.example", "hi")).await;
    worker.wait_for_line(|line| line.contains("email sent")).await;
    let complaints = worker.lines().iter().filter(|line| line.contains("health file")).count();
    assert_eq!(complaints, 1, "{}", worker.text());
}
