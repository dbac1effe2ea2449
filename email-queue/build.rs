//! Makes each Lua script whole: in front of it goes what it uses of the files in `src/lua/`, which all of them share. Each is
//! named by its SHA-1, as `EVALSHA` does.
//!
//! Done at build time, because a Wasm instance may serve only one request and should not hash scripts first. Only used
//! definitions are included, because Redis runs them at every call, and the component contains them.
//!
//! A function costs Redis about 0.2 us to define, at every call of the script, and more the more variables of the script
//! the functions share. So a constant that is one string or one number is written where it is used, and a function whose
//! line ends with `-- lazy` is not defined until it is called: all of these together, with what only they use, are defined
//! by the function `lazy`.

use std::{
    env,
    error::Error,
    fmt::Write,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

use sha1::{Digest, Sha1};

/// What the scripts share, in the order in which one file uses the others.
const SHARED: [&str; 20] = [
    "prelude",
    "undo",
    "bytes",
    "timeline",
    "record",
    "room",
    "failure",
    "waiting",
    "relay",
    "index",
    "sending",
    "due",
    "import",
    "claiming",
    "outcome",
    "canceling",
    "retrying",
    "moving",
    "matching",
    "series",
];

/// Where the scripts are, each beside the Rust function that runs it.
const SCRIPTS: [&str; 6] =
    ["src/transition", "src/transition/relay", "src/query", "src/maintenance", "src/rate_limit", "src/setup"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=src");
    let mut shared = Vec::new();
    for name in SHARED {
        shared.extend(definitions(&fs::read_to_string(format!("src/lua/{name}.lua"))?));
    }
    let (mut generated, mut names) = (String::new(), Vec::new());
    for folder in SCRIPTS {
        for file in lua_files(folder)? {
            names.push(format!("&{}", write_script(&mut generated, &file, &shared)?));
        }
    }
    writeln!(generated, "#[cfg(test)]\npub(crate) const ALL: [&Script; {}] = [{}];", names.len(), names.join(", "))?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("scripts.rs"), generated)?;
    Ok(())
}

fn lua_files(folder: &str) -> io::Result<Vec<PathBuf>> {
    let files = fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files: Vec<_> = files.collect::<io::Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "lua"));
    files.sort();
    Ok(files)
}

/// Returns the name of the constant.
fn write_script(generated: &mut String, file: &Path, shared: &[Definition]) -> Result<String, Box<dyn Error>> {
    let name = file.file_stem().and_then(|stem| stem.to_str()).ok_or("a script's name is not UTF-8")?;
    let source = with_what_it_uses(&with_constants_inlined(&without_comments(&fs::read_to_string(file)?)), shared);
    let sha1: String = Sha1::digest(&source).iter().map(|byte| format!("{byte:02x}")).collect();
    let constant = name.to_uppercase();
    writeln!(
        generated,
        "pub(crate) const {constant}: Script = Script {{ name: {name:?}, sha1: {sha1:?}, source: {source:?} }};",
    )?;
    Ok(constant)
}

/// A definition at the top level of a shared file: `local NAME = …` or `local function name…`.
struct Definition {
    name: String,
    text: String,
    is_lazy: bool,
}

impl Definition {
    /// The value of a constant that is one string or a product of numbers.
    fn literal(&self) -> Option<String> {
        literal(self.text.strip_prefix("local ")?.strip_prefix(&*self.name)?.strip_prefix(" = ")?.trim_end())
    }
}

fn literal(value: &str) -> Option<String> {
    if let Some(string) = value.strip_prefix('\'').and_then(|value| value.strip_suffix('\'')) {
        return (!string.contains(['\'', '\\', '\n'])).then(|| value.to_owned());
    }
    value.chars().all(|c| c.is_ascii_digit() || " *".contains(c)).then(|| format!("({value})"))
}

