//! `spin.toml`, manifest version 2: <https://spinframework.dev/v3/manifest-reference>.
//!
//! Only what a host needs to run HTTP components; tables for other tools (`build`, `tool`) are ignored.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use thiserror::Error;

/// A parsed manifest, not yet validated: names and references may be wrong.
#[derive(Debug, Deserialize)]
pub(crate) struct Manifest {
    spin_manifest_version: u32,
    /// The application's variables by name.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, Variable>,
    #[serde(default)]
    trigger: Triggers,
    /// The components by id.
    #[serde(default, rename = "component")]
    pub(crate) components: BTreeMap<String, Component>,
    /// Where the manifest is; a component's `source` is relative to it.
    #[serde(skip)]
    folder: PathBuf,
}

/// An application variable. Spin also has `required` ones, without a default.
#[derive(Debug, Deserialize)]
pub(crate) struct Variable {
    /// The value where none is given.
    pub(crate) default: String,
}

#[derive(Debug, Default, Deserialize)]
struct Triggers {
    #[serde(default)]
    http: Vec<HttpTrigger>,
}

/// Sends the requests of one route to one component.
#[derive(Debug, Deserialize)]
pub(crate) struct HttpTrigger {
    /// `/path` or `/path/...`.
    pub(crate) route: String,
    /// The component's id.
    pub(crate) component: String,
}

/// A component.
#[derive(Debug, Deserialize)]
pub(crate) struct Component {
    source: PathBuf,
    /// Where it may connect to; may contain templates.
    #[serde(default)]
    pub(crate) allowed_outbound_hosts: Vec<String>,
    /// Its own variables; the values may contain templates.
    #[serde(default)]
    pub(crate) variables: BTreeMap<String, String>,
}

/// Why a manifest cannot be used.
#[derive(Debug, Error)]
pub(crate) enum ManifestError {
    /// The file is not there or not readable.
    #[error("cannot read {}", path.display())]
    Read {
        /// The manifest.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Not TOML, or not of the manifest's shape.
    #[error("{}:{line}: {message}", path.display())]
    Parse {
        /// The manifest.
        path: PathBuf,
        /// Line of the fault, from 1.
        line: usize,
        /// What is wrong there.
        message: String,
    },
    /// Some other version than 2.
    #[error("{}: spin_manifest_version is {version}, only 2 is supported", path.display())]
    Version {
        /// The manifest.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
}

impl Manifest {
    /// Reads the manifest at `path`.
    pub(crate) fn read(path: &Path) -> Result<Self, ManifestError> {
        let text = fs::read_to_string(path).map_err(|source| ManifestError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, path)
    }

    fn parse(text: &str, path: &Path) -> Result<Self, ManifestError> {
        let mut manifest: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            ManifestError::Parse {
                path: path.to_owned(),
                line: before.matches('\n').count() + 1,
                message: error.message().to_owned(),
            }
        })?;
        if manifest.spin_manifest_version != 2 {
            return Err(ManifestError::Version { path: path.to_owned(), version: manifest.spin_manifest_version });
        }
        manifest.folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(manifest)
    }

    /// The HTTP triggers, in the order of the file.
    pub(crate) fn http_triggers(&self) -> &[HttpTrigger] {
        &self.trigger.http
    }

    /// Where the `.wasm` of `component` is.
    pub(crate) fn source(&self, component: &Component) -> PathBuf {
        self.folder.join(&component.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Manifest, ManifestError> {
        Manifest::parse(text, Path::new("app/spin.toml"))
    }

    #[test]
    fn a_manifest_with_tables_for_other_tools_is_read() {
        let manifest = parse(
            r#"
            spin_manifest_version = 2

            [application]
            name = "mail"
            authors = ["someone"]

            [variables]
            redis_url = { default = "redis://127.0.0.1", secret = true }
            queue = { default = "emails" }

            [[trigger.http]]
            route = "/..."
            component = "api"

            [component.api]
            source = "target/api.wasm"
            allowed_outbound_hosts = ["{{ redis_host }}"]

            [component.api.variables]
            queue = "{{ queue }}"

            [component.api.build]
            command = "cargo build"

            [component.api.tool.something]
            key = 1
            "#,
        )
        .unwrap();

        assert_eq!(manifest.variables["queue"].default, "emails");
        assert_eq!(manifest.http_triggers()[0].route, "/...");
        let api = &manifest.components["api"];
        assert_eq!(api.allowed_outbound_hosts, ["{{ redis_host }}"]);
        assert_eq!(api.variables["queue"], "{{ queue }}");
        assert_eq!(manifest.source(api), Path::new("app/target/api.wasm"));
    }

    #[test]
    fn a_fault_is_reported_with_its_line() {
        let error = parse("spin_manifest_version = 2\n\n[component.api]\nvariables = {}\n").unwrap_err();
        assert_eq!(error.to_string(), "app/spin.toml:3: missing field `source`");
    }

    #[test]
    fn a_required_variable_and_a_private_route_are_refused() {
        let error = parse("spin_manifest_version = 2\n\n[variables]\nkey = { required = true }\n").unwrap_err();
        assert_eq!(error.to_string(), "app/spin.toml:4: missing field `default`");
        let trigger = "[[trigger.http]]\ncomponent = \"api\"\nroute = { private = true }\n";
        let error = parse(&format!("spin_manifest_version = 2\n\n{trigger}")).unwrap_err();
        assert_eq!(error.to_string(), "app/spin.toml:5: invalid type: map, expected a string");
    }

    #[test]
    fn another_manifest_version_is_refused() {
        let error = parse("spin_manifest_version = 1").unwrap_err();
        assert_eq!(error.to_string(), "app/spin.toml: spin_manifest_version is 1, only 2 is supported");
    }

    #[test]
    fn a_missing_manifest_is_named() {
        let error = Manifest::read(Path::new("/nonexistent/spin.toml")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read /nonexistent/spin.toml");
    }
}
