//! The commands, one file each.

mod cancel;
mod completions;
mod discard;
mod doctor;
mod export;
mod list;
mod move_to;
mod pause;
mod resume;
mod retry;
mod send;
mod show;
mod stats;
mod top;
mod why;
mod workers;

use clap::Subcommand;

use crate::{context::Context, exit::Exit, shards};

/// What to do.
#[derive(Subcommand)]
pub(crate) enum Command {
    // In the order of `--help`: to look, to steer, to hand in, to check.
    Stats(stats::Stats),
    Top(top::Top),
    List(list::List),
    Show(show::Show),
    Why(why::Why),
    Workers(workers::Workers),
    Retry(retry::Retry),
    Discard(discard::Discard),
    Cancel(cancel::Cancel),
    Move(move_to::Move),
    Pause(pause::Pause),
    Resume(resume::Resume),
    Send(send::Send),
    Export(export::Export),
    Doctor(doctor::Doctor),
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
    let shows_emails = command.shows_emails();
    let exit = match command {
        Command::Stats(stats) => stats.run(context).await,
        Command::Workers(workers) => workers.run(context).await,
        Command::List(list) => list.run(context).await,
        Command::Show(show) => show.run(context).await,
        Command::Why(why) => why.run(context).await,
        Command::Retry(retry) => retry.run(context).await,
        Command::Cancel(cancel) => cancel.run(context).await,
        Command::Discard(discard) => discard.run(context).await,
        Command::Pause(pause) => pause.run(context).await,
        Command::Resume(resume) => resume.run(context).await,
        Command::Doctor(doctor) => doctor.run(context).await,
        Command::Top(top) => top.run(context).await,
        Command::Move(moved) => moved.run(context).await,
        Command::Send(send) => send.run(context).await,
        Command::Export(export) => export.run(context).await,
        // It needs no queue, and is done when flags are read.
        Command::Completions { .. } => Ok(Exit::Done),
    }?;
    if shows_emails {
        shards::remark(context).await;
    }
    Ok(exit)
}

impl Command {
    /// Whether it shows what there is, of which shards that it was not told of may have more. Those that change something see to
    /// it themselves.
    fn shows_emails(&self) -> bool {
        matches!(
            self,
            Self::Stats(_) | Self::Workers(_) | Self::List(_) | Self::Show(_) | Self::Why(_) | Self::Export(_)
        )
    }
}
