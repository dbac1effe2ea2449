use clap::Args;
use email_queue::{
    State,
    transition::{self, What},
};

use crate::{
    bulk::{Action, Bulk},
    context::Context,
    exit::Exit,
};

/// Give up emails for good: dead letters, and those that no worker has claimed.
///
/// They are deleted.
#[derive(Args)]
pub(crate) struct Discard {
    #[command(flatten)]
    bulk: Bulk,
}

impl Discard {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let action = Action {
            done: "discarded",
            rule: "only what has failed, or no worker has claimed, can be discarded",
            what: Some(What::Discard),
            states: &[State::Queued, State::Scheduled, State::Delayed, State::Failed],
            sends_again: false,
        };
        self.bulk.run(context, action, transition::discard).await
    }
}