/// A script with its own constants, `local NAME = …` in a line of its own, written where they are used.
fn with_constants_inlined(script: &str) -> String {
    let constant = |line: &str| {
        let (name, value) = line.strip_prefix("local ")?.split_once(" = ")?;
        let is_constant = name.chars().all(|c| c.is_ascii_uppercase() || c == '_');
        is_constant.then(|| literal(value)).flatten().map(|value| (name.to_owned(), value))
    };
    let (constants, code): (Vec<_>, Vec<_>) = script.lines().partition(|line| constant(line).is_some());
    let code = code.iter().flat_map(|line| [line, "\n"]).collect();
    constants.into_iter().filter_map(constant).fold(code, |code, (name, value)| replaced(&code, &name, &value))
}

/// Each begins in the first column with `local`, and ends where the next one begins.
fn definitions(source: &str) -> Vec<Definition> {
    let mut definitions: Vec<Definition> = Vec::new();
    for line in without_comments(source).lines() {
        let (line, is_lazy) = line.strip_suffix(" -- lazy").map_or((line, false), |line| (line, true));
        if let Some(rest) = line.strip_prefix("local ") {
            let rest = rest.strip_prefix("function ").unwrap_or(rest);
            let name = rest.chars().take_while(|&c| is_word(c)).collect();
            definitions.push(Definition { name, text: String::new(), is_lazy });
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
    let (mut script, mut eager, mut lazy) = (script.to_owned(), String::new(), String::new());
    let mut lazy_names = Vec::new();
    for definition in shared.iter().rev() {
        let name = &*definition.name;
        let is_used_at_once = uses(&script, name) || uses(&eager, name);
        if !is_used_at_once && !uses(&lazy, name) {
            continue;
        }
        if let Some(value) = definition.literal() {
            for source in [&mut script, &mut eager, &mut lazy] {
                *source = replaced(source, name, &value);
            }
        } else if is_used_at_once && !definition.is_lazy {
            eager.insert_str(0, &definition.text);
        } else {
            lazy.insert_str(0, &definition.text);
            if is_used_at_once {
                lazy_names.push(name);
                for source in [&mut script, &mut eager] {
                    *source = replaced(source, name, &format!("lazy().{name}"));
                }
            }
        }
    }
    if lazy_names.is_empty() {
        return format!("{eager}{script}");
    }
    let table: Vec<_> = lazy_names.iter().map(|name| format!("{name} = {name}")).collect();
    format!(
        "local lazy\n{eager}local defined\nlazy = function()\nif defined then return defined end\n{lazy}\
         defined = {{{}}}\nreturn defined\nend\n{script}",
        table.join(", "),
    )
}

fn without_comments(source: &str) -> String {
    let code = |line: &&str| !line.trim_start().starts_with("--") && !line.trim().is_empty();
    source.lines().filter(code).flat_map(|line| [line, "\n"]).collect()
}

fn uses(source: &str, name: &str) -> bool {
    names(source).any(|at| &source[at] == name)
}

fn replaced(source: &str, name: &str, by: &str) -> String {
    let (mut result, mut copied) = (String::new(), 0);
    for at in names(source).filter(|at| &source[at.clone()] == name) {
        result.push_str(&source[copied..at.start]);
        result.push_str(by);
        copied = at.end;
    }
    result + &source[copied..]
}

/// Where names stand, and keywords: words that are in no string, and are no field of a table.
fn names(source: &str) -> impl Iterator<Item = Range<usize>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(c) = source[at..].chars().next() {
            let rest = &source[at..];
            let start = at;
            if c == '\'' {
                at += 1 + end_of_string(&rest[1..]);
            } else if is_word(c) {
                at += rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                let is_field = source[..start].ends_with('.') && !source[..start].ends_with("..");
                if !is_field {
                    return Some(start..at);
                }
            } else {
                at += c.len_utf8();
            }
        }
        None
    })
}

/// How many bytes a string has, with the quote at its end, whose first quote is before this.
fn end_of_string(source: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in source.char_indices() {
        if c == '\'' && !is_escaped {
            return at + 1;
        }
        is_escaped = c == '\\' && !is_escaped;
    }
    source.len()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}
