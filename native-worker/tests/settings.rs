//! Settings by flags and environment variables, and which cannot be used.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::process::Command;

use common::{Queue, short};
use testkit::{DEADLINE, Process, RedisServer, SmtpServer};

#[tokio::test]
async fn settings_that_cannot_be_used_are_one_clear_line() {
    let queue = Queue::start();
    for (transport, flags, expected) in [
        ("", [].as_slice(), "no transport is given: --transport or EMAIL_QUEUE_TRANSPORT has to say where emails go"),
        ("smtp://u:s3cret@h?x=y", &[], "query other than tls, ca and hello"),
        ("log:", &["--concurrency", "0"], "concurrency is 1 to 10000"),
        ("log:", &["--lease", "10ms"], "the lease is at least 1s"),
        ("log:", &["--concurrency", "many"], "invalid value 'many' for '--concurrency <EMAILS>'"),
        ("log:", &["--nonsense"], "unexpected argument '--nonsense'"),
        ("file:/proc/nowhere", &[], "cannot write to the directory"),
        ("smtp://mail.example", &["--smtp-ca-file", "/nowhere.pem"], "cannot read certificates from /nowhere.pem"),
    ] {
        let mut worker = queue.worker(transport, flags);
        let status = worker.wait(DEADLINE).await;
        assert_eq!(status.code(), Some(64), "{transport} {flags:?}");
        let lines = worker.lines();
        assert!(lines.iter().any(|line| line.contains(expected)), "{lines:?}");
        assert!(!lines.join("\n").contains("s3cret"), "{lines:?}");
    }
}

#[tokio::test]
async fn a_log_filter_that_cannot_be_read_is_a_setting_that_cannot_be_used() {
    let queue = Queue::start();
    let mut command = queue.command("log:", &[]);
    command.env("RUST_LOG", "native_worker=loud");
    let mut worker = Process::start(command);
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(64));
    let lines = worker.lines();
    assert!(lines.iter().any(|line| line.contains("RUST_LOG")), "{lines:?}");
}

#[tokio::test]
async fn a_collector_that_would_need_tls_is_a_setting_that_cannot_be_used_and_an_empty_one_is_none() {
    let queue = Queue::start();
    for name in ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] {
        let mut command = queue.command("null:", &[]);
        command.env(name, "https://user:s3cret@collector.example:4318");
        let mut worker = Process::start(command);
        assert_eq!(worker.wait(DEADLINE).await.code(), Some(64));
        let text = worker.text();
        assert!(text.contains(&format!("{name} has to begin with http://")) && !text.contains("s3cret"), "{text}");
    }
    let mut command = queue.command("null:", &["--drain"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "");
    assert_eq!(Process::start(command).wait(DEADLINE).await.code(), Some(0));
}

#[test]
fn help_and_version_are_no_errors() {
    for flag in ["--help", "-h", "--version"] {
        let output = Command::new(env!("CARGO_BIN_EXE_native-worker")).env_clear().arg(flag).output().unwrap();
        assert_eq!((output.status.code(), output.stderr.is_empty()), (Some(0), true), "{flag}");
        assert!(String::from_utf8(output.stdout).unwrap().contains("native-worker"), "{flag}");
    }
}

#[test]
fn the_version_names_the_commit_and_a_man_page_and_completions_know_the_flags() {
    let printed = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_native-worker"));
        let output = command.env_clear().args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    // A debug build is not made anew for each commit.
    assert_eq!(printed(&["--version"]), format!("native-worker {} (debug build)\n", env!("CARGO_PKG_VERSION")));
    for what in ["man", "bash", "fish", "zsh"] {
        let text = printed(&["--generate", what]).replace("\\-", "-");
        assert!(text.contains("health-file") && text.contains("smtp-timeout"), "{what}: {text}");
        assert!(what != "man" || !text.contains("generate"), "{text}");
    }
}

#[tokio::test]
async fn variables_are_still_read_by_their_old_names_which_is_said_once_each() {
    let redis = RedisServer::builder().without_persistence().password("s3cret").start();
    let (queue, smtp) = (Queue { redis }, SmtpServer::start().await);
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-worker"));
    command.env_clear().env("REDIS_URL", queue.redis.url()).env("TRANSPORT", smtp.url()).env("DRAIN", "true");
    // A newer variable has no old name: this one is another program's.
    command.env("HEALTH_FILE", "/nonexistent/health");
    // A flag and the new name each win over the old one.
    command
        .args(["--lease", "9s"])
        .env("LEASE", "no duration")
        .env("CONCURRENCY", "no number")
        .env("EMAIL_QUEUE_CONCURRENCY", "3");
    queue.push(&short("a@b.example", "hi"));
    let mut worker = Process::start(command);
    assert!(worker.wait(DEADLINE).await.success());
    assert_eq!(smtp.received().len(), 1);
    let lines = worker.lines();
    let said: Vec<_> = lines.iter().filter(|line| line.contains("deprecated")).collect();
    for old in ["REDIS_URL", "TRANSPORT", "DRAIN"] {
        let warning = format!("the environment variable {old} is deprecated: set EMAIL_QUEUE_{old} instead");
        assert_eq!(
            said.iter().filter(|line| line.contains("WARN") && line.ends_with(&warning)).count(),
            1,
            "{lines:?}"
        );
    }
    assert_eq!(said.len(), 3, "{lines:?}");
    assert!(lines.iter().any(|line| line.contains("concurrency=3")), "{lines:?}");
    assert!(!lines.join("\n").contains("s3cret"), "{lines:?}");
}

#[tokio::test]
async fn an_old_name_with_a_value_that_cannot_be_used_is_an_error_as_the_new_one_is() {
    for (name, value) in [("LEASE", "soon"), ("EMAIL_QUEUE_LEASE", "soon"), ("QUEUE", ""), ("EMAIL_QUEUE_QUEUE", "")] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_native-worker"));
        command.env_clear().args(["--transport", "null:"]).env(name, value);
        let mut worker = Process::start(command);
        assert_eq!(worker.wait(DEADLINE).await.code(), Some(64), "{name}");
        let flag = format!("--{}", name.trim_start_matches("EMAIL_QUEUE_").to_lowercase().replace('_', "-"));
        let flag = if name == "EMAIL_QUEUE_QUEUE" { "--queue".to_owned() } else { flag };
        assert!(worker.lines().iter().any(|line| line.contains(&flag)), "{name}: {:?}", worker.lines());
    }
}
