//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::Parser;

use crate::{given, reuse::Reuse};

/// Runs a Spin application on wasmtime where the `spin` CLI is not installed.
///
/// For development and tests: it runs a component as `spin up` does, with fewer features. It reads the same `spin.toml`
/// and offers HTTP components WASI 0.2 or 0.3, whichever they are built for, outbound Redis and variables. It has no
/// TLS, and refuses outgoing HTTP. Under WASI 0.2 each request gets a new instance; under WASI 0.3 an instance serves
/// many.
///
/// Once requests are accepted it prints one line to stdout, `Serving http://ADDRESS:PORT`. Everything else goes to
/// stderr: what the components print, and a log as chosen by RUST_LOG (default `warn`). SIGINT or SIGTERM stops it at
/// once, as it does Spin.
///
/// Compiled components are kept in wasmtime's cache (`~/.cache/wasmtime` on Linux), so that the next start is quick.
#[derive(Debug, Parser)]
#[command(name = "dev-host", version)]
pub(crate) struct Args {
    /// The application: a manifest, or the folder with its `spin.toml`.
    #[arg(long, short, value_name = "PATH", default_value = "spin.toml")]
    from: PathBuf,

    /// Address and port to serve on. Port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    #[command(flatten)]
    pub(crate) reuse: Reuse,

    /// Gives application variables their values; may be repeated, the last value counts.
    ///
    /// `NAME=VALUE`, or `@FILE.json` for any number of them. It wins over the environment variable SPIN_VARIABLE_<NAME, upper case>, which wins over the manifest's default. Other users of the
    /// machine can read a command line: prefer a file or the environment for secrets.
    #[arg(long = "variable", value_name = "NAME=VALUE | @FILE.json")]
    variables: Vec<String>,

    /// Do not pass on what the components write to their stdout and stderr.
    #[arg(long, short)]
    pub(crate) quiet: bool,
}

impl Args {
    /// The manifest file that `--from` means.
    pub(crate) fn manifest_path(&self) -> PathBuf {
        if self.from.is_dir() { self.from.join("spin.toml") } else { self.from.clone() }
    }

    /// The names and values that `--variable` gives, in order.
    pub(crate) fn variables(&self) -> anyhow::Result<Vec<(String, String)>> {
        // Not clap's to parse: its message would repeat the argument, which may be a secret with a typing error in it.
        let given = self.variables.iter().map(|argument| given::variables(argument));
        Ok(given.collect::<anyhow::Result<Vec<_>>>()?.concat())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn the_last_value_of_a_variable_comes_last() {
        let args = Args::try_parse_from(["dev-host", "--variable", "a=1", "--variable", "a=2"]).unwrap();
        let given = [("a", "1"), ("a", "2")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(args.variables().unwrap(), given);
    }

    #[test]
    fn a_folder_means_the_manifest_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args::try_parse_from(["dev-host", "--from", folder.path().to_str().unwrap()]).unwrap();
        assert_eq!(args.manifest_path(), folder.path().join("spin.toml"));
    }
}
