//! Notices that the queue has more shards than `--shards` says: what is shown is a part then, and what is done is done to a part.

use std::fmt;

use email_queue::{
    Queue, Shards,
    query::{InUse, in_use},
};

use crate::{
    context::{Context, Unusable},
    output,
};

/// Shards that `--shards` leaves out.
pub(crate) struct LeftOut {
    /// The first of them.
    queue: Queue,
    found: InUse,
    /// What `--shards` says.
    told: u16,
    /// How many there are at least.
    count: u16,
}

/// Looks at the shard behind the last one: a queue with more shards uses that one as often as any other. `None` also where it cannot
/// be asked, as a user of Redis may lack the right to.
pub(crate) async fn left_out(context: &Context, told: &Shards) -> Option<LeftOut> {
    let (queue, found) = behind(context, told).await?;
    let mut shards = more(told)?;
    while behind(context, &shards).await.is_some() {
        let Some(next) = more(&shards) else { break };
        shards = next;
    }
    Some(LeftOut { queue, found, told: told.count(), count: shards.count() })
}

/// The shard behind the last one, if it is in use.
async fn behind(context: &Context, shards: &Shards) -> Option<(Queue, InUse)> {
    let queue = shards.beyond()?;
    let found = context.run(&in_use(&queue)).await.ok()?;
    (found.has_emails || found.has_workers).then_some((queue, found))
}

/// With one more.
fn more(shards: &Shards) -> Option<Shards> {
    Shards::new(shards.first().clone(), shards.count() + 1).ok()
}

/// Refuses to change a part of a queue that is meant as a whole, if there are more than these shards.
///
/// # Errors
/// [`Unusable`], with the way out.
pub(crate) async fn require_all(context: &Context, told: &Shards) -> Result<(), Unusable> {
    match left_out(context, told).await {
        Some(left_out) => Err(Unusable(format!("{left_out}. Nothing was done: {}", left_out.way_out()))),
        None => Ok(()),
    }
}

/// Says of what is shown that it is a part, if it is.
pub(crate) async fn remark(context: &Context) {
    if let Some(left_out) = left_out(context, &context.shards).await {
        output::remark(&format!("This is a part of the queue: {left_out}; {}.", left_out.way_out()));
    }
}

impl LeftOut {
    pub(crate) fn way_out(&self) -> String {
        format!("give --shards {}, or EMAIL_QUEUE_SHARDS, as the workers have it", self.count)
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { queue, found, told, count } = self;
        let what = match found {
            InUse { has_emails: true, has_workers: true } => "has emails, and a worker serves it",
            InUse { has_emails: true, has_workers: false } => "has emails",
            InUse { .. } => "is served by a worker",
        };
        write!(f, "there are at least {count} shards, and emailq was told of {told}: {} {what}", queue.name())
    }
}
