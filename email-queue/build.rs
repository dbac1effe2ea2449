//! Joins each Lua transition with the prelude that all of them share, and names it by its SHA-1, as `EVALSHA` does.
//!
//! Done here and not at run time, because a Wasm instance lives for one request and should not hash anything first.

use std::{env, error::Error, fmt::Write, fs, path::Path};

use sha1::{Digest, Sha1};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/lua");
    let prelude = fs::read_to_string("src/lua/prelude.lua")?;
    let mut generated = String::new();
    let mut files =
        fs::read_dir("src/lua")?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    for file in files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).ok_or("a script's name is not UTF-8")?;
        if name == "prelude" {
            continue;
        }
        let source = format!("{prelude}\n{}", fs::read_to_string(&file)?);
        let sha1: String = Sha1::digest(&source).iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(
            generated,
            "pub(crate) const {}: Script = Script {{ name: {name:?}, sha1: {sha1:?}, source: {source:?} }};",
            name.to_uppercase(),
        )?;
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("scripts.rs"), generated)?;
    Ok(())
}
