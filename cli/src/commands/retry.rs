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

/// Send emails again that have failed, or that wait for another attempt.
///
/// They are queued at once, and their retry period begins anew. Recipients that are known to have accepted an email do not get it
/// again. Where the answer of the relay was lost, as of the class unknown, nobody knows: the email may arrive twice.
#[derive(Args)]
pub(crate) struct Retry {
    #[command(flatten)]
    bulk: Bulk,
}

impl Retry {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let action = Action {
            done: "retried",
            rule: "only what has failed or waits for another attempt can be retried",
            what: Some(What::Retry),
            states: &[State::Failed, State::Delayed],
            sends_again: true,
        };
        self.bulk.run(context, action, transition::retry).await
    }
}
