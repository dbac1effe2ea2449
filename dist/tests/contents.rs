//! What `cargo xtask dist` has packed.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::{dist, run};
use harness::{Output, Process, RedisServer, eventually, http};
use serde_json::Value;

#[test]
fn the_checksums_are_those_of_all_files() {
    run(Command::new("sha256sum").args(["--check", "--strict", "--quiet", "SHA256SUMS"]).current_dir(dist()));
    let sums = fs::read_to_string(dist().join("SHA256SUMS")).unwrap();
    let listed: BTreeSet<_> = sums.lines().map(|line| line.split_once("  ").unwrap().1).collect();
    let found = run(Command::new("find").args([".", "-type", "f", "-printf", "%P\\n"]).current_dir(dist()));
    let found: BTreeSet<_> = found.lines().filter(|file| *file != "SHA256SUMS").collect();
    assert_eq!(listed, found);
}

#[test]
fn packing_again_gives_the_same_bytes() {
    let again = common::path("DIST_AGAIN_DIR", "target/dist-again");
    let sums = |folder: &Path| fs::read_to_string(folder.join("SHA256SUMS")).unwrap();
    assert_eq!(sums(&dist()), sums(&again));
}

#[test]
fn the_programs_need_no_library_and_say_their_commit() {
    for program in ["native-api", "native-worker", "emailq", "catch-all"] {
        let path = dist().join("bin").join(program);
        let ldd = Command::new("ldd").arg(&path).output().unwrap();
        let said = String::from_utf8([ldd.stdout, ldd.stderr].concat()).unwrap();
        assert!(said.contains("statically linked") || said.contains("not a dynamic executable"), "{said}");
        if program != "catch-all" {
            let version = run(Command::new(path).arg("--version"));
            assert!(version.contains("(commit ") && !version.contains("unknown"), "{version}");
        }
    }
}

#[test]
fn completions_and_man_pages_are_taken_by_their_readers() {
    for program in ["native-api", "native-worker", "emailq"] {
        run(Command::new("bash").arg("-n").arg(dist().join("completions/bash").join(program)));
        let page = fs::read_to_string(dist().join("man/man1").join(format!("{program}.1"))).unwrap();
        assert!(page.contains(&format!(".TH {program} 1")) && page.contains("EMAIL_QUEUE_QUEUE"), "{page}");
        for file in [format!("fish/{program}.fish"), format!("zsh/_{program}")] {
            let text = fs::read_to_string(dist().join("completions").join(&file)).unwrap();
            assert!(text.contains("redis-url"), "{file}");
        }
    }
}

#[test]
fn a_folder_of_somebody_else_is_not_replaced() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join("letter.txt"), "dear").unwrap();
    let mut dist = Command::new(env!("CARGO_BIN_EXE_dist"));
    for option in ["out", "root", "programs", "wasip2", "wasip3", "dashboard"] {
        dist.arg(format!("--{option}")).arg(home.path());
    }
    let output = dist.args(["--commit", "0", "--time", "0"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"), "{output:?}");
    assert!(!output.status.success() && home.path().join("letter.txt").exists());
}

/// Each component is served by the manifest beside it.
#[test]
fn the_manifests_name_the_components_where_they_lie() {
    let redis = RedisServer::builder().without_persistence().start();
    for folder in ["spin", "spin-wasip3"] {
        let mut host = Command::new(common::path("DEV_HOST", "target/quick/dev-host"));
        host.arg("--from").arg(dist().join(folder)).args(["--listen", "127.0.0.1:0"]);
        let address = format!("127.0.0.1:{}", redis.port());
        host.args([
            "--variable",
            &format!("redis_url={}", redis.url()),
            "--variable",
            &format!("redis_host={address}"),
        ]);
        let host = Process::start(&mut host, Output::Lines(100, None)).unwrap();
        let url = eventually(common::START, "the component to be compiled", || {
            host.lines().iter().find_map(|line| line.strip_prefix("Serving ").map(str::to_owned))
        });
        let answer = http::agent(common::START).get(format!("{url}/readyz")).call().unwrap();
        assert_eq!(answer.status(), 200, "{folder}");
        let page = http::agent(common::START).get(format!("{url}/dashboard/")).call().unwrap();
        assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8", "{folder}");
    }
}

#[test]
fn each_sbom_says_of_each_crate_what_it_is() {
    for (name, own) in [
        ("native-api", "native-api"),
        ("native-worker", "native-worker"),
        ("emailq", "cli"),
        ("catch-all", "testkit"),
        ("spin", "api-component"),
        ("spin-wasip3", "api-component"),
        ("dashboard", "dashboard-component"),
    ] {
        let text = fs::read_to_string(dist().join("sbom").join(format!("{name}.cdx.json"))).unwrap();
        let bom: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&bom["bomFormat"], &bom["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
        assert_eq!(bom["metadata"]["component"]["name"], own);
        let components = bom["components"].as_array().unwrap();
        let mut refs = BTreeSet::from([bom["metadata"]["component"]["bom-ref"].as_str().unwrap()]);
        for component in components {
            let text = |field: &str| component[field].as_str().filter(|text| !text.is_empty());
            let (Some(name), Some(version), Some(purl)) = (text("name"), text("version"), text("purl")) else {
                panic!("{component}")
            };
            assert!(purl.starts_with("pkg:") && purl.ends_with(&format!("/{name}@{version}")), "{purl}");
            let licence = component["licenses"][0]["expression"].as_str().unwrap_or_default();
            assert!(!licence.is_empty() && !licence.contains('/'), "{component}");
            assert!(refs.insert(text("bom-ref").unwrap()), "twice: {component}");
        }
        // What the lock file has is there to be compared with: all but our own crates.
        let hashed = components.iter().filter(|component| component["hashes"][0]["content"].is_string()).count();
        assert!(2 * hashed > components.len(), "{name}: {hashed} of {}", components.len());
        for dependency in bom["dependencies"].as_array().unwrap() {
            let used = dependency["dependsOn"].as_array().unwrap().iter().chain([&dependency["ref"]]);
            used.for_each(|used| assert!(refs.contains(used.as_str().unwrap()), "{used} is no component"));
        }
    }
}

#[test]
fn the_licences_of_all_crates_are_there() {
    let text = fs::read_to_string(dist().join("THIRD-PARTY-LICENSES.txt")).unwrap();
    for named in ["tokio 1.", "redis 1.", "ring 0.", "glibc", "Permission is hereby granted, free of charge"] {
        assert!(text.contains(named), "{named}");
    }
}
