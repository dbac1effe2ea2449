//! The commands, one file each.

mod cancel;
mod completions;
mod discard;
mod export;
mod list;
mod retry;
mod send;

mod show;

use clap::Subcommand;

use crate::{context::Context, exit::Exit};

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    List(list::List),
    Show(show::Show),
    Retry(retry::Retry),
    Cancel(cancel::Cancel),
    Discard(discard::Discard),

    Send(send::Send),
    Export(export::Export),
    /// Print completions for a shell, such as `emailq completions bash > /etc/bash_completion.d/emailq`.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: completions::Shell,
    },
}

/// Runs a command.
///
/// # Errors
/// Redis cannot be reached or refuses; a file cannot be used; the output is closed.
pub(crate) async fn run(context: &mut Context, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::List(list) => list.run(context).await,
        Command::Show(show) => show.run(context).await,
        Command::Retry(retry) => retry.run(context).await,
        Command::Cancel(cancel) => cancel.run(context).await,
        Command::Discard(discard) => discard.run(context).await,
        Command::Send(send) => send.run(context).await,
        Command::Export(export) => export.run(context).await,
        // It needs no queue, and is done when flags are read.
        Command::Completions { .. } => Ok(Exit::Done),
    }
}
