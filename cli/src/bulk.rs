//! Changes of emails that are named, or of all that match.

mod action;
mod all;
mod named;
pub(crate) mod twice;

use clap::Args;
use email_queue::{Class, EmailId, Queue, State, call::Call, transition::Changed};

pub(crate) use self::action::Action;
use self::all::All;
use crate::{context::Context, exit::Exit, filter};

/// Which emails to change.
#[derive(Args)]
#[group(required = true, multiple = true)]
pub(crate) struct Chosen {
    /// Their ids.
    #[arg(value_name = "ID", conflicts_with = "status")]
    ids: Vec<EmailId>,

    /// All emails in this state.
    #[arg(long, value_name = "STATE", value_parser = filter::state)]
    status: Option<State>,
}

/// Flags of all changes.
#[derive(Args)]
pub(crate) struct Bulk {
    #[command(flatten)]
    chosen: Chosen,

    /// Of these only those whose last failure is of this class, such as recipient or timeout.
    #[arg(long, value_name = "CLASS", requires = "status", value_parser = filter::class)]
    class: Option<Class>,

    /// Change nothing, and say how many emails it would be.
    #[arg(long, requires = "status")]
    dry_run: bool,

    /// Do not ask before all that match are changed. Emails that are named by their ids are changed without a question.
    #[arg(long, short)]
    yes: bool,
}

impl Bulk {
    /// Does it.
    pub(crate) async fn run(
        self,
        context: &Context,
        action: Action,
        call: impl Fn(&Queue, EmailId) -> Call<Changed>,
    ) -> anyhow::Result<Exit> {
        match self.chosen.status {
            None => named::change(context, &self.chosen.ids, &action, call).await,
            Some(state) => {
                let all = All { state, class: self.class, is_dry: self.dry_run, is_sure: self.yes };
                all.change(context, &action, call).await
            }
        }
    }
}
