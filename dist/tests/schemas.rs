//! The files of `deploy/kubernetes/`, and the worker of `deploy/spinkube/`, against the schemas of Kubernetes and KEDA, and against
//! what every Pod here keeps to.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod common;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{path, recipe, root, run};
use serde_json::Value;

/// All files of the recipes but KEDA's, whose kinds are not of Kubernetes.
fn files() -> Vec<PathBuf> {
    let files = fs::read_dir(recipe("kubernetes")).unwrap().map(|entry| entry.unwrap().path());
    let files = files
        .filter(|file| file.extension().is_some_and(|extension| extension == "yaml") && !file.ends_with("keda.yaml"));
    let files: Vec<_> = files.chain([recipe("spinkube").join("worker.yaml")]).collect();
    assert!(files.len() > 4, "{files:?}");
    files
}

fn tools() -> PathBuf {
    path("RECIPE_TOOLS", "target/test-tools/recipes/bin")
}

/// The objects of a file, as JSON.
fn objects(file: &Path) -> String {
    let program = "import json, sys, yaml; print(json.dumps(list(yaml.safe_load_all(open(sys.argv[1])))))";
    run(Command::new(tools().join("python")).args(["-c", program]).arg(file))
}

#[test]
fn each_object_is_one_of_kubernetes_without_a_field_that_it_does_not_know() {
    let strict = |file: &Path| {
        let mut validate = Command::new(tools().join("kubernetes-validate"));
        validate.args(["--strict", "--quiet"]).arg(file).output().unwrap().status.success()
    };
    for file in files() {
        assert!(strict(&file), "{}: run kubernetes-validate --strict", file.display());
    }
    // It would see a wrong one.
    let home = tempfile::tempdir().unwrap();
    let wrong = home.path().join("wrong.yaml");
    let sidecar = fs::read_to_string(recipe("kubernetes").join("sidecar.yaml")).unwrap();
    fs::write(&wrong, sidecar.replacen("periodSeconds", "periodSecond", 1)).unwrap();
    assert!(!strict(&wrong));
}

#[test]
fn each_object_of_keda_is_one_without_a_field_that_it_does_not_know() {
    let check = |objects: &str| {
        let home = tempfile::tempdir().unwrap();
        let input = home.path().join("objects.json");
        fs::write(&input, objects).unwrap();
        let mut node = Command::new("node");
        node.arg(root().join("e2e/recipes/keda.cjs")).arg(path("KEDA_MODELS", "target/test-tools/keda/node_modules"));
        node.stdin(File::open(input).unwrap()).output().unwrap().status.success()
    };
    let objects = objects(&recipe("kubernetes").join("keda.yaml"));
    assert!(check(&objects), "run node e2e/recipes/keda.cjs");
    for (right, wrong) in
        [("pollingInterval", "pollInterval"), ("\"maxReplicaCount\": 10", "\"maxReplicaCount\": \"10\"")]
    {
        let changed = objects.replacen(right, wrong, 1);
        assert_ne!(changed, objects);
        assert!(!check(&changed), "{wrong}");
    }
}

/// The [restricted](https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted) Pod Security Standard, and
/// more.
#[test]
fn pods_have_no_rights_that_they_do_not_need() {
    let mut containers = 0;
    for file in files() {
        let objects: Value = serde_json::from_str(&objects(&file)).unwrap();
        for object in objects.as_array().unwrap().iter().filter(|object| object["kind"] == "Deployment") {
            let pod = &object["spec"]["template"]["spec"];
            let of_pod = &pod["securityContext"];
            assert_eq!(of_pod["runAsNonRoot"], true, "{file:?}");
            assert!(of_pod["runAsUser"].as_u64().is_some_and(|user| user > 0), "{file:?}");
            assert_eq!(of_pod["seccompProfile"]["type"], "RuntimeDefault", "{file:?}");
            assert_eq!(pod["automountServiceAccountToken"], false, "{file:?}");
            assert_eq!(pod["enableServiceLinks"], false, "{file:?}");
            for container in pod["containers"].as_array().unwrap() {
                containers += 1;
                let (name, context) = (&container["name"], &container["securityContext"]);
                assert_eq!(context["allowPrivilegeEscalation"], false, "{file:?} {name}");
                assert_eq!(context["readOnlyRootFilesystem"], true, "{file:?} {name}");
                assert_eq!(context["capabilities"]["drop"][0], "ALL", "{file:?} {name}");
                assert!(container["resources"]["requests"]["cpu"].is_string(), "{file:?} {name}");
                assert!(container["resources"]["limits"]["memory"].is_string(), "{file:?} {name}");
                assert!(container["livenessProbe"].is_object(), "{file:?} {name}");
            }
        }
    }
    assert_eq!(containers, 8);
}

/// The files that stand for each other, or for `../redis/redis.conf`, say the same.
#[test]
fn recipes_agree_on_images_and_on_redis() {
    let version = env!("CARGO_PKG_VERSION");
    let read = |file: &str| fs::read_to_string(recipe(file)).unwrap();
    let texts = ["compose/compose.yaml", "kubernetes/sidecar.yaml", "kubernetes/two-deployments.yaml"].map(read);
    for line in texts.iter().flat_map(|text| text.lines()).filter(|line| line.contains("localhost/email-queue-")) {
        assert!(line.ends_with(&format!(":{version}")), "{line}");
    }
    let redis = read("kubernetes/redis.yaml");
    for setting in read("redis/redis.conf").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let is_elsewhere = setting.starts_with("aclfile ") || setting == "timeout 0";
        assert!(is_elsewhere || redis.contains(&format!("--{setting}")), "{setting}");
    }
}
