//! The static programs, with their man pages and completions.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};

use crate::cli::{Options, PROGRAMS};

/// What a program prints about itself: by its name, and where to put it.
const GENERATED: [(&str, &str, &str, &str); 4] = [
    ("man", "man/man1", "", ".1"),
    ("bash", "completions/bash", "", ""),
    ("fish", "completions/fish", "", ".fish"),
    ("zsh", "completions/zsh", "_", ""),
];

/// Copies the programs to `bin/`, and lets them print the rest.
pub(crate) fn pack(options: &Options) -> anyhow::Result<()> {
    create(&options.out.join("bin"))?;
    for name in PROGRAMS {
        let (from, to) = (options.programs.join(name), options.out.join("bin").join(name));
        fs::copy(&from, &to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    for (what, folder, before, after) in GENERATED {
        let folder = options.out.join(folder);
        create(&folder)?;
        // The catch-all takes no flags.
        for name in PROGRAMS.into_iter().filter(|name| *name != "catch-all") {
            let mut command = Command::new(options.programs.join(name));
            let output = command.env_clear().args(["--generate", what]).output()?;
            ensure!(output.status.success(), "{name} --generate {what}: {}", String::from_utf8_lossy(&output.stderr));
            fs::write(folder.join(format!("{before}{name}{after}")), output.stdout)?;
        }
    }
    Ok(())
}

fn create(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))
}
