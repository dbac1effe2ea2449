use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::root;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// All packages that are compiled for this machine or for Wasm.
fn packages() -> Vec<Value> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut metadata = Command::new(cargo);
    metadata.current_dir(root()).args(["metadata", "--format-version", "1", "--locked", "--all-features"]);
    metadata.args(["--filter-platform", "x86_64-unknown-linux-gnu", "--filter-platform", "wasm32-wasip1"]);
    let output = metadata.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
}

/// The licenses that `deny.toml` allows: for all crates, or in the exception for this crate.
fn allowed<'a>(rules: &'a str, exception: Option<&str>) -> BTreeSet<&'a str> {
    let rules = match exception {
        None => rules.split_once("[licenses]\n").unwrap().1,
        Some(name) => match rules.split_once(&format!("crate = \"{name}\"\n")) {
            Some((_, rules)) => rules,
            None => return BTreeSet::new(),
        },
    };
    let list = rules.split_once("allow = [").unwrap().1.split(']').next().unwrap();
    list.split('"').skip(1).step_by(2).collect()
}

/// Whether an SPDX expression can be satisfied. Old manifests have `/` for `OR`.
fn is_satisfied(expression: &str, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let mut words = spaced.split_whitespace().peekable();
    let satisfied = any_of(&mut words, is_allowed);
    assert_eq!(words.next(), None, "{expression}");
    satisfied
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn any_of(words: &mut Words<'_>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut any = all_of(words, is_allowed);
    while words.next_if_eq(&"OR").is_some() {
        any |= all_of(words, is_allowed);
    }
    any
}

fn all_of(words: &mut Words<'_>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    let mut all = license(words, is_allowed);
    while words.next_if_eq(&"AND").is_some() {
        all &= license(words, is_allowed);
    }
    all
}

fn license(words: &mut Words<'_>, is_allowed: &dyn Fn(&str) -> bool) -> bool {
    if words.next_if_eq(&"(").is_some() {
        let inner = any_of(words, is_allowed);
        assert_eq!(words.next(), Some(")"));
        return inner;
    }
    // `+` is for any later version as well, so it allows this one.
    let mut name = words.next().unwrap().trim_end_matches('+').to_owned();
    if words.next_if_eq(&"WITH").is_some() {
        name = format!("{name} WITH {}", words.next().unwrap());
    }
    is_allowed(&name)
}

#[test]
fn each_dependency_is_from_the_registry_and_has_a_license_that_is_allowed() {
    let rules = fs::read_to_string(root().join("deny.toml")).unwrap();
    let for_all = allowed(&rules, None);
    let packages = packages();
    assert!(packages.len() > 100, "{}", packages.len());
    for package in &packages {
        let name = package["name"].as_str().unwrap();
        let source = package["source"].as_str();
        assert!(source.is_none_or(|source| source == REGISTRY), "{name} is from {source:?}");
        let exceptions = allowed(&rules, Some(name));
        let is_allowed = |license: &str| for_all.contains(license) || exceptions.contains(license);
        let license = package["license"].as_str().unwrap_or_default();
        assert!(!license.is_empty() && is_satisfied(license, &is_allowed), "{name} has the license {license:?}");
    }
}

#[test]
fn an_expression_is_satisfied_by_what_it_requires() {
    let is_allowed = |license: &str| ["MIT", "Apache-2.0 WITH LLVM-exception"].contains(&license);
    for expression in
        ["MIT", "MIT/GPL-3.0", "GPL-3.0 OR MIT", "MIT+", "(MIT OR GPL-3.0) AND Apache-2.0 WITH LLVM-exception"]
    {
        assert!(is_satisfied(expression, &is_allowed), "{expression}");
    }
    for expression in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "MIT AND (GPL-3.0 OR Apache-2.0)"] {
        assert!(!is_satisfied(expression, &is_allowed), "{expression}");
    }
}
