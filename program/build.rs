//! Finds the commit that is built, which `--version` prints.
//!
//! A release build runs this again after each commit, and compiles the two programs again: their version has changed. A
//! debug build does not, so that a commit costs no test run anything.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=EMAIL_QUEUE_COMMIT");
    println!("cargo::rustc-env=EMAIL_QUEUE_COMMIT={}", commit());
}

/// What `--version` says of the commit.
fn commit() -> String {
    // For builds that have the files and not the history, as in a container.
    if let Ok(given) = env::var("EMAIL_QUEUE_COMMIT")
        && !given.is_empty()
    {
        return format!("commit {given}");
    }
    if env::var("PROFILE").is_ok_and(|profile| profile == "debug") {
        return "debug build".to_owned();
    }
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else {
        return "commit unknown: built without git".to_owned();
    };
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for file in ["HEAD"].into_iter().chain(branch.as_deref()) {
        if let Some(path) = git(&["rev-parse", "--path-format=absolute", "--git-path", file])
            // Cargo takes a file that does not exist for one that has changed.
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    format!("commit {commit}")
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8(output.stdout).ok()?.trim().to_owned())
}
