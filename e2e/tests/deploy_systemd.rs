//! The units of `deploy/systemd/`: what they start works with their settings, and they expose little.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{fs, path::PathBuf, process::Command};

use e2e::program;
use serde_json::{Value, json};
use testkit::{Process, RedisServer, SmtpServer};

/// `systemd-analyze security` rates from 0, which is best, to 10.
const MOST_EXPOSED: f64 = 3.0;

fn recipe(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/systemd")).join(file)
}

/// What a unit starts, with the settings of its file, of which `changed` are others.
fn command(unit: &str, built: PathBuf, settings: &str, changed: &[(&str, &str)]) -> Command {
    let unit = fs::read_to_string(recipe(unit)).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let mut words = start.split(' ');
    let installed = PathBuf::from(words.next().unwrap());
    assert_eq!(installed.file_name(), built.file_name());
    let mut command = Command::new(built);
    command.args(words).env_clear();
    for line in fs::read_to_string(recipe(settings)).unwrap().lines() {
        let (name, value) = line.split_once('=').unwrap();
        let change = changed.iter().find(|(changed, _)| *changed == name);
        command.env(name, change.map_or(value, |(_, value)| value));
    }
    command
}

#[tokio::test]
async fn what_the_units_start_accepts_an_email_and_delivers_it() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = SmtpServer::start().await;
    let (redis_url, transport) = (redis.url(), server.url());
    let redis_url = ("EMAIL_QUEUE_REDIS_URL", redis_url.as_str());
    let api = command(
        "email-queue-api.service",
        program("NATIVE_API", "target/release/native-api"),
        "api.env",
        &[redis_url, ("EMAIL_QUEUE_LISTEN", "127.0.0.1:0")],
    );
    let worker = command(
        "email-queue-worker.service",
        program("NATIVE_WORKER", "target/release/native-worker"),
        "worker.env",
        &[redis_url, ("EMAIL_QUEUE_TRANSPORT", &transport)],
    );
    let (api, worker) = (Process::start(api), Process::start(worker));
    let line = api.wait_for_line(|line| line.starts_with("Serving http://")).await;
    let url = format!("{}/emails", line.trim_start_matches("Serving "));
    let email = json!({"to": "a@b.example", "subject": "s", "text": "t"}).to_string();
    let request = reqwest::Client::new().post(url).header("content-type", "application/json").body(email);
    let answer = request.bearer_auth("replace_this_key").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(server.wait_for(1).await[0].envelope_from, "hello@acme.example");
    let ready = worker.wait_for_line(|line| line.contains("ready")).await;
    assert!(serde_json::from_str::<Value>(&ready).is_ok(), "{ready}");
}

#[test]
fn the_units_expose_little() {
    for unit in ["email-queue-api.service", "email-queue-worker.service"] {
        let mut analyze = Command::new("systemd-analyze");
        let output = analyze.args(["security", "--offline=true", "--no-pager"]).arg(recipe(unit)).output();
        let output = output.expect("systemd-analyze is in Debian's package systemd");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let level = text.split("exposure level for ").nth(1).and_then(|rest| rest.split_whitespace().nth(1));
        let level: f64 = level.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
        assert!(level <= MOST_EXPOSED, "{unit}: {level}");
    }
}
