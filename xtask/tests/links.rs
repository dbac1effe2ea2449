//! Each link in the project's pages that leads to a file or a heading of this repository, leads to one that exists.

#![allow(
    clippy::unwrap_used,
    reason = "a test says what it expects by unwrapping it; clippy.toml covers only #[test] itself"
)]

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The pages that Git has or could add, without what is ignored.
fn pages() -> Vec<PathBuf> {
    let list = ["ls-files", "--cached", "--others", "--exclude-standard", "*.md"];
    let output = Command::new("git").args(list).current_dir(root()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let paths = String::from_utf8(output.stdout).unwrap();
    paths.lines().map(|path| root().join(path)).filter(|path| path.exists()).collect()
}

/// The lines of a page outside blocks of code.
fn prose(page: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    page.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// The targets of `[text](target)` and `![text](target)`.
fn targets(page: &str) -> Vec<String> {
    let starts = |line: &str| line.match_indices("](").map(|(at, _)| at + 2).collect::<Vec<_>>();
    prose(page)
        .flat_map(|line| starts(line).into_iter().map(|at| line[at..].split(')').next().unwrap().to_owned()))
        .collect()
}

/// The anchor that a heading gets: in lower case, without punctuation, with hyphens for blanks.
fn anchor(heading: &str) -> String {
    let kept = heading
        .to_lowercase()
        .chars()
        .filter(|&c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .collect::<String>();
    kept.replace(' ', "-")
}

fn has_heading(page: &Path, wanted: &str) -> bool {
    let page = fs::read_to_string(page).unwrap();
    prose(&page).any(|line| line.starts_with('#') && anchor(line.trim_start_matches('#').trim()) == wanted)
}

#[test]
fn each_link_within_the_repository_leads_somewhere() {
    let mut broken = Vec::new();
    let mut seen = 0;
    for path in pages() {
        let page = fs::read_to_string(&path).unwrap();
        for target in
            targets(&page).into_iter().filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        {
            seen += 1;
            let (file, heading) = target.split_once('#').unwrap_or((&target, ""));
            let file = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            if !file.exists() || !heading.is_empty() && !has_heading(&file, heading) {
                broken.push(format!("{}: {target}", path.strip_prefix(root()).unwrap().display()));
            }
        }
    }
    assert!(seen > 50, "only {seen} links were found");
    assert!(broken.is_empty(), "{broken:#?}");
}
