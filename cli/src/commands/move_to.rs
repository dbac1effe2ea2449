use clap::Args;
use email_queue::{
    Lane, State,
    transition::{self, What},
};

use crate::{
    bulk::{Action, Bulk},
    context::Context,
    exit::Exit,
    filter,
};

/// Move emails that wait to another lane, where they are behind the others.
#[derive(Args)]
pub(crate) struct Move {
    /// To this lane: high, normal or low.
    #[arg(long = "to", value_name = "LANE", value_parser = filter::lane)]
    to: Lane,

    #[command(flatten)]
    bulk: Bulk,
}

impl Move {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        let action = Action {
            done: "moved",
            rule: "only what is queued, scheduled or delayed can be moved",
            what: Some(What::Move(self.to)),
            states: &[State::Queued, State::Scheduled, State::Delayed],
            sends_again: false,
        };
        let lane = self.to;
        self.bulk.run(context, action, |queue, id| transition::move_to_lane(queue, id, lane)).await
    }
}
