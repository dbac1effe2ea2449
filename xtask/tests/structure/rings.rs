use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::{MAY_USE, root};

/// A file of a crate, by its modules: `["transport", "smtp"]`.
type Module = Vec<String>;

/// The program of a crate that is a library too. It is a crate of its own, and `lib.rs` has the root.
const PROGRAM: &str = "main.rs";

#[test]
fn no_files_import_each_other_in_a_ring() {
    for (name, _) in MAY_USE {
        let mut texts = BTreeMap::new();
        read(&root().join(name).join("src"), &mut Vec::new(), &mut texts);
        if let Some(ring) = Files::new(&texts).ring() {
            panic!("{name}: {ring}");
        }
    }
}

/// All files but those of tests, each without its tests and comments.
fn read(folder: &Path, module: &mut Module, files: &mut BTreeMap<Module, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            module.push(name);
            read(&path, module, files);
            module.pop();
        } else if path.extension().is_some_and(|extension| extension == "rs") && !name.ends_with("tests") {
            let mut module = module.clone();
            if name == "main" && folder.join("lib.rs").exists() {
                module.push(PROGRAM.to_owned());
            } else if name != "lib" && name != "main" {
                module.push(name);
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code: Vec<_> = code.lines().map(|line| line.split("//").next().unwrap()).collect();
            let former = files.insert(module, code.join("\n"));
            assert!(former.is_none(), "{} has the name of another file", path.display());
        }
    }
}

/// A path of a crate, and the name that it has in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    path: Vec<String>,
    name: String,
}

/// What the code of a file names.
struct Code {
    /// In its `use` declarations.
    imports: Vec<Named>,
    /// In `pub use` declarations, which it may only hand on.
    exports: Vec<Named>,
    /// Elsewhere.
    paths: Vec<Named>,
    /// The words elsewhere.
    words: BTreeSet<String>,
}

impl Code {
    fn new(text: &str, children: &[String]) -> Self {
        let (mut imports, mut exports, mut rest) = (String::new(), String::new(), String::new());
        // Whether the line continues a declaration, and of which kind.
        let mut open = None;
        for line in text.lines() {
            let code = line.trim_start();
            let hands_on = code.starts_with("pub") && code.contains(" use ");
            let kind = open.or((hands_on || code.starts_with("use ")).then_some(hands_on));
            let part = match kind {
                Some(true) => &mut exports,
                Some(false) => &mut imports,
                None => &mut rest,
            };
            // Its name may be that of what it hands on, too.
            if kind.is_none() && code.ends_with(';') && (code.starts_with("mod ") || code.contains(" mod ")) {
                continue;
            }
            part.push_str(line);
            part.push('\n');
            open = kind.filter(|_| !code.contains(';'));
        }
        let words = rest.split(|c: char| !is_of_name(c)).map(ToOwned::to_owned).collect();
        let named = |text: &str| paths(text, children);
        Self { imports: named(&imports), exports: named(&exports), paths: named(&rest), words }
    }

    /// What makes this file depend on another one. What it hands on counts if it uses it too.
    fn uses(&self) -> impl Iterator<Item = &Named> {
        let used = self.exports.iter().filter(|named| named.name.is_empty() || self.words.contains(&named.name));
        self.imports.iter().chain(&self.paths).chain(used)
    }
}

/// The files of a crate.
struct Files(BTreeMap<Module, Code>);

impl Files {
    fn new(texts: &BTreeMap<Module, String>) -> Self {
        let code = |(module, text): (&Module, &String)| {
            // The root's paths without a prefix are those of its children too.
            let parent = if module.last().is_some_and(|name| name == PROGRAM) { &[][..] } else { module };
            let is_child = |other: &&Module| other.len() > parent.len() && other.starts_with(parent);
            let mut children: Vec<_> = texts.keys().filter(is_child).map(|other| other[parent.len()].clone()).collect();
            children.dedup();
            (module.clone(), Code::new(text, &children))
        };
        Self(texts.iter().map(code).collect())
    }

    /// The file that defines what a path of a file leads to: not one that only hands it on.
    fn resolve(&self, path: &[String], from: &Module) -> Option<Module> {
        self.follow(path, from, 8)
    }

    fn follow(&self, path: &[String], from: &Module, most: usize) -> Option<Module> {
        let mut at = match path.first()?.as_str() {
            "crate" => Module::new(),
            _ => from.clone(),
        };
        for (index, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" | "self" => {}
                "super" => drop(at.pop()),
                name => {
                    at.push(name.to_owned());
                    if self.0.keys().any(|module| module.starts_with(&at)) {
                        continue;
                    }
                    at.pop();
                    let code = self.0.get(&at)?;
                    let handed_on = code.exports.iter().chain(&code.imports).find(|named| named.name == name);
                    if let (Some(handed_on), Some(most)) = (handed_on, most.checked_sub(1)) {
                        let whole: Vec<_> = handed_on.path.iter().chain(&path[index + 1..]).cloned().collect();
                        return self.follow(&whole, &at, most);
                    }
                    break;
                }
            }
        }
        self.0.contains_key(&at).then_some(at)
    }

    /// Files that depend on each other in a ring, if there are any.
    fn ring(&self) -> Option<String> {
        let imports: BTreeMap<_, BTreeSet<_>> = self
            .0
            .iter()
            .map(|(module, code)| {
                let targets = code.uses().filter_map(|named| self.resolve(&named.path, module));
                (module, targets.filter(|target| target != module).collect())
            })
            .collect();
        let ring = self.0.keys().find_map(|module| ring(module, &imports))?;
        let names: Vec<_> = ring
            .iter()
            .map(|module| if module.is_empty() { "the root".to_owned() } else { module.join("::") })
            .collect();
        Some(names.join(" -> "))
    }
}

