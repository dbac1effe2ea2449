use std::{fs, path::Path};

use crate::root;

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

/// The scripts in a folder and the folders below it, by name.
fn scripts(folder: &Path) -> Vec<String> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What scripts share is no script.
        if path.is_dir() && !path.ends_with("src/lua") {
            names.extend(scripts(&path));
        } else if path.extension().is_some_and(|extension| extension == "lua") {
            names.push(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    names
}

#[test]
fn the_architecture_has_a_row_for_each_script() {
    let page = fs::read_to_string(root().join("docs/architecture.md")).unwrap();
    let rows = page.split_once("\n## Scripts").unwrap().1.split("\n## ").next().unwrap();
    let rows: Vec<_> = rows.lines().filter_map(|line| line.strip_prefix("| ")?.split(" |").next()).collect();
    for script in scripts(&root().join("email-queue/src")) {
        assert!(rows.iter().any(|row| row.contains(&format!("`{script}`"))), "`{script}` has no row");
    }
}
