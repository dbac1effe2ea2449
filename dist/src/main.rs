//! Packs what people download, into one directory. `cargo xtask dist` builds the programs and components, and runs this.
//!
//! The same commit, built on the same machine, gives the same bytes: what is listed is sorted, and the only time is that of
//! the commit.
//!
//! - [`cli`]: what is packed, and from where;
//! - [`programs`]: the static programs with their man pages and completions;
//! - [`components`]: the components with manifests that name them where they lie;
//! - [`images`]: the container images; [`oci`] writes one, with [`archive`] for tar files and digests;
//! - [`tree`]: the crates in a program; [`sbom`] lists them, [`licences`] has the texts of their licences;
//! - [`sums`]: the checksums of all.

#![forbid(unsafe_code)]

mod archive;
mod cli;
mod components;
mod images;
mod licences;
mod oci;
mod programs;
mod sbom;
mod sums;
mod tree;

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use clap::Parser;

use crate::cli::Options;

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let out = &options.out;
    start_anew(out)?;
    programs::pack(&options)?;
    components::pack(&options)?;
    images::pack(&options)?;
    let packed = tree::packed(&options.root)?;
    sbom::write(&options, &packed)?;
    licences::write(&options, &packed)?;
    for (file, bytes) in sums::write(out)? {
        println!("{:>11} {file}", bytes);
    }
    Ok(())
}

/// Makes an empty directory. One with files is replaced only if they were packed by an earlier run.
fn start_anew(out: &Path) -> anyhow::Result<()> {
    if out.exists() {
        let is_ours = out.join(sums::FILE).exists() || fs::read_dir(out).is_ok_and(|mut files| files.next().is_none());
        ensure!(is_ours, "{} is not empty, and not of an earlier run", out.display());
        fs::remove_dir_all(out).with_context(|| format!("cannot replace {}", out.display()))?;
    }
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))
}
