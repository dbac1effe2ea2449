//! Values of variables as `--variable` gives them, in the forms of `spin up`:
//! <https://github.com/spinframework/spin/blob/main/crates/variables-static/src/source.rs>.
//!
//! A value may be a secret, and so may a mistyped name: errors show only the position.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

/// The names and values that one `--variable` gives: `NAME=VALUE`, `NAME=@FILE`, `@FILE.json` or `@FILE.toml`.
///
/// # Errors
/// It has none of these forms; the file cannot be read, or is no table of texts.
pub(crate) fn variables(argument: &str) -> anyhow::Result<Vec<(String, String)>> {
    if let Some(path) = argument.strip_prefix('@') {
        return table(Path::new(path));
    }
    let (name, value) = argument.split_once('=').context("--variable expects NAME=VALUE or @FILE")?;
    let value = match value.strip_prefix('@') {
        Some(path) => read(&PathBuf::from(path))?,
        None => value.to_owned(),
    };
    Ok(vec![(name.to_owned(), value)])
}

fn table(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    let file = path.display();
    let table: BTreeMap<String, String> = match path.extension().and_then(|extension| extension.to_str()) {
        Some("json") => serde_json::from_str(&read(path)?)
            .map_err(|error| anyhow::anyhow!("{file}:{}: not an object of strings", error.line()))?,
        Some("toml") => {
            let text = read(path)?;
            toml::from_str(&text).map_err(|error| {
                let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
                anyhow::anyhow!("{file}:{}: not a table of strings", before.matches('\n').count() + 1)
            })?
        }
        _ => bail!("a file of variables must end in .json or .toml"),
    };
    Ok(table.into_iter().collect())
}

fn read(path: &Path) -> anyhow::Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A file with this text, and how `--variable` names it.
    fn file(name: &str, text: &str) -> (TempDir, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        (folder, format!("@{}", path.display()))
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_value_may_contain_equals_signs() {
        assert_eq!(variables("redis_url=redis://h/?a=b").unwrap(), pairs(&[("redis_url", "redis://h/?a=b")]));
    }

    #[test]
    fn a_value_can_be_a_files_content_to_the_last_line_end() {
        let (_folder, at) = file("key", "secret\n");
        assert_eq!(variables(&format!("api_keys={at}")).unwrap(), pairs(&[("api_keys", "secret\n")]));
    }

    #[test]
    fn a_file_can_give_any_number_of_variables() {
        for (name, text) in [("v.json", r#"{"a": "1", "b": "x=y"}"#), ("v.toml", "a = '1'\nb = 'x=y'")] {
            let (_folder, at) = file(name, text);
            assert_eq!(variables(&at).unwrap(), pairs(&[("a", "1"), ("b", "x=y")]), "{name}");
        }
    }

    #[test]
    fn a_fault_is_told_by_its_place_and_not_by_what_is_there() {
        assert!(variables("redis://:hunter2@h").unwrap_err().to_string().starts_with("--variable expects"));
        for (name, text) in [("v.json", "{\"a\": \"1\",\n\"hunter2\": 2}"), ("v.toml", "a = '1'\nb = ['hunter2']")] {
            let (_folder, at) = file(name, text);
            let error = format!("{:#}", variables(&at).unwrap_err());
            assert!(error.contains(&format!("{name}:2: ")) && !error.contains("hunter2"), "{error}");
        }
        let (_folder, at) = file("v.txt", "a=1");
        assert_eq!(variables(&at).unwrap_err().to_string(), "a file of variables must end in .json or .toml");
        assert!(variables("a=@/nonexistent/file").unwrap_err().to_string().starts_with("cannot read /nonexistent"));
    }
}
