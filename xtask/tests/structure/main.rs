//! The structure of the project, and what its documents say of it.
//!
//! - this file: crates depend on each other in one direction;
//! - [`rings`]: files do not import each other in a ring;
//! - [`architecture`]: each file that `docs/architecture.md` begins with exists;
//! - [`dependencies`]: licenses and sources of all dependencies.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod architecture;
mod dependencies;
mod rings;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Which crates of ours each may use, tests apart. Who adds one says here why it is no step back.
const MAY_USE: &[(&str, &[&str])] = &[
    ("email-queue", &[]),
    ("api", &["email-queue"]),
    ("api-component", &["api", "email-queue"]),
    ("dashboard", &[]),
    ("dashboard/component", &["dashboard"]),
    ("native-api", &["api", "dashboard", "email-queue", "program", "redis-calls", "redis-connection"]),
    ("native-worker", &["email-queue", "program", "redis-calls", "redis-connection", "smtp-client"]),
    // `smtp-client` to find out whether a relay can be used.
    ("cli", &["email-queue", "program", "redis-calls", "redis-connection", "smtp-client"]),
    ("smtp-client", &[]),
    ("redis-calls", &["email-queue"]),
    ("redis-connection", &[]),
    // For the flags that say which queue it is.
    ("program", &["email-queue"]),
    ("dev-host", &[]),
    ("harness", &[]),
    ("testkit", &["harness"]),
    // The tests of the whole, and the programs that put load on it.
    ("e2e", &["email-queue", "testkit"]),
    // It is all tests.
    ("e2e/page", &[]),
    ("bench", &["email-queue", "harness", "redis-calls"]),
    ("bench/ceiling", &[]),
    // It packs files, whatever programs they are.
    ("dist", &[]),
    // Compiled before anything else on a fresh machine.
    ("xtask", &["harness"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The members of the workspace, by their folders.
fn members() -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let list = manifest.split_once("\nmembers = [").unwrap().1.split(']').next().unwrap();
    list.split('"').skip(1).step_by(2).map(ToOwned::to_owned).collect()
}

/// The crates that a manifest names as dependencies, tests apart: as keys of a table, or as tables of their own.
fn dependencies(manifest: &str) -> Vec<&str> {
    let mut used = Vec::new();
    let mut counts = false;
    for line in manifest.lines() {
        if let Some(header) = line.trim().strip_prefix('[') {
            let table = header.split(']').next().unwrap_or_default();
            let (before, name) = table.rsplit_once('.').unwrap_or(("", table));
            let is_list = |name: &str| name.ends_with("dependencies") && name != "dev-dependencies";
            counts = is_list(name);
            if is_list(before.rsplit('.').next().unwrap_or_default()) {
                used.push(name.trim_matches('"'));
            }
        } else if counts {
            used.push(line.split(['.', ' ', '=']).next().unwrap_or_default().trim_matches('"'));
        }
    }
    used
}

#[test]
fn crates_use_each_other_in_one_direction() {
    let listed: BTreeSet<_> = MAY_USE.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(listed, members(), "the list above, and the members of the workspace");
    for (name, may_use) in MAY_USE {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        for used in dependencies(&manifest) {
            let is_ours = MAY_USE.iter().any(|(name, _)| name.rsplit('/').next() == Some(used));
            assert!(!is_ours || may_use.contains(&used), "{name} uses {used}");
        }
    }
}

#[test]
fn a_dependency_is_found_in_each_form() {
    let manifest = "[package]\nname = \"one\"\n[dependencies]\ntwo.workspace = true\n[dependencies.three]\npath = \"x\"\n\
        [target.'cfg(unix)'.dependencies]\nfour = \"1\"\n[dev-dependencies]\nfive = \"1\"\n[dev-dependencies.six]\n\
        path = \"x\"\n[build-dependencies.seven]\npath = \"x\"\n";
    assert_eq!(dependencies(manifest), ["two", "three", "four", "seven"]);
}
