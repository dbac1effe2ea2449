//! What serves the API under `cargo xtask up`, which of its builds, and why.

use std::fmt;
use std::process::Command;

use anyhow::bail;
use clap::ValueEnum;

use crate::compile::Part;
use crate::spin::{SPIN_VARIABLE, Spin};
use crate::workspace::{DEV_HOST, NATIVE_API, Profile, WASIP2_MANIFEST, WASIP3_MANIFEST, WORKER, Workspace};

/// What can be asked for.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HostName {
    /// The Spin CLI.
    Spin,
    /// This project's own stand-in.
    DevHost,
    /// The native server instead of the component.
    Native,
}

/// What serves the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    /// The Spin CLI.
    Spin(Spin),
    /// This project's own stand-in.
    DevHost,
    /// The native server instead of the component.
    Native,
}

impl Server {
    /// The host to use, and the reasons for it and for its build.
    ///
    /// # Errors
    /// Spin is asked for and not there.
    pub(crate) fn choose(wanted: Option<HostName>) -> anyhow::Result<(Server, String)> {
        match wanted {
            Some(HostName::DevHost | HostName::Native) => Self::decide(wanted, None),
            Some(HostName::Spin) | None => Self::decide(wanted, Spin::find()?),
        }
    }

    fn decide(wanted: Option<HostName>, spin: Option<Spin>) -> anyhow::Result<(Server, String)> {
        let (host, why) = match (wanted, spin) {
            (Some(HostName::Native), _) => return Ok((Server::Native, "`--host native` was given".to_owned())),
            (Some(HostName::DevHost), _) => (Server::DevHost, "`--host dev-host` was given".to_owned()),
            (Some(HostName::Spin), None) => {
                bail!(
                    "the Spin CLI is neither in {SPIN_VARIABLE} nor on the PATH: install it, or use `--host dev-host`"
                )
            }
            (None, None) => (Server::DevHost, format!("no Spin is in {SPIN_VARIABLE} or on the PATH")),
            (_, Some(spin)) => {
                let at = format!("it is {}", spin.program.display());
                (Server::Spin(spin), at)
            }
        };
        let build = if host.runs_wasip3() { "it runs WASI 0.3" } else { "WASI 0.3 needs Spin 4.1 or newer" };
        Ok((host, format!("{why}, and {build}")))
    }

    /// The command that serves the API, but for its settings.
    pub(crate) fn command(&self, workspace: &Workspace, profile: Profile) -> Command {
        let mut command = match self {
            Server::Spin(spin) => {
                let mut command = Command::new(&spin.program);
                command.arg("up");
                command
            }
            Server::DevHost => Command::new(workspace.binary(DEV_HOST, profile)),
            Server::Native => return Command::new(workspace.binary(NATIVE_API, profile)),
        };
        command.args(["--from", self.manifest()]);
        if self.runs_wasip3() {
            // Otherwise instances that began together end together, and some requests wait for new ones.
            command.args(["--max-instance-reuse-count", "1000000"]);
        }
        command
    }

    /// The environment variable by which it is given a setting of the API.
    pub(crate) fn variable(&self, setting: &str) -> String {
        match self {
            Server::Native => format!("EMAIL_QUEUE_{setting}"),
            Server::Spin(_) | Server::DevHost => format!("SPIN_VARIABLE_{setting}"),
        }
    }

    /// What must be built to run the queue with it.
    pub(crate) fn parts(&self, profile: Profile) -> Vec<Part> {
        let component = if self.runs_wasip3() { Part::Wasip3 } else { Part::Wasip2 };
        let worker = Part::Native(WORKER, profile);
        match self {
            Server::Spin(_) => vec![component, Part::Dashboard, worker],
            Server::DevHost => vec![component, Part::Dashboard, worker, Part::Native(DEV_HOST, profile)],
            Server::Native => vec![worker, Part::Native(NATIVE_API, profile)],
        }
    }

    /// Which build of the API it serves.
    pub(crate) fn build(&self) -> String {
        match self {
            Server::Native => "built as a native program".to_owned(),
            Server::Spin(_) | Server::DevHost => format!("built for {}, by {}", self.wasi(), self.manifest()),
        }
    }

    /// The manifest that it is given.
    fn manifest(&self) -> &'static str {
        if self.runs_wasip3() { WASIP3_MANIFEST } else { WASIP2_MANIFEST }
    }

    /// What the component in it is built for.
    fn wasi(&self) -> &'static str {
        if self.runs_wasip3() { "WASI 0.3" } else { "WASI 0.2" }
    }

    fn runs_wasip3(&self) -> bool {
        match self {
            Server::Spin(spin) => spin.runs_wasip3(),
            Server::DevHost => true,
            Server::Native => false,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Server::Spin(spin) => spin.fmt(f),
            Server::DevHost => f.write_str(DEV_HOST),
            Server::Native => f.write_str(NATIVE_API),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(wanted: Option<HostName>, spin: Option<&str>) -> (&'static str, String) {
        let spin = spin.map(|version| Spin::of_version("/bin/spin", version));
        let (host, why) = Server::decide(wanted, spin).unwrap();
        (host.manifest(), format!("{host}: {why}"))
    }

    #[test]
    fn the_build_for_wasi_0_3_is_served_wherever_it_runs() {
        for (wanted, spin, manifest, reason) in [
            (None, None, WASIP3_MANIFEST, "dev-host: no Spin is in SPIN or on the PATH, and it runs WASI 0.3"),
            (None, Some("4.1.0-pre0"), WASIP3_MANIFEST, "Spin 4.1.0-pre0: it is /bin/spin, and it runs WASI 0.3"),
            (None, Some("4.0.2"), WASIP2_MANIFEST, "Spin 4.0.2: it is /bin/spin, and WASI 0.3 needs Spin 4.1 or newer"),
            (
                Some(HostName::Spin),
                Some("3.6.3"),
                WASIP2_MANIFEST,
                "Spin 3.6.3: it is /bin/spin, and WASI 0.3 needs Spin 4.1 or newer",
            ),
            (
                Some(HostName::DevHost),
                Some("4.1.0"),
                WASIP3_MANIFEST,
                "dev-host: `--host dev-host` was given, and it runs WASI 0.3",
            ),
        ] {
            assert_eq!(chosen(wanted, spin), (manifest, reason.to_owned()));
        }
    }

    #[test]
    fn the_native_server_is_served_where_it_is_asked_for_whatever_spin_there_is() {
        let (host, why) = Server::choose(Some(HostName::Native)).unwrap();
        assert_eq!((host, why.as_str()), (Server::Native, "`--host native` was given"));
        assert_eq!(Server::Native.variable("OPEN"), "EMAIL_QUEUE_OPEN");
        assert_eq!(Server::DevHost.variable("OPEN"), "SPIN_VARIABLE_OPEN");
    }

    #[test]
    fn spin_that_is_asked_for_and_not_there_is_an_error_with_the_way_out() {
        let error = Server::decide(Some(HostName::Spin), None).unwrap_err().to_string();
        assert!(error.contains("--host dev-host"), "{error}");
    }
}
