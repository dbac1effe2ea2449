use clap::Args;
use email_queue::{Lane, transition};

use crate::{context::Context, exit::Exit, filter, shards, state};

/// Pause the queue or lanes of it: no more of their emails are handed out. What is in flight is delivered, and emails are accepted
/// as before.
#[derive(Args)]
pub(crate) struct Pause {
    /// Only this lane: high, normal or low. May be repeated.
    #[arg(long, value_name = "LANE", value_parser = filter::lane)]
    lane: Vec<Lane>,
}

impl Pause {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<Exit> {
        shards::require_all(context, &context.shards).await?;
        let mut pauses = Vec::new();
        for shard in context.shards.all() {
            pauses = context.run(&transition::pause(&context.shards.queue(shard), &self.lane)).await?;
        }
        state::tell_paused(context, &pauses)?;
        state::remark_if_unused(context, &state::stats(context).await?);
        Ok(Exit::Done)
    }
}
