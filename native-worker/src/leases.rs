//! Renews the lease of what is in flight, and with it shows that the worker is alive.

use std::time::Duration;

use email_queue::{
    setup::{StartedWith, describe_worker},
    transition::extend,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{queue_client, served_shard::ServedShard};

/// Runs until `stop`: three times per lease, so that two calls in a row may fail.
///
/// A lease that was lost does not end the delivery, which may be almost done: Redis accepts its outcome unless another
/// worker has claimed the email since.
pub(crate) async fn renew(shard: &ServedShard, stop: &CancellationToken) {
    let lease = shard.shared.config.lease;
    loop {
        let claims = shard.in_flight.claims();
        // A reply that is still arriving may bring emails that are not tracked yet.
        let untracked = lease + shard.client.emails.oldest_transfer();
        let extend = extend(&shard.client.queue, &shard.client.worker, lease, untracked, &claims);
        let pause = match shard.client.redis.tried(&extend).await {
            Ok(extended) => {
                shard.clock.set(extended.now);
                if !extended.is_described {
                    describe(shard, lease).await;
                }
                for (claim, renewed) in claims.into_iter().zip(extended.in_flight) {
                    if !renewed && shard.in_flight.lose(claim) {
                        tracing::warn!(id = %claim.id, "the lease expired before it was renewed; another worker may send this email too");
                    }
                }
                lease / 3
            }
            Err(_) => (lease / 10).min(Duration::from_secs(1)),
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Stores what the worker was started with: at the start, and if Redis has lost it.
async fn describe(shard: &ServedShard, lease: Duration) {
    let (client, shared) = (&shard.client, &shard.shared);
    let with = StartedWith {
        host: &queue_client::host(),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION"),
        age: shared.started.elapsed(),
        concurrency: shared.config.concurrency,
        shards: shared.config.shards.count(),
        relays: &[shared.hold_off.relay()],
    };
    client.redis.tried(&describe_worker(&client.queue, &client.worker, lease, with)).await.ok();
}
