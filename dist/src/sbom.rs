//! Software bills of materials, as [CycloneDX 1.5](https://cyclonedx.org/docs/1.5/json/): all that is linked into what is packed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, ensure};
use serde_json::{Value, json};

use crate::cli::Options;
use crate::tree::{Crate, Packed};

/// Writes `sbom/*.cdx.json`.
///
/// # Errors
/// A file cannot be read or written; the versions of the compiler and of the C library cannot be asked for.
pub(crate) fn write(options: &Options, packed: &[Packed]) -> anyhow::Result<()> {
    let folder = options.out.join("sbom");
    fs::create_dir_all(&folder)?;
    let checksums = checksums(&fs::read_to_string(options.root.join("Cargo.lock")).context("cannot read Cargo.lock")?);
    let (rust, libc) = (rust_version()?, libc_version()?);
    for one in packed {
        let mut components: Vec<_> =
            one.uses.keys().filter(|each| **each != one.root).map(|each| component(each, &checksums)).collect();
        components.push(runtime("rust-std", &rust, "MIT OR Apache-2.0"));
        if one.has_libc {
            components.push(runtime("glibc", &libc, "LGPL-2.1-or-later"));
        }
        let uses = |(user, used): (&Crate, &std::collections::BTreeSet<Crate>)| json!({"ref": purl(user), "dependsOn": used.iter().map(purl).collect::<Vec<_>>()});
        let mut root = component(&one.root, &checksums);
        root["type"] = "application".into();
        let bom = json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": {"timestamp": options.created()?, "component": root},
            "components": components,
            "dependencies": one.uses.iter().map(uses).collect::<Vec<_>>(),
        });
        fs::write(folder.join(one.name).with_extension("cdx.json"), format!("{bom:#}\n"))?;
    }
    Ok(())
}

fn component(one: &Crate, checksums: &BTreeMap<(String, String), String>) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(one),
        "name": one.name,
        "version": one.version,
        "purl": purl(one),
        "licenses": [{"expression": one.licence}],
    });
    // The crates of this workspace have none.
    if let Some(checksum) = checksums.get(&(one.name.clone(), one.version.clone())) {
        component["hashes"] = json!([{"alg": "SHA-256", "content": checksum}]);
    }
    component
}

fn runtime(name: &str, version: &str, licence: &str) -> Value {
    let purl = format!("pkg:generic/{name}@{version}");
    json!({
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl,
        "licenses": [{"expression": licence}],
    })
}

fn purl(one: &Crate) -> String {
    format!("pkg:cargo/{}@{}", one.name, one.version)
}

/// The checksums in `Cargo.lock`, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let packages = lock.split("[[package]]").filter_map(|package| {
        let field = |name: &str| {
            let line = package.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = \""));
            line.map(|value| value.trim_end_matches('"').to_owned())
        };
        Some(((field("name")?, field("version")?), field("checksum")?))
    });
    packages.collect()
}

fn rust_version() -> anyhow::Result<String> {
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let printed = printed(Path::new("rustc"), &["--version"])?;
    printed.split(' ').nth(1).map(str::to_owned).context("rustc says no version")
}

fn libc_version() -> anyhow::Result<String> {
    // `glibc 2.36`
    let printed = printed(Path::new("getconf"), &["GNU_LIBC_VERSION"])?;
    printed.split_whitespace().nth(1).map(str::to_owned).context("getconf says no version")
}

fn printed(program: &Path, arguments: &[&str]) -> anyhow::Result<String> {
    let output = Command::new(program).args(arguments).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{} failed", program.display());
    Ok(String::from_utf8(output.stdout)?)
}
