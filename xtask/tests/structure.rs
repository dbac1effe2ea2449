//! What depends on what: crates in one direction, and no files that import each other in a ring.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Which crates of ours each may use, tests apart. Who adds one says here why it is no step back.
const MAY_USE: &[(&str, &[&str])] = &[
    ("email-queue", &[]),
    ("api", &["email-queue"]),
    ("api-component", &["api", "email-queue"]),
    ("native-api", &["api", "email-queue", "program", "redis-calls"]),
    ("native-worker", &["email-queue", "program", "redis-calls", "smtp-client"]),
    ("smtp-client", &[]),
    ("redis-calls", &["email-queue"]),
    ("program", &[]),
    ("dev-host", &[]),
    ("harness", &[]),
    ("testkit", &["harness"]),
    // The tests of the whole, and the programs that put load on it.
    ("e2e", &["email-queue", "testkit"]),
    ("bench", &["email-queue", "harness", "redis-calls"]),
    ("bench/ceiling", &[]),
    // Compiled before anything else on a fresh machine.
    ("xtask", &["harness"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

#[test]
fn crates_use_each_other_in_one_direction() {
    for (name, may_use) in MAY_USE {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let mut section = "";
        for line in manifest.lines() {
            if line.starts_with('[') {
                section = line;
            }
            let used = line.split(['.', ' ', '=']).next().unwrap_or_default();
            let is_ours = MAY_USE.iter().any(|(name, _)| *name == used);
            let counts = section.ends_with("dependencies]") && section != "[dev-dependencies]";
            assert!(!(is_ours && counts) || may_use.contains(&used), "{name} uses {used}");
        }
    }
}

/// A file of a crate, by its modules: `["transport", "smtp"]`.
type Module = Vec<String>;

#[test]
fn no_files_import_each_other_in_a_ring() {
    for (name, _) in MAY_USE {
        let source = root().join(name).join("src");
        let mut files = BTreeMap::new();
        read(&source, &mut Vec::new(), &mut files);
        let imports: BTreeMap<_, BTreeSet<_>> = files
            .iter()
            .map(|(module, text)| {
                let paths = paths(text).into_iter().filter_map(|path| resolve(&path, module, &files));
                // What stands above a file is the face of the folder that it is in.
                (module, paths.filter(|target| target != module && !module.starts_with(target)).collect())
            })
            .collect();
        for module in files.keys() {
            if let Some(ring) = ring(module, &imports) {
                panic!("{name}: {}", ring.iter().map(|module| module.join("::")).collect::<Vec<_>>().join(" -> "));
            }
        }
    }
}

/// All files but those of tests, each without its tests and comments.
fn read(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            read(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") && !name.ends_with("tests") {
            let mut module = module.clone();
            if name != "lib" && name != "main" {
                module.push(name);
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code: Vec<_> = code.lines().map(|line| line.split("//").next().unwrap()).collect();
            files.insert(module, code.join("\n"));
        }
    }
}

/// All that is named from the crate, the file or what is above it, with what stands in braces written out.
fn paths(text: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for start in ["crate::", "self::", "super::"] {
        for (at, _) in text.match_indices(start) {
            if !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':') {
                expand(&text[at..], &mut Vec::new(), &mut paths);
            }
        }
    }
    paths
}

/// Adds the paths that begin here, and returns what follows them.
fn expand<'a>(mut text: &'a str, before: &mut Vec<String>, paths: &mut Vec<Vec<String>>) -> &'a str {
    let depth = before.len();
    loop {
        text = text.trim_start();
        if let Some(mut inner) = text.strip_prefix('{') {
            loop {
                inner = expand(inner, before, paths).trim_start();
                match inner.strip_prefix(',') {
                    Some(rest) if !rest.trim_start().starts_with('}') => inner = rest,
                    Some(rest) => inner = rest.trim_start(),
                    None => break,
                }
                if inner.starts_with('}') {
                    break;
                }
            }
            before.truncate(depth);
            return inner.strip_prefix('}').unwrap_or(inner);
        }
        let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        before.push(text[..end].to_owned());
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(rest) => text = rest,
            None => break,
        }
    }
    paths.push(before.clone());
    before.truncate(depth);
    // As in `a as b`.
    let other_name = text.trim_start().strip_prefix("as ");
    other_name.map_or(text, |rest| rest.trim_start_matches(|c: char| c.is_alphanumeric() || c == '_'))
}

/// The file that a path leads to from a file.
fn resolve(path: &[String], from: &Module, files: &BTreeMap<Module, String>) -> Option<Module> {
    let mut at = match path.first()?.as_str() {
        "crate" => Module::new(),
        _ => from.clone(),
    };
    for name in path {
        match name.as_str() {
            "crate" | "self" => {}
            "super" => drop(at.pop()),
            name => {
                at.push(name.to_owned());
                if !files.contains_key(&at) && !files.keys().any(|module| module.starts_with(&at)) {
                    at.pop();
                    break;
                }
            }
        }
    }
    files.contains_key(&at).then_some(at)
}

/// A way from a file back to itself.
fn ring(start: &Module, imports: &BTreeMap<&Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start.clone()]];
    while let Some(way) = ways.pop() {
        for next in imports.get(way.last()?).into_iter().flatten() {
            let mut longer = way.clone();
            longer.push(next.clone());
            if next == start {
                return Some(longer);
            }
            if seen.insert(next) {
                ways.push(longer);
            }
        }
    }
    None
}

/// What a page names in backticks that looks like a file or a folder, as it stands.
fn named(page: &str) -> Vec<&str> {
    let quoted = page.split('`').skip(1).step_by(2);
    quoted.filter(|name| name.ends_with('/') || name.ends_with(".rs") || name.ends_with(".lua")).collect()
}

#[test]
fn each_file_that_the_architecture_begins_with_exists() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let (tree, rest) = page.split_once("## The tree").unwrap().1.split_once("## The path of an email").unwrap();
    let path = rest.split("\n## ").next().unwrap();
    // In the tree, what follows a folder in its line is in that folder.
    for line in tree.lines() {
        let mut folder = root();
        for name in named(line) {
            let from_root = root().join(name);
            if from_root.exists() {
                folder = from_root;
            } else {
                assert!(folder.join(name).exists(), "{name} is not in {}", folder.display());
            }
        }
    }
    let files = named(path);
    assert!(files.len() > 10, "{files:?}");
    for name in files {
        assert!(root().join(name).is_file(), "{name}");
    }
}

#[test]
fn braces_names_and_steps_up_are_understood() {
    let files: BTreeMap<Module, String> = [&["a"][..], &["a", "b"], &["c"]]
        .into_iter()
        .map(|module| (module.iter().map(ToString::to_string).collect(), String::new()))
        .collect();
    let from = vec!["a".to_owned(), "b".to_owned()];
    let found = |text: &str| -> Vec<String> {
        paths(text).iter().filter_map(|path| resolve(path, &from, &files)).map(|module| module.join("::")).collect()
    };
    assert_eq!(found("use crate::{a::{b::X, Y}, c as other, d::Z};\nuse std::c;"), ["a::b", "a", "c"]);
    assert_eq!(found("super::thing(self::Own, my_crate::c)"), ["a::b", "a"]);
}
