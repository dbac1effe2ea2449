//! The commands of `docs/operations.md`.

use std::{fs, path::Path};

/// What stands in the block ```` ```sh NAME ````.
pub(crate) fn commands(name: &str) -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    let page = fs::read_to_string(page).unwrap();
    let mut lines = page.lines();
    let found = lines.any(|line| line.trim_start() == format!("```sh {name}"));
    assert!(found, "the page has no block {name}");
    let block: Vec<_> = lines.take_while(|line| line.trim_start() != "```").collect();
    block.join("\n")
}
