//! Which crates are linked into what is packed: what `cargo tree` says of each, without those that only run at build time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::cli::TARGET;

/// Something packed, and all crates in it.
pub(crate) struct Packed {
    /// The name of its SBOM.
    pub(crate) name: &'static str,
    /// Its own crate.
    pub(crate) root: Crate,
    /// The others, each with those that it uses; the root too.
    pub(crate) uses: BTreeMap<Crate, BTreeSet<Crate>>,
    /// Whether the C library is linked into it.
    pub(crate) has_libc: bool,
}

/// A crate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) licence: String,
}

/// Everything that is packed: its SBOM's name, its crate, its target, and its flags of cargo.
const PACKED: [(&str, &str, &str, &[&str]); 7] = [
    ("native-api", "native-api", TARGET, &[]),
    ("native-worker", "native-worker", TARGET, &[]),
    ("emailq", "cli", TARGET, &[]),
    ("catch-all", "testkit", TARGET, &[]),
    ("spin", "api-component", "wasm32-wasip1", &[]),
    ("spin-wasip3", "api-component", "wasm32-wasip1", &["--no-default-features", "--features", "wasip3"]),
    ("dashboard", "dashboard-component", "wasm32-wasip1", &[]),
];

/// All that is packed.
///
/// # Errors
/// `cargo tree` fails.
pub(crate) fn packed(root: &Path) -> anyhow::Result<Vec<Packed>> {
    PACKED
        .into_iter()
        .map(|(name, package, target, flags)| {
            let mut tree = cargo(root, "tree");
            tree.args(["--target", target, "-p", package, "-e", "normal,no-proc-macro"]).args(flags);
            tree.args(["--prefix", "depth", "--no-dedupe", "--format", "\t{p}\t{l}"]);
            let output = tree.output().context("cannot run cargo tree")?;
            ensure!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
            let (root, uses) =
                parse(&String::from_utf8(output.stdout)?).with_context(|| format!("the tree of {name}"))?;
            Ok(Packed { name, root, uses, has_libc: target == TARGET })
        })
        .collect()
}

/// What cargo knows of all packages of the workspace: for each, by name and version, the folder with its files.
///
/// # Errors
/// `cargo metadata` fails.
pub(crate) fn folders(root: &Path) -> anyhow::Result<BTreeMap<(String, String), PathBuf>> {
    let output =
        cargo(root, "metadata").args(["--format-version", "1"]).output().context("cannot run cargo metadata")?;
    ensure!(output.status.success(), "cargo metadata: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let package = |package: &Value| {
        let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
        ((text("name"), text("version")), PathBuf::from(text("manifest_path")).with_file_name(""))
    };
    Ok(metadata["packages"].as_array().into_iter().flatten().map(package).collect())
}

fn cargo(root: &Path, command: &str) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root).args([command, "--locked"]);
    cargo
}

/// Reads lines like `2<TAB>anyhow v1.0.104<TAB>MIT OR Apache-2.0`, each below the line before it with a smaller depth.
fn parse(tree: &str) -> anyhow::Result<(Crate, BTreeMap<Crate, BTreeSet<Crate>>)> {
    let mut uses: BTreeMap<Crate, BTreeSet<Crate>> = BTreeMap::new();
    let mut above: Vec<Crate> = Vec::new();
    for line in tree.lines() {
        let mut fields = line.split('\t');
        let (depth, package, licence) = (fields.next(), fields.next(), fields.next());
        let depth: usize = depth.and_then(|depth| depth.parse().ok()).with_context(|| format!("no depth: {line}"))?;
        let (name, version) = package.and_then(|package| package.split_once(" v")).context("no package")?;
        // A crate of the workspace has its path after its version.
        let version = version.split(' ').next().unwrap_or_default().to_owned();
        let licence = licence.unwrap_or_default().trim_end_matches(" (*)").replace('/', " OR ");
        let one = Crate { name: name.to_owned(), version, licence };
        above.truncate(depth);
        if let Some(user) = above.last() {
            uses.entry(user.clone()).or_default().insert(one.clone());
        }
        uses.entry(one.clone()).or_default();
        above.push(one);
    }
    Ok((above.into_iter().next().context("empty")?, uses))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

    use super::*;

    #[test]
    fn a_tree_is_read_with_who_uses_what() {
        let tree = "0\ta v1.0.0 (/x)\tMIT\n1\tb v2.0.0\tMIT/Apache-2.0\n2\tc v3.0.0\tISC\n1\tc v3.0.0\tISC\n";
        let (root, uses) = parse(tree).unwrap();
        assert_eq!((root.name.as_str(), root.version.as_str()), ("a", "1.0.0"));
        let used: Vec<_> = uses[&root].iter().map(|one| format!("{} {}", one.name, one.licence)).collect();
        assert_eq!(used, ["b MIT OR Apache-2.0", "c ISC"]);
        let names: Vec<_> = uses.iter().map(|(one, uses)| (one.name.as_str(), uses.len())).collect();
        assert_eq!(names, [("a", 2), ("b", 1), ("c", 0)]);
    }
}
