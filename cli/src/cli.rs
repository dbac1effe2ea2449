//! Flags and environment variables.

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, error::ErrorKind};
use program::{QueueFlags, VERSION, generate::Generated};
use redis_connection::RedisFlags;

use crate::{
    commands::Command,
    context::Config,
    exit::EXIT_CODES,
    output::{Colour, Style},
};

/// What to do, and with which queue.
pub(crate) struct Settings {
    pub(crate) config: Config,
    pub(crate) command: Command,
}

/// See and steer an email queue, directly in its Redis.
///
/// Every flag of the queue and of Redis can also be set by the environment variable that its description names, as for the
/// worker; a flag wins. Passwords belong in the environment: other users of the machine can read flags.
#[derive(Parser)]
#[command(name = "emailq", version = VERSION, after_help = EXIT_CODES, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten, next_help_heading = "Redis")]
    redis: RedisFlags,

    #[command(flatten, next_help_heading = "Queue")]
    queue: QueueFlags,

    /// Print JSON for programs, with the names of the HTTP API.
    #[arg(long, help_heading = "Output")]
    json: bool,

    /// Whether to use colours: auto on a terminal, unless NO_COLOR is set.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t, help_heading = "Output")]
    color: Colour,

    /// Print a man page or completions, for packages.
    #[arg(long, hide = true, value_name = "WHAT")]
    generate: Option<Generated>,

    #[command(subcommand)]
    command: Option<Command>,
}

/// Reads flags and environment variables.
///
/// # Errors
/// The exit code, when a setting cannot be used, which was printed without a value that may be secret; or when something else was
/// asked for, such as `--version`, and is done.
pub(crate) fn read() -> Result<Settings, ExitCode> {
    let parsed = command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = parsed.map_err(|error| program::exit_with(&error))?;
    if let Some(generated) = cli.generate {
        return Err(generated.print(command()));
    }
    if let Some(Command::Completions { shell }) = &cli.command {
        return Err(shell.generated().print(command()));
    }
    settings(cli).map_err(|error| program::exit_with(&error))
}

/// With flags that can stand before the command and behind it.
fn command() -> clap::Command {
    Cli::command().mut_args(|arg| if arg.get_id() == "generate" { arg } else { arg.global(true) })
}

fn settings(cli: Cli) -> Result<Settings, clap::Error> {
    let invalid = |error: String| command().error(ErrorKind::ValueValidation, error);
    let missing =
        || command().error(ErrorKind::MissingSubcommand, "a command is missing, such as `emailq list`; see --help");
    let config = Config {
        redis: cli.redis.url().map_err(|error| invalid(error.to_string()))?,
        files: cli.redis.files(),
        shards: cli.queue.shards().map_err(|error| invalid(error.to_string()))?,
        style: Style { is_json: cli.json, colour: cli.color },
    };
    Ok(Settings { config, command: cli.command.ok_or_else(missing)? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

    use super::*;

    #[test]
    fn the_flags_are_well_formed_and_stand_before_the_command_or_behind_it() {
        command().debug_assert();
        for line in ["emailq --queue q --json list", "emailq list --queue q --json"] {
            let matches = command().try_get_matches_from(line.split(' ')).unwrap();
            let cli = Cli::from_arg_matches(&matches).unwrap();
            assert!(cli.json, "{line}");
            assert_eq!(cli.queue.shards().unwrap().first().name(), "q", "{line}");
        }
    }
}
