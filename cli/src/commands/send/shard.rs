//! Which shard an email goes to: that which decides whether it was sent before.

use email_queue::{
    Shard, Shards,
    transition::{Idempotency, move_key},
};

use crate::{
    context::{Context, Unusable},
    redis_client::Unanswered,
};

/// The shards before their number was changed, by the same rule as in the API.
pub(super) fn earlier(count: Option<u16>, shards: &Shards) -> Result<Option<Shards>, Unusable> {
    let given = count.filter(|count| shards.count() > 1 && *count != shards.count());
    let earlier = given.map(|count| Shards::new(shards.first().clone(), count)).transpose();
    earlier.map_err(|error| Unusable(format!("--earlier-shards: {error}")))
}

/// The shard of an email, among those in which it may have been sent.
pub(super) async fn home<'a>(
    context: &'a Context,
    key: &Idempotency,
    earlier: Option<&'a Shards>,
) -> Result<(&'a Shards, Shard), Unanswered> {
    let shards = &context.shards;
    let shard = key.shard(shards);
    if let Some(earlier) = earlier {
        let before = key.shard(earlier);
        if before != shard && context.run(&move_key(&earlier.queue(before), key)).await? {
            return Ok((earlier, before));
        }
    }
    Ok((shards, shard))
}
