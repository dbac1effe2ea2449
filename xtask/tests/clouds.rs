//! The recipes for clouds, which nobody can run here: their settings, their commands and their resources, as far as they can be checked.

#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by unwrapping it; clippy.toml covers only #[test] itself"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

/// The folders of clouds that are deployed to by a plugin of `spin`, and the words before its options.
const BY_PLUGIN: [(&str, &[&str]); 2] =
    [("deploy/fermyon-cloud", &["cloud", "deploy"]), ("deploy/akamai-functions", &["aka", "deploy"])];

/// What both clouds take in one request, in bytes.
const LARGEST_REQUEST: u64 = 10 * 1024 * 1024;

/// The fields of a `SpinApp` that this project may use: spinframework/spin-operator, api/v1alpha1/spinapp_types.go, read in November
/// 2026. The operator's schema refuses others.
const SPEC: &[&str] = &[
    "executor",
    "image",
    "imagePullSecrets",
    "checks",
    "replicas",
    "enableAutoscaling",
    "runtimeConfig",
    "volumes",
    "volumeMounts",
    "variables",
    "serviceAnnotations",
    "deploymentAnnotations",
    "podAnnotations",
    "podLabels",
    "resources",
    "components",
    "serviceAccountName",
    "invocationLimits",
];
const PROBE: &[&str] =
    &["httpGet", "initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap()
}

/// The variables that the API's manifest declares.
fn variables() -> BTreeSet<String> {
    let manifest = read("spin.toml");
    let table = manifest.split_once("\n[variables]\n").unwrap().1.split("\n[").next().unwrap();
    table.lines().filter_map(|line| Some(line.split_once(" = ")?.0.to_owned())).collect()
}

/// The `name=value` lines of a file of settings.
fn settings(path: &str) -> Vec<(String, String)> {
    let lines = read(path);
    let lines = lines.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once('=').unwrap()).map(|(name, value)| (name.into(), value.into())).collect()
}

