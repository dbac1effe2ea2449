//! `deploy/compose/`, started as its page says.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod common;

use std::process::Command;

use common::podman::Podman;
use common::queue::Queue;
use common::{START, path, recipe, run};
use harness::{eventually, ports::free_port};

/// Everything in one test, because the start of the containers takes the most time.
#[test]
fn what_compose_starts_delivers_survives_a_stop_and_says_when_it_cannot_work() {
    let podman = Podman::start("compose");
    podman.make_redis_image();
    let port = free_port();
    let compose = || {
        let mut compose = podman.command(path("RECIPE_TOOLS", "target/test-tools/recipes/bin").join("podman-compose"));
        compose.current_dir(recipe("compose"));
        compose
    };
    let up = || run(compose().args(["up", "-d"]).env("API_PORT", port.to_string()));
    // What is asked for at the start must not be needed to stop.
    let down = || run(compose().arg("down").env_remove("API_PORT"));
    let queue = Queue { podman: &podman, api: format!("http://127.0.0.1:{port}"), mail: "compose_mail_1".to_owned() };

    up();
    queue.wait_for_status("/readyz", 200);
    assert_eq!(page_says(&queue), "Hello");
    let first = queue.post_many("first", 3);
    queue.wait_for(&first);

    // The health checks: each can succeed, and fails when what it stands for does not work.
    let is_healthy = |service: &str| podman.succeeds(&["healthcheck", "run", &format!("compose_{service}_1")]);
    for service in ["redis", "api", "worker"] {
        eventually(START, &format!("the health check of {service} to succeed"), || is_healthy(service));
    }
    podman.podman(&["pause", "compose_redis_1"]);
    queue.wait_for_status("/readyz", 503);
    assert!(!is_healthy("api") && is_healthy("worker"));
    podman.podman(&["unpause", "compose_redis_1"]);
    queue.wait_for_status("/readyz", 200);
    assert!(is_healthy("api"));

    // What was accepted while nobody delivered is delivered after a stop of everything.
    podman.podman(&["stop", "compose_worker_1"]);
    let waiting = queue.post_many("waiting", 20);
    down();
    assert_eq!(podman.podman(&["ps", "--all", "--quiet"]), "");
    up();
    queue.wait_for(&waiting);

    // A worker that is killed comes back by itself.
    podman.signal("compose_worker_1", "-KILL");
    let after = queue.post_many("after", 3);
    queue.wait_for(&after);
    down();
}

/// Runs the page's own `curl`, and returns the subject of the email that then arrives.
fn page_says(queue: &Queue<'_>) -> String {
    let page = std::fs::read_to_string(recipe("compose").join("README.md")).unwrap();
    let curl = page.split("```sh\n").find(|block| block.starts_with("curl ")).unwrap();
    let curl = curl.split("```").next().unwrap().replace("http://127.0.0.1:3000", &queue.api);
    let answer = run(Command::new("bash").args(["-c", &curl]));
    let id = answer.split('"').nth(3).unwrap().to_owned();
    queue.wait_for(&[(id, "Hello".to_owned())]);
    "Hello".to_owned()
}
