use clap::Args;
use email_queue::Lane;

use crate::{context::Context, exit::Exit, filter, shards, state};

/// Pause the queue or lanes of it: no more of their emails are handed out.
///
/// What is in flight is delivered, and emails are accepted as before.
#[derive(Args)]
pub(crate) struct Pause {
    /// Only this lane: high, normal or low. May be repeated.
    #[arg(long, value_name = "LANE", value_parser = filter::lane)]
    lane: Vec<Lane>,
}

impl Pause {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        shards::require_all(context, &context.shards).await?;
        state::pause(context, &self.lane).await?;
        Ok(Exit::Done)
    }
}