fn keys(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn the_settings_of_a_cloud_are_variables_of_the_api_within_its_limits() {
    let variables = variables();
    assert!(variables.contains("redis_url"), "{variables:?}");
    for (folder, _) in BY_PLUGIN {
        let settings = settings(&format!("{folder}/settings.env"));
        let value = |name: &str| settings.iter().find(|(other, _)| other == name).unwrap().1.as_str();
        for (name, _) in &settings {
            assert!(variables.contains(name), "{folder} sets {name}, which is no variable of spin.toml");
        }
        let (_, address) = value("redis_url").split_once('@').unwrap();
        assert!(value("redis_url").starts_with("rediss://"), "{folder}: the way to Redis is through the internet");
        assert_eq!(address, value("redis_host"), "{folder}: the component may connect to `redis_host` only");
        assert!(address.rsplit_once(':').unwrap().1.parse::<u16>().is_ok(), "{folder}: `redis_host` needs a port");
        assert!(value("max_body_bytes").parse::<u64>().unwrap() <= LARGEST_REQUEST, "{folder}");
    }
}

#[test]
fn the_nodes_of_a_cluster_take_the_place_of_the_one_redis_in_both_manifests() {
    let page = read("deploy/cluster/README.md");
    let command = page.lines().map(str::trim).find(|line| line.ends_with("spin-cluster.toml")).unwrap();
    let settings = settings("deploy/cluster/settings.env");
    let value = |name: &str| settings.iter().find(|(other, _)| other == name).unwrap().1.as_str();
    let variables = variables();
    assert!(settings.iter().all(|(name, _)| variables.contains(name)), "{settings:?}");
    let (command, _) = command.split_once(" > ").unwrap();
    for manifest in ["spin.toml", "spin-wasip3.toml"] {
        let command = command.replace("spin.toml", manifest);
        let output = Command::new("sh").args(["-c", &command]).current_dir(root()).output().unwrap();
        let (before, after) = (read(manifest), String::from_utf8(output.stdout).unwrap());
        let changed: Vec<_> = before.lines().zip(after.lines()).filter(|(before, after)| before != after).collect();
        assert_eq!((changed.len(), before.lines().count()), (1, after.lines().count()), "{changed:?}");
        let nodes = changed[0].1.strip_prefix("allowed_outbound_hosts = ").unwrap();
        let nodes: Vec<String> = serde_json::from_str(nodes).unwrap();
        assert!(nodes.iter().all(|node| node.starts_with("redis://") && !node.contains(['@', '{'])), "{nodes:?}");
        assert_eq!(nodes.iter().collect::<BTreeSet<_>>().len(), nodes.len());
        assert!(nodes.contains(&format!("redis://{}", value("redis_host"))), "{nodes:?}");
        assert!(value("redis_url").ends_with(value("redis_host")));
    }
    // Several shards need such a name.
    assert!(value("queue").starts_with('{') && value("queue").ends_with('}') && value("shards") != "1");
}

#[test]
fn the_command_of_a_page_passes_each_setting_whole() {
    for (folder, words) in BY_PLUGIN {
        let page = read(&format!("{folder}/README.md"));
        let command = page.lines().find(|line| line.trim_start().starts_with("awk ")).unwrap();
        let bin = tempfile::tempdir().unwrap();
        let spin = bin.path().join("spin");
        fs::write(&spin, "#!/bin/sh\nfor word in \"$@\"; do printf '%s\\0' \"$word\"; done\n").unwrap();
        assert!(Command::new("chmod").arg("+x").arg(&spin).status().unwrap().success());
        let path = format!("{}:{}", bin.path().display(), std::env::var("PATH").unwrap());
        let output = Command::new("sh").args(["-c", command]).current_dir(root()).env("PATH", path).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let passed = String::from_utf8(output.stdout).unwrap();
        let mut expected: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        for (name, value) in settings(&format!("{folder}/settings.env")) {
            expected.extend(["--variable".to_owned(), format!("{name}={value}")]);
        }
        assert_eq!(passed.split_terminator('\0').collect::<Vec<_>>(), expected, "{folder}");
    }
}

#[test]
fn the_spinapp_has_only_fields_that_its_operator_knows() {
    let app = yaml("deploy/spinkube/spinapp.yaml");
    assert_eq!(keys(&app), ["apiVersion", "kind", "metadata", "spec"].into());
    assert_eq!(
        (app["apiVersion"].as_str(), app["kind"].as_str()),
        (Some("core.spinkube.dev/v1alpha1"), Some("SpinApp"))
    );
    let spec = &app["spec"];
    let unknown: Vec<_> = keys(spec).into_iter().filter(|field| !SPEC.contains(field)).collect();
    assert!(unknown.is_empty(), "a SpinApp has no {unknown:?}");
    assert!(spec["image"].is_string() && spec["executor"].is_string(), "both are required");
    assert!(
        spec.get("enableAutoscaling").is_none() || spec.get("replicas").is_none(),
        "the operator takes one of them"
    );
    for (check, probe) in spec["checks"].as_object().unwrap() {
        assert!(["readiness", "liveness"].contains(&check.as_str()), "{check}");
        assert!(keys(probe).iter().all(|field| PROBE.contains(field)), "{probe}");
        let path = probe["httpGet"]["path"].as_str().unwrap();
        assert!(["/healthz", "/readyz"].contains(&path), "{path}");
    }
    assert!(keys(&spec["resources"]).is_subset(&["limits", "requests"].into()));
}

#[test]
fn what_spinkube_takes_from_the_secret_is_in_its_settings() {
    let settings: BTreeSet<_> = settings("deploy/spinkube/settings.env").into_iter().map(|(name, _)| name).collect();
    let app = yaml("deploy/spinkube/spinapp.yaml");
    let worker = yaml("deploy/spinkube/worker.yaml");
    let declared = variables();
    let from_app = app["spec"]["variables"].as_array().unwrap();
    for variable in from_app {
        assert!(declared.contains(variable["name"].as_str().unwrap()), "{variable} is no variable of spin.toml");
    }
    let from_worker = worker["spec"]["template"]["spec"]["containers"][0]["env"].as_array().unwrap();
    let taken = from_app.iter().chain(from_worker).filter_map(|variable| {
        let key = &variable.get("valueFrom")?["secretKeyRef"];
        assert_eq!(key["name"], "email-queue");
        Some(key["key"].as_str().unwrap().to_owned())
    });
    assert_eq!(taken.collect::<BTreeSet<_>>(), settings);
}
