//! The components, each in a folder with a manifest that `spin up` takes as it is.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::cli::Options;

/// The component's name beside its manifest.
const FILE: &str = "email-queue.wasm";

/// Copies the components to `spin/` and `spin-wasip3/`.
pub(crate) fn pack(options: &Options) -> anyhow::Result<()> {
    for (folder, manifest, component) in
        [("spin", "spin.toml", &options.wasip2), ("spin-wasip3", "spin-wasip3.toml", &options.wasip3)]
    {
        let to = options.out.join(folder);
        fs::create_dir_all(&to)?;
        fs::copy(component, to.join(FILE)).with_context(|| format!("cannot copy {}", component.display()))?;
        let text =
            fs::read_to_string(options.root.join(manifest)).with_context(|| format!("cannot read {manifest}"))?;
        fs::write(to.join("spin.toml"), beside(&text, manifest)?)?;
        let variables = Path::new("deploy/variables.json");
        fs::copy(options.root.join(variables), to.join("variables.json"))?;
    }
    Ok(())
}

/// The manifest for a component that is beside it: it names that file, and does not say how to build it.
fn beside(text: &str, manifest: &str) -> anyhow::Result<String> {
    let text = text.split("[component.api.build]").next().unwrap_or_default().trim_end();
    let is_source = |line: &&str| line.starts_with("source = ");
    ensure!(text.lines().filter(is_source).count() == 1, "{manifest} does not have one line `source = `");
    // The head of the file in the repository is about building.
    let lines = text.lines().skip_while(|line| line.starts_with('#'));
    let line = |line: &str| if is_source(&line) { format!("source = \"{FILE}\"\n") } else { format!("{line}\n") };
    Ok(lines.map(line).collect())
}
