//! `deploy/kubernetes/`, run by `podman kube play`, which takes the place of a cluster.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod common;

use std::fs;

use base64::{Engine, prelude::BASE64_STANDARD as STANDARD};
use common::podman::Podman;
use common::queue::Queue;
use common::{START, recipe};
use harness::{eventually, ports::free_port};
use serde_json::Value;

const WORKER: &str = "email-queue-pod-0-worker";
const REDIS: &str = "email-queue-redis-pod-0-redis";

/// Everything in one test, because the start of the containers takes the most time.
#[test]
fn pods_deliver_survive_a_restart_of_redis_and_say_when_they_cannot_work() {
    let cluster = Cluster::start();
    let (podman, port) = (&cluster.podman, free_port());
    let queue = Queue { podman, api: format!("http://127.0.0.1:{port}"), mail: "mail".to_owned() };
    cluster.play("redis.yaml", free_port());
    let sidecar = cluster.play("sidecar.yaml", port);
    // The probes, as the recipe has them: each can succeed, and fails when what it stands for does not work.
    let path = |probe: &str| probe_of("sidecar.yaml", "api", probe)["httpGet"]["path"].as_str().unwrap().to_owned();
    let (ready, alive) = (path("readinessProbe"), path("livenessProbe"));
    queue.wait_for_status(&ready, 200);
    queue.wait_for(&queue.post_many("first", 3));
    let worker = probe_of("sidecar.yaml", "worker", "livenessProbe");
    eventually(START, "the worker's probe to succeed", || cluster.succeeds(WORKER, &worker));
    podman.podman(&["pause", REDIS]);
    queue.wait_for_status(&ready, 503);
    // Neither is restarted for that.
    assert_eq!(queue.status(&alive), 200);
    assert!(cluster.succeeds(WORKER, &worker));
    podman.podman(&["unpause", REDIS]);
    queue.wait_for_status(&ready, 200);
    // A worker that hangs is one to restart.
    podman.signal(WORKER, "-STOP");
    eventually(START, "the worker's probe to fail", || !cluster.succeeds(WORKER, &worker));

    // A worker that is killed comes back by itself.
    podman.signal(WORKER, "-KILL");
    queue.wait_for(&queue.post_many("after the worker was killed", 3));

    // Redis is restarted while emails wait for it to come back.
    podman.podman(&["stop", WORKER]);
    let waiting = queue.post_many("during the restart of Redis", 20);
    podman.podman(&["pod", "stop", "email-queue-redis-pod-0"]);
    queue.wait_for_status("/readyz", 503);
    podman.podman(&["pod", "start", "email-queue-redis-pod-0"]);
    podman.podman(&["start", WORKER]);
    queue.wait_for_status("/readyz", 200);
    queue.wait_for(&waiting);

    // What one recipe has accepted the other delivers.
    podman.podman(&["stop", WORKER]);
    let left = queue.post_many("left by the sidecar", 10);
    cluster.down(&sidecar);
    cluster.play("two-deployments.yaml", port);
    queue.wait_for_status("/readyz", 200);
    queue.wait_for(&left);
    queue.wait_for(&queue.post_many("two Deployments", 3));
    let worker = probe_of("two-deployments.yaml", "worker", "livenessProbe");
    eventually(START, "the worker's probe to succeed", || cluster.succeeds("email-queue-worker-pod-0-worker", &worker));
}

/// What podman has in place of a cluster: a network with names, and the settings.
struct Cluster {
    podman: Podman,
    settings: String,
}

impl Cluster {
    /// With the Secret and the ConfigMap of the recipe, and the mail server that the settings name.
    fn start() -> Self {
        let podman = Podman::start("kubernetes");
        podman.make_redis_image();
        podman.podman(&["network", "create", "cluster"]);
        let mail = format!("localhost/email-queue-catch-all:{}", env!("CARGO_PKG_VERSION"));
        podman.podman(&["run", "--detach", "--name", "mail", "--network", "cluster:alias=mail", &mail]);
        let settings = fs::read_to_string(recipe("kubernetes").join("settings.yaml")).unwrap();
        let (secret, settings) = settings.split_once("\n---\n").unwrap();
        // podman 4 reads a Secret in a form of its own, where Kubernetes takes this one.
        let values: Vec<_> = secret
            .split_once("stringData:\n")
            .unwrap()
            .1
            .lines()
            .map(|line| {
                let (key, value) = line.trim().split_once(": ").unwrap();
                format!("\"{key}\": \"{}\"", STANDARD.encode(value))
            })
            .collect();
        let secret = podman.file("secret.json", &format!("{{{}}}", values.join(",")));
        podman.podman(&["secret", "create", "email-queue", secret.to_str().unwrap()]);
        Self { settings: settings.to_owned(), podman }
    }

    /// Runs a file of the recipe, with one replica for each Deployment. What listens has this port of the machine: podman
    /// publishes every port, and all Pods share the machine's addresses. Returns the file that was run.
    fn play(&self, name: &str, port: u16) -> String {
        let text = fs::read_to_string(recipe("kubernetes").join(name)).unwrap().replace("replicas: 2", "replicas: 1");
        let published = |text: String, number: &str| {
            let listens = format!("containerPort: {number}");
            text.replace(&listens, &format!("{listens}, hostPort: {port}"))
        };
        let text = published(published(text, "3000"), "6379");
        let file = self.podman.file(name, &text);
        let settings = self.podman.file("settings.yaml", &self.settings);
        let (file, settings) = (file.to_str().unwrap(), settings.to_str().unwrap());
        // The name of the Service.
        let network = format!("cluster:alias=email-queue-{}", name.trim_end_matches(".yaml"));
        self.podman.podman(&["kube", "play", "--network", &network, "--configmap", settings, file]);
        file.to_owned()
    }

    fn down(&self, file: &str) {
        self.podman.podman(&["kube", "down", file]);
    }

    /// Runs a probe in a container. podman 4 itself would run it by a shell, which our images do not have.
    fn succeeds(&self, container: &str, probe: &Value) -> bool {
        let command = probe["exec"]["command"].as_array().unwrap();
        let command = command.iter().map(|word| word.as_str().unwrap());
        self.podman.succeeds(&["exec", container].into_iter().chain(command).collect::<Vec<_>>())
    }
}

/// A probe of a container of a Deployment.
fn probe_of(file: &str, container: &str, probe: &str) -> Value {
    let text = fs::read_to_string(recipe("kubernetes").join(file)).unwrap();
    let objects: Vec<Value> = serde_saphyr::from_multiple(&text).unwrap();
    let deployments = objects.iter().filter(|object| object["kind"] == "Deployment");
    let mut containers =
        deployments.flat_map(|object| object["spec"]["template"]["spec"]["containers"].as_array().unwrap());
    containers.find(|found| found["name"] == container).unwrap()[probe].clone()
}
