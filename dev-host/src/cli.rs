//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use anyhow::Context;
use clap::Parser;

/// Runs a Spin application on wasmtime where the `spin` CLI is not installed.
///
/// For development and tests only: it speaks plain HTTP and puts no limits on what a request may cost. It reads the same
/// `spin.toml` as `spin up` and offers its HTTP components WASI 0.2 or 0.3, whichever they are built for, outbound Redis
/// and variables. Outgoing HTTP is always refused. Under WASI 0.2 each request gets a new instance; under WASI 0.3 an
/// instance serves up to 128 requests, up to 16 of them at the same time, as under `spin up`.
///
/// Once requests are accepted it prints one line to stdout, `Serving http://ADDRESS:PORT`. Everything else goes to
/// stderr: what the components print, and a log as chosen by RUST_LOG (default `warn`). SIGINT or SIGTERM stops it;
/// requests in flight get 5 seconds to end.
///
/// Compiled components are kept in wasmtime's cache (`~/.cache/wasmtime` on Linux), so that the next start is quick.
#[derive(Debug, Parser)]
#[command(name = "dev-host", version)]
pub(crate) struct Args {
    /// The application: a manifest, or the folder it is in.
    #[arg(long, short, value_name = "PATH", default_value = "spin.toml")]
    from: PathBuf,

    /// Address and port to serve on. Port 0 takes any that is free.
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:3000")]
    pub(crate) listen: SocketAddr,

    /// Runs the components of this build profile of the manifest, as `spin up --profile`; without it the default ones.
    #[arg(long, value_name = "NAME")]
    pub(crate) profile: Option<String>,

    /// Gives an application variable its value; may be repeated.
    ///
    /// It wins over the environment variable SPIN_VARIABLE_<NAME, upper case>, which wins over the manifest's default.
    /// Other users of the machine can read a command line: prefer the environment for secrets.
    #[arg(long = "variable", value_name = "NAME=VALUE")]
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
        let split = |argument: &String| {
            let (name, value) = argument.split_once('=').context("--variable expects NAME=VALUE")?;
            Ok((name.to_owned(), value.to_owned()))
        };
        self.variables.iter().map(split).collect()
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
    fn a_value_may_contain_equals_signs() {
        let args = Args::try_parse_from(["dev-host", "--variable", "redis_url=redis://h/?a=b"]).unwrap();
        assert_eq!(args.variables().unwrap(), [("redis_url".to_owned(), "redis://h/?a=b".to_owned())]);
    }

    #[test]
    fn a_variable_without_a_value_is_refused_and_not_repeated() {
        let args = Args::try_parse_from(["dev-host", "--variable", "redis://:secret@h"]).unwrap();
        assert_eq!(args.variables().unwrap_err().to_string(), "--variable expects NAME=VALUE");
    }

    #[test]
    fn a_folder_means_the_manifest_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let args = Args::try_parse_from(["dev-host", "--from", folder.path().to_str().unwrap()]).unwrap();
        assert_eq!(args.manifest_path(), folder.path().join("spin.toml"));
    }
}
