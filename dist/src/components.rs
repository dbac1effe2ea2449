//! The components, in folders with a manifest that `spin up` takes as it is.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};

use crate::cli::Options;

/// What a component is called where it is built, and beside its manifest.
const API: [&str; 2] = ["api_component.wasm", "email-queue.wasm"];
const DASHBOARD: [&str; 2] = ["dashboard_component.wasm", "dashboard.wasm"];

/// Copies the components to `spin/` and `spin-wasip3/`.
pub(crate) fn pack(options: &Options) -> anyhow::Result<()> {
    for (folder, manifest, api) in
        [("spin", "spin.toml", &options.wasip2), ("spin-wasip3", "spin-wasip3.toml", &options.wasip3)]
    {
        let to = options.out.join(folder);
        fs::create_dir_all(&to)?;
        for (component, [_, file]) in [(api, API), (&options.dashboard, DASHBOARD)] {
            fs::copy(component, to.join(file)).with_context(|| format!("cannot copy {}", component.display()))?;
        }
        let text =
            fs::read_to_string(options.root.join(manifest)).with_context(|| format!("cannot read {manifest}"))?;
        fs::write(to.join("spin.toml"), beside(&text, manifest)?)?;
        let variables = Path::new("deploy/variables.json");
        fs::copy(options.root.join(variables), to.join("variables.json"))?;
    }
    Ok(())
}

/// The manifest for components that are beside it: it names their files, and does not say how to build them.
fn beside(text: &str, manifest: &str) -> anyhow::Result<String> {
    // The head of the file in the repository is about building.
    let lines = text.lines().skip_while(|line| line.starts_with('#'));
    let (mut kept, mut builds, mut sources) = (String::new(), false, 0);
    for line in lines {
        if line.starts_with('[') {
            builds = line.starts_with("[component.") && line.ends_with(".build]");
        }
        if builds {
            continue;
        }
        let line = match line.strip_prefix("source = ") {
            None => line.to_owned(),
            Some(source) => {
                let known = [API, DASHBOARD].into_iter().find(|[built, _]| source.contains(built));
                let [_, file] = known.with_context(|| format!("{manifest}: what component is {source}?"))?;
                sources += 1;
                format!("source = \"{file}\"")
            }
        };
        kept.push_str(&line);
        kept.push('\n');
    }
    ensure!(sources == 2, "{manifest} does not have two lines `source = `");
    Ok(format!("{}\n", kept.trim_end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_manifest_differs_in_sources_and_says_nothing_of_building() {
        for manifest in ["spin.toml", "spin-wasip3.toml"] {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let text = fs::read_to_string(root.join(manifest)).unwrap();
            let packed = beside(&text, manifest).unwrap();
            let sources: Vec<_> = packed.lines().filter(|line| line.starts_with("source = ")).collect();
            assert_eq!(sources, [r#"source = "email-queue.wasm""#, r#"source = "dashboard.wasm""#]);
            assert!(packed.starts_with("spin_manifest_version") && !packed.contains("cargo build"), "{packed}");
            // Nothing else is missing.
            let kept = |line: &&str| {
                line.contains(" = ") && !["source", "command", "watch"].iter().any(|name| line.starts_with(name))
            };
            assert_eq!(text.lines().filter(kept).collect::<Vec<_>>(), packed.lines().filter(kept).collect::<Vec<_>>());
        }
        assert!(beside("[component.other]\nsource = \"other.wasm\"\n", "x").is_err());
    }
}