fn is_of_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// All that is named from the crate, the file, what is above it or one of its children, with what stands in braces
/// written out.
fn paths(text: &str, children: &[String]) -> Vec<Named> {
    let mut paths = Vec::new();
    let children = children.iter().map(String::as_str);
    for start in ["crate", "self", "super"].into_iter().chain(children) {
        for (at, _) in text.match_indices(&format!("{start}::")) {
            let before = &text[..at];
            // As in `pub(in crate::a)`, which imports nothing.
            let is_visibility = before.ends_with("pub(in ");
            if !is_visibility && !before.ends_with(|c: char| is_of_name(c) || c == ':') {
                expand(&text[at..], &mut Vec::new(), &mut paths);
            }
        }
    }
    paths
}

/// Adds the paths that begin here, and returns what follows them.
fn expand<'a>(mut text: &'a str, before: &mut Vec<String>, paths: &mut Vec<Named>) -> &'a str {
    let depth = before.len();
    loop {
        text = text.trim_start();
        if let Some(mut inner) = text.strip_prefix('{') {
            loop {
                inner = expand(inner, before, paths).trim_start();
                match inner.strip_prefix(',') {
                    Some(rest) if !rest.trim_start().starts_with('}') => inner = rest,
                    Some(rest) => inner = rest.trim_start(),
                    None => break,
                }
                if inner.starts_with('}') {
                    break;
                }
            }
            before.truncate(depth);
            return inner.strip_prefix('}').unwrap_or(inner);
        }
        let end = text.find(|c: char| !is_of_name(c)).unwrap_or(text.len());
        before.push(text[..end].to_owned());
        text = &text[end..];
        match text.strip_prefix("::") {
            Some(rest) => text = rest,
            None => break,
        }
    }
    let path = before.clone();
    before.truncate(depth);
    // As in `a as b`.
    let alias = text.trim_start().strip_prefix("as ");
    let (name, rest) = match alias {
        Some(alias) => alias.split_at(alias.find(|c: char| !is_of_name(c)).unwrap_or(alias.len())),
        None => (path.iter().rev().find(|name| *name != "self").map_or("", String::as_str), text),
    };
    paths.push(Named { name: name.to_owned(), path });
    rest
}

/// A way from a file back to itself.
fn ring(start: &Module, imports: &BTreeMap<&Module, BTreeSet<Module>>) -> Option<Vec<Module>> {
    let mut seen = BTreeSet::new();
    let mut ways = vec![vec![start.clone()]];
    while let Some(way) = ways.pop() {
        for next in imports.get(way.last()?).into_iter().flatten() {
            let mut longer = way.clone();
            longer.push(next.clone());
            if next == start {
                return Some(longer);
            }
            if seen.insert(next) {
                ways.push(longer);
            }
        }
    }
    None
}

fn texts(files: &[(&str, &str)]) -> BTreeMap<Module, String> {
    let module = |path: &str| path.split("::").filter(|name| !name.is_empty()).map(ToOwned::to_owned).collect();
    files.iter().map(|(path, text)| (module(path), (*text).to_owned())).collect()
}

#[test]
fn braces_names_and_steps_up_are_understood() {
    let files = Files::new(&texts(&[("a", ""), ("a::b", ""), ("c", "")]));
    let from = vec!["a".to_owned(), "b".to_owned()];
    let found = |text: &str| -> Vec<String> {
        let targets = paths(text, &[]).into_iter().filter_map(|named| files.resolve(&named.path, &from));
        targets.map(|module| module.join("::")).collect()
    };
    assert_eq!(found("use crate::{a::{b::X, Y}, c as other, d::Z};\nuse std::c;"), ["a::b", "a", "c"]);
    assert_eq!(found("super::thing(self::Own, my_crate::c)"), ["a::b", "a"]);
}

#[test]
fn a_ring_of_a_file_and_what_is_below_it_is_found() {
    let ring = |parent: &str, child: &str| Files::new(&texts(&[("", ""), ("a", parent), ("a::b", child)])).ring();
    for parent in [
        "use b::Child;\npub struct Own;",
        "use self::b::Child;\npub struct Own;",
        "use crate::a::{b::Child as Other};\npub struct Own;",
        "pub struct Own(b::Child);",
        "pub use b::Child;\npub struct Own(Child);",
    ] {
        for child in ["use super::Own;", "use crate::a::Own;", "fn of(own: super::Own) {}", "use super::*;"] {
            assert_eq!(ring(parent, child).as_deref(), Some("a -> a::b -> a"), "{parent} {child}");
        }
    }
    // The parent is the face of its folder: it names its children, and hands on what they define.
    assert_eq!(ring("mod b;\npub use b::Child;\npub struct Own;", "use super::Own;"), None);
}

#[test]
fn what_a_file_only_hands_on_leads_to_the_file_that_defines_it() {
    let with = |c: &str| {
        let parent = "mod b;\nmod c;\npub use b::Child;\npub(crate) use {\n    c::Other,\n};\nfn f(child: Child) {}";
        Files::new(&texts(&[("", "pub use a::Child;"), ("a", parent), ("a::b", "use super::Other;"), ("a::c", c)]))
            .ring()
    };
    assert_eq!(with("pub struct Other;"), None);
    assert_eq!(with("use crate::Child;").as_deref(), Some("a::b -> a::c -> a::b"));
}
