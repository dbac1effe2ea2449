//! The container images, run with as few rights as they need.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod common;

use std::collections::BTreeSet;
use std::fs;

use common::podman::Podman;
use common::{recipe, run};
use serde_json::Value;

#[test]
fn images_run_as_a_numbered_user_without_rights_and_hold_no_shell() {
    let podman = Podman::start("images");
    for (image, program, user) in [
        ("api", "native-api", "65532:65532"),
        ("worker", "native-worker", "65532:65532"),
        ("catch-all", "catch-all", "65532:65532"),
    ] {
        let name = format!("localhost/email-queue-{image}:{}", env!("CARGO_PKG_VERSION"));
        let inspected: Value = serde_json::from_str(&podman.podman(&["image", "inspect", &name])).unwrap();
        let config = &inspected[0]["Config"];
        assert_eq!(config["User"], user, "{config}");
        assert_eq!(config["Entrypoint"][0], format!("/usr/local/bin/{program}"), "{config}");
        let revision = config["Labels"]["org.opencontainers.image.revision"].as_str().unwrap();
        let restricted = [
            "run",
            "--rm",
            "--network",
            "none",
            "--read-only",
            "--cap-drop",
            "ALL",
            "--security-opt",
            "no-new-privileges",
            &name,
        ];
        if image != "catch-all" {
            let version = podman.podman(&[&restricted[..], &["--version"]].concat());
            assert!(version.contains(&format!("(commit {revision})")), "{version}");
        }
        assert!(!podman.succeeds(&["run", "--rm", "--network", "none", "--entrypoint", "sh", &name, "-c", "true"]));
        let files = files(&podman, &name);
        assert!(files.contains("etc/ssl/certs/ca-certificates.crt"), "{files:?}");
        let programs: Vec<_> = files.iter().filter(|path| path.contains("bin/") && !path.ends_with('/')).collect();
        assert_eq!(programs, [&format!("usr/local/bin/{program}")]);
        assert_eq!(from_source(&podman, image, program, &name), (runs(config), files));
    }
}

/// How an image is run.
fn runs(config: &Value) -> Value {
    let fields = ["User", "Env", "Entrypoint", "ExposedPorts"];
    fields.into_iter().map(|field| (field.to_owned(), config[field].clone())).collect::<serde_json::Map<_, _>>().into()
}

/// The files of an image.
fn files(podman: &Podman, image: &str) -> BTreeSet<String> {
    let container = podman.podman(&["create", "--network", "none", image]);
    let list = format!("podman export {} | tar -t", container.trim());
    let list = run(podman.command("sh").args(["-c", &list]));
    // podman adds where it mounts.
    list.lines()
        .filter(|path| !["proc/", "sys/", "dev/", "run/"].iter().any(|mount| path.starts_with(mount)))
        .map(str::to_owned)
        .collect()
}

/// The image that `deploy/Dockerfile` makes: how it is run, and its files. What the stage `build` leaves comes from the packed
/// image, because no image with a compiler can be pulled here.
fn from_source(podman: &Podman, image: &str, program: &str, packed: &str) -> (Value, BTreeSet<String>) {
    let container = podman.podman(&["create", "--network", "none", packed]);
    let (home, context) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (root, built) = (home.path().join("root"), home.path().join("files"));
    let unpack = format!("mkdir root && podman export {} | tar -x -C root", container.trim());
    run(podman.command("sh").args(["-c", &unpack]).current_dir(home.path()));
    fs::create_dir_all(built.join("bin")).unwrap();
    fs::copy(root.join("usr/local/bin").join(program), built.join("bin").join(program)).unwrap();
    for folder in ["etc", "tmp"] {
        fs::rename(root.join(folder), built.join(folder)).unwrap();
    }
    let name = format!("localhost/from-source-{image}");
    let build = format!("build={}", home.path().display());
    let mut command = podman.command("buildah");
    command.args(["bud", "--target", image, "--build-context", &build, "--tag", &name, "--file"]);
    run(command.arg(recipe("Dockerfile")).arg(context.path()));
    let inspected: Value = serde_json::from_str(&podman.podman(&["image", "inspect", &name])).unwrap();
    (runs(&inspected[0]["Config"]), files(podman, &name))
}

#[test]
fn other_tools_read_the_images() {
    for image in ["api", "worker", "catch-all"] {
        let archive = common::dist().join(format!("images/email-queue-{image}.oci.tar"));
        let mut skopeo = std::process::Command::new("skopeo");
        let inspected = common::run(skopeo.arg("inspect").arg(format!("oci-archive:{}", archive.display())));
        let inspected: Value = serde_json::from_str(&inspected).unwrap();
        assert_eq!(inspected["Architecture"], "amd64");
        assert_eq!(inspected["Layers"].as_array().unwrap().len(), 1);
    }
}
