//! The Spin CLI, if there is one, and what it can run.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::Command;
use std::{env, io};

use anyhow::{Context, bail};

use crate::workspace::find_program;

/// The environment variable that names the one to use.
pub(crate) const SPIN_VARIABLE: &str = "SPIN";

/// The first version that runs components for WASI 0.3. Spin 4.0 supports only the release candidate.
const WASIP3_SINCE: (u32, u32) = (4, 1);

/// A Spin CLI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spin {
    /// The program.
    pub(crate) program: PathBuf,
    version: Version,
}

impl Spin {
    /// The one that the variable [`SPIN_VARIABLE`] names, or else the one on the `PATH`.
    ///
    /// # Errors
    /// What the variable names is no Spin.
    pub(crate) fn find() -> anyhow::Result<Option<Spin>> {
        match env::var_os(SPIN_VARIABLE).filter(|name| !name.is_empty()) {
            Some(named) => Self::named(&named).map(Some),
            None => Ok(find_program("spin").and_then(|program| Self::at(program).ok())),
        }
    }

    fn named(named: &OsString) -> anyhow::Result<Spin> {
        // As a shell would: a name is looked for on the PATH, a path is taken as it is.
        let path = PathBuf::from(named);
        let program = named.to_str().filter(|name| !name.contains('/')).and_then(find_program).unwrap_or(path);
        Self::at(program).with_context(|| format!("{SPIN_VARIABLE}={} is no Spin", named.display()))
    }

    fn at(program: PathBuf) -> anyhow::Result<Spin> {
        let said = Command::new(&program)
            .arg("--version")
            .output()
            .and_then(|output| String::from_utf8(output.stdout).map_err(io::Error::other))?;
        match Version::parse(&said) {
            Some(version) => Ok(Spin { program, version }),
            None => bail!("`--version` says {:?}", said.trim()),
        }
    }

    /// Whether it runs components for WASI 0.3.
    pub(crate) fn runs_wasip3(&self) -> bool {
        (self.version.major, self.version.minor) >= WASIP3_SINCE
    }
}

impl fmt::Display for Spin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spin {}", self.version.text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    major: u32,
    minor: u32,
    text: String,
}

impl Version {
    /// Reads `spin 4.1.0-pre0 (94a8fc8a 2026-08-21)`. A model checker of the same name says something else.
    fn parse(said: &str) -> Option<Version> {
        let text = said.strip_prefix("spin ")?.split_whitespace().next()?;
        let mut numbers = text.split('.').map(str::parse);
        let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else { return None };
        Some(Version { major, minor, text: text.to_owned() })
    }
}

#[cfg(test)]
impl Spin {
    /// One that has said this version.
    pub(crate) fn of_version(program: &str, version: &str) -> Spin {
        let version = Version::parse(&format!("spin {version} (0a3b5b5 2026-01-01)")).expect("a version");
        Spin { program: PathBuf::from(program), version }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_spin_that_runs_wasm_is_told_from_the_model_checker() {
        let version = Version::parse("spin 3.4.1 (0a3b5b5 2025-09-01)\n").unwrap();
        assert_eq!((version.major, version.minor, &*version.text), (3, 4, "3.4.1"));
        for said in ["Spin Version 6.5.2 -- 6 December 2019\n", "spin", "spin one.two", ""] {
            assert_eq!(Version::parse(said), None, "{said:?}");
        }
    }

    #[test]
    fn wasi_0_3_needs_spin_4_1_or_newer_and_a_pre_release_will_do() {
        for (version, runs) in
            [("3.6.3", false), ("4.0.2", false), ("4.1.0-pre0", true), ("4.10.0", true), ("5.0.0", true)]
        {
            assert_eq!(Spin::of_version("spin", version).runs_wasip3(), runs, "{version}");
        }
    }

    #[test]
    fn what_is_named_and_is_no_spin_is_an_error_that_says_so() {
        let home = tempfile::tempdir().unwrap();
        let program = home.path().join("spin");
        fs::write(&program, "#!/bin/sh\necho Spin Version 6.5.2\n").unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        for (named, cause) in [(program, "Spin Version 6.5.2"), (home.path().join("none"), "No such file")] {
            let error = format!("{:#}", Spin::named(&named.into_os_string()).unwrap_err());
            assert!(error.contains("is no Spin") && error.contains(cause), "{error}");
        }
    }
}
