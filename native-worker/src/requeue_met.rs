//! Requeues emails of other shards than the first, which knows that they have met the failure of a relay.

use std::collections::HashMap;

use email_queue::{EmailId, Shard, transition::relay::requeue_met};
use futures_util::future::join_all;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Runs until `stop`. What cannot be requeued at once is tried again when its back-off is over.
pub(crate) async fn requeue_on(shared: &Shared, stop: &CancellationToken) {
    loop {
        let emails = tokio::select! {
            emails = shared.hold_off.met() => emails,
            () = stop.cancelled() => return,
        };
        let mut by_shard: HashMap<Shard, Vec<EmailId>> = HashMap::new();
        for id in emails {
            by_shard.entry(shared.config.shards.of(id)).or_default().push(id);
        }
        join_all(by_shard.iter().map(|(shard, emails)| requeue(shared, *shard, emails))).await;
    }
}

async fn requeue(shared: &Shared, shard: Shard, emails: &[EmailId]) {
    let Some(client) = shared.clients.get(usize::from(shard.number())) else { return };
    client.redis.tried(&requeue_met(&client.queue, emails)).await.ok();
}
