//! The texts of the licences of all that is packed, each text once, with whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};

use crate::cli::Options;
use crate::tree::{self, Packed};

/// Where Debian keeps the text of the C library's licence.
const LGPL: &str = "/usr/share/common-licenses/LGPL-2.1";

/// Writes `LICENSE-*`, which are the project's, and `THIRD-PARTY-LICENSES.txt`.
///
/// # Errors
/// A file cannot be read or written; the files of a crate are not where cargo says.
pub(crate) fn write(options: &Options, packed: &[Packed]) -> anyhow::Result<()> {
    for file in ["LICENSE-APACHE", "LICENSE-MIT"] {
        fs::copy(options.root.join(file), options.out.join(file)).with_context(|| format!("cannot copy {file}"))?;
    }
    let folders = tree::folders(&options.root)?;
    let mut whose: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut texts: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for one in packed.iter().flat_map(|packed| packed.uses.keys()) {
        let key = (one.name.clone(), one.version.clone());
        let Some(folder) = folders.get(&key) else { bail!("cargo does not say where {} {} is", one.name, one.version) };
        if folder.starts_with(&options.root) {
            continue;
        }
        let name = format!("{} {}", one.name, one.version);
        whose.entry(one.licence.clone()).or_default().insert(name.clone());
        for text in licence_texts(folder)? {
            texts.entry(text).or_default().insert(name.clone());
        }
    }
    whose.entry("LGPL-2.1-or-later".to_owned()).or_default().insert("glibc (in the programs)".to_owned());
    if let Ok(text) = fs::read_to_string(LGPL) {
        texts.entry(text).or_default().insert("glibc (in the programs)".to_owned());
    }
    let mut out = String::from("What is linked into the programs and components, by licence\n");
    let list = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    for (licence, names) in &whose {
        writeln!(out, "\n{licence}:\n  {}", list(names))?;
    }
    for (text, names) in &texts {
        writeln!(out, "\n{}\n{}\n\n{text}", "=".repeat(80), list(names))?;
    }
    fs::write(options.out.join("THIRD-PARTY-LICENSES.txt"), out)?;
    Ok(())
}

/// The files of a crate that are about its licence. Some crates have none and only name theirs.
fn licence_texts(folder: &Path) -> anyhow::Result<Vec<String>> {
    let mut texts = Vec::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let is_licence = ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|start| name.starts_with(start));
        if is_licence && path.is_file() {
            texts.push(String::from_utf8_lossy(&fs::read(&path)?).trim().replace("\r\n", "\n"));
        }
    }
    Ok(texts)
}
