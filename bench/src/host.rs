//! What can run the components.

use std::path::Path;
use std::process::Command;

use anyhow::Context;
use clap::ValueEnum;

use crate::process;

/// Which program runs the components.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Host {
    /// The project's own.
    DevHost,
    /// The one that the environment variable `SPIN` names, or the one on the `PATH`.
    Spin,
}

impl Host {
    /// Its name, with the version if it has one of its own.
    ///
    /// # Errors
    /// It does not say one.
    pub(crate) fn name(self, spin: &Path) -> anyhow::Result<String> {
        if self == Host::DevHost {
            return Ok("dev-host".to_owned());
        }
        let said = process::run("spin", Command::new(spin).arg("--version"))?;
        let version = said.strip_prefix("spin ").and_then(|said| said.split_whitespace().next());
        Ok(format!("Spin {}", version.with_context(|| format!("{} says it is {said:?}", spin.display()))?))
    }
}
