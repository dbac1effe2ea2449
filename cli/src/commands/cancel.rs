use std::time::Duration;

use clap::Args;
use email_queue::{State, transition};

use crate::{
    bulk::{Action, Bulk},
    context::Context,
    exit::Exit,
};

/// Cancel emails that no worker has claimed: queued, scheduled or delayed.
///
/// Their records are kept for the retention.
#[derive(Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    bulk: Bulk,

    /// How long they are kept, unless they have their own retention.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = humantime::parse_duration)]
    retention: Duration,
}

impl Cancel {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let action = Action {
            done: "canceled",
            rule: "only what is queued, scheduled or delayed can be canceled",
            what: None,
            states: &[State::Queued, State::Scheduled, State::Delayed],
            sends_again: false,
        };
        let retention = self.retention;
        self.bulk.run(context, action, |queue, id| transition::cancel(queue, id, retention)).await
    }
}
