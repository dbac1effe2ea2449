//! What can run the components.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::Context;
use clap::ValueEnum;

/// How long it may take to say its version.
const LIMIT: Duration = Duration::from_secs(30);

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
        let said = harness::run(Command::new(spin).arg("--version"), LIMIT)?;
        let version = said.strip_prefix("spin ").and_then(|said| said.split_whitespace().next());
        Ok(format!("Spin {}", version.with_context(|| format!("{} says it is {said:?}", spin.display()))?))
    }
}
