//! Values of variables as `--variable` gives them: of the forms of `spin up` those that this project uses.
//!
//! A value may be a secret, and so may a mistyped name: errors show only the position.

use std::{collections::BTreeMap, fs};

use anyhow::{Context, anyhow, bail};

/// The names and values that one `--variable` gives: `NAME=VALUE` or `@FILE.json`.
///
/// # Errors
/// It has neither form; the file cannot be read, or is no object of strings.
pub(crate) fn variables(argument: &str) -> anyhow::Result<Vec<(String, String)>> {
    const FORMS: &str = "--variable expects NAME=VALUE or @FILE.json";
    if let Some(file) = argument.strip_prefix('@') {
        if !file.ends_with(".json") {
            bail!(FORMS);
        }
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
        let table: BTreeMap<String, String> = serde_json::from_str(&text)
            .map_err(|error| anyhow!("{file}:{}: not an object of strings", error.line()))?;
        return Ok(table.into_iter().collect());
    }
    let (name, value) = argument.split_once('=').context(FORMS)?;
    if value.starts_with('@') {
        bail!("{FORMS}; only Spin takes NAME=@FILE");
    }
    Ok(vec![(name.to_owned(), value.to_owned())])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_value_may_contain_equals_signs() {
        assert_eq!(variables("redis_url=redis://h/?a=b").unwrap(), pairs(&[("redis_url", "redis://h/?a=b")]));
    }

    #[test]
    fn a_file_can_give_any_number_of_variables() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("v.json");
        fs::write(&file, r#"{"a": "1", "b": "x=y"}"#).unwrap();
        assert_eq!(variables(&format!("@{}", file.display())).unwrap(), pairs(&[("a", "1"), ("b", "x=y")]));
    }

    #[test]
    fn an_error_shows_where_the_fault_is_and_not_what_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("v.json");
        fs::write(&file, "{\"a\": \"1\",\n\"hunter2\": 2}").unwrap();
        let error = variables(&format!("@{}", file.display())).unwrap_err().to_string();
        assert!(error.contains("v.json:2: ") && !error.contains("hunter2"), "{error}");
        for other in ["redis://:hunter2@h", "@v.toml", "hunter2=@file"] {
            let error = variables(other).unwrap_err().to_string();
            assert!(error.starts_with("--variable expects") && !error.contains("hunter2"), "{error}");
        }
        assert!(variables("@/nonexistent.json").unwrap_err().to_string().starts_with("cannot read /nonexistent"));
    }
}
