//! Makes each Lua transition whole: in front of it goes what it uses of the files that all of them share. Each is named
//! by its SHA-1, as `EVALSHA` does.
//!
//! Done here and not at run time, because a Wasm instance lives for one request and should not hash anything first. And
//! only what is used, because Redis runs all of it at every call, and the component carries it.

use std::{env, error::Error, fmt::Write, fs, path::Path};

use sha1::{Digest, Sha1};

/// What the transitions share, in the order in which one file uses the others.
const SHARED: [&str; 11] =
    ["prelude", "undo", "bytes", "record", "room", "failure", "waiting", "relay", "index", "sending", "claiming"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src/lua");
    let mut shared = Vec::new();
    for name in SHARED {
        shared.extend(definitions(&fs::read_to_string(format!("src/lua/{name}.lua"))?));
    }
    let mut generated = String::new();
    let mut files =
        fs::read_dir("src/lua")?.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>()?;
    files.sort();
    for file in files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).ok_or("a script's name is not UTF-8")?;
        if SHARED.contains(&name) {
            continue;
        }
        let source = with_what_it_uses(&without_comments(&fs::read_to_string(&file)?), &shared);
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

/// A definition at the top level of a shared file: `local NAME = …` or `local function name…`.
struct Definition {
    name: String,
    text: String,
}

/// Each begins in the first column with `local`, and ends where the next one begins.
fn definitions(source: &str) -> Vec<Definition> {
    let mut definitions: Vec<Definition> = Vec::new();
    for line in without_comments(source).lines() {
        if let Some(rest) = line.strip_prefix("local ") {
            let rest = rest.strip_prefix("function ").unwrap_or(rest);
            let name = rest.chars().take_while(|&c| is_word(c)).collect();
            definitions.push(Definition { name, text: String::new() });
        }
        if let Some(definition) = definitions.last_mut() {
            definition.text.push_str(line);
            definition.text.push('\n');
        }
    }
    definitions
}

/// From the last definition to the first, because each uses only those before it.
fn with_what_it_uses(script: &str, shared: &[Definition]) -> String {
    shared.iter().rev().fold(script.to_owned(), |source, definition| {
        let used = source.split(|c| !is_word(c)).any(|word| word == definition.name);
        if used { format!("{}{source}", definition.text) } else { source }
    })
}

fn without_comments(source: &str) -> String {
    let code = |line: &&str| !line.trim_start().starts_with("--") && !line.trim().is_empty();
    source.lines().filter(code).flat_map(|line| [line, "\n"]).collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
