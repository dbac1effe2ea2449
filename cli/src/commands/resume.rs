use clap::Args;
use email_queue::Lane;

use crate::{context::Context, exit::Exit, filter, shards, state};

/// Resume the queue, or lanes of it.
#[derive(Args)]
pub(crate) struct Resume {
    /// Only this lane: high, normal or low. May be repeated.
    #[arg(long, value_name = "LANE", value_parser = filter::lane)]
    lane: Vec<Lane>,
}

impl Resume {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        shards::require_all(context, &context.shards).await?;
        state::resume(context, &self.lane).await?;
        Ok(Exit::Done)
    }
}
