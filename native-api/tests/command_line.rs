//! What the program does beside serving: version, man page, completions, and the health check.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

use std::process::{Command, Output};

use harness::{DEADLINE, Output as Kept, Process, RedisServer, eventually};

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_native-api"));
    command.env_clear().args(arguments);
    command
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn the_version_says_of_which_commit_it_is() {
    let output = program(&["--version"]).output().unwrap();
    // A debug build is not made anew for each commit.
    assert_eq!(printed(&output), format!("native-api {} (debug build)\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_man_page_and_completions_know_the_flags() {
    for what in ["man", "bash", "fish", "zsh"] {
        let output = program(&["--generate", what]).output().unwrap();
        assert!(output.status.success(), "{what}: {output:?}");
        let text = printed(&output).replace("\\-", "-");
        assert!(text.contains("check-ready") && text.contains("backlog-limit"), "{what}: {text}");
        assert!(what != "man" || !text.contains("generate"), "{text}");
    }
}

#[test]
fn the_health_check_succeeds_while_the_server_can_accept_emails() {
    let redis = RedisServer::builder().without_persistence().start();
    let mut server = program(&["--listen", "127.0.0.1:0", "--redis-url", &redis.url()]);
    let server = Process::start(&mut server, Kept::Lines(10, None)).unwrap();
    let address = eventually(DEADLINE, "the server to listen", || {
        server.lines().iter().find_map(|line| line.strip_prefix("Serving http://").map(str::to_owned))
    });
    let check = || program(&["--check-ready", "--listen", &address]).output().unwrap();
    assert!(check().status.success(), "{:?}", check());
    redis.freeze();
    let frozen = check();
    assert_eq!(frozen.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&frozen.stderr).contains("503"), "{frozen:?}");
    redis.thaw();
    assert!(check().status.success(), "{:?}", check());
    drop(server);
    assert_eq!(check().status.code(), Some(1));
}
