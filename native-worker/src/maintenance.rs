//! Maintenance of the queue: emails whose time has come, and what dead workers have left behind.

use std::time::Duration;

use email_queue::{
    call::CallError,
    maintenance::{Maintained, Watch, maintain, watch},
};
use redis::RedisError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{served_shard::ServedShard, shard_connection::RECONNECT};

/// How often a worker checks whether something is due, unless there is more to do at once. All workers check; one gets the
/// lock.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub(crate) async fn maintain_on(shard: &ServedShard, stop: &CancellationToken) {
    let mut failures = 0;
    loop {
        let pause = match maintain_if_due(shard).await {
            Ok(maintained) => {
                failures = 0;
                shard.client.redis.carried_out("maintenance");
                log(shard, &maintained);
                shard.shared.metrics.maintained(&maintained);
                if maintained.more { Duration::ZERO } else { PAUSE }
            }
            Err(error) => {
                shard.client.redis.report("maintenance", &error).await;
                failures += 1;
                PAUSE + RECONNECT.delay(failures)
            }
        };
        tokio::select! {
            () = sleep(pause) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// The check costs an idle Redis one command, maintenance about twenty.
async fn maintain_if_due(shard: &ServedShard) -> Result<Maintained, CallError<RedisError>> {
    let (redis, queue) = (&shard.client.redis, &shard.client.queue);
    let Watch { maintenance_is_due, any_held_off } = watch(queue).run(redis).await?;
    if any_held_off {
        shard.shared.hold_off.refresh_soon();
    }
    if maintenance_is_due {
        maintain(redis, queue, shard.shared.config.maintenance).await
    } else {
        Ok(Maintained::default())
    }
}

fn log(shard: &ServedShard, maintained: &Maintained) {
    let queue = shard.client.queue.name();
    let &Maintained { recovered, requeued, dead_lettered, .. } = maintained;
    if recovered + requeued > 0 {
        tracing::warn!(queue, recovered, requeued, "requeued emails of workers that died or lost Redis");
    }
    if dead_lettered > 0 {
        tracing::error!(queue, dead_lettered, "emails with which too many workers died are dead letters now");
    }
    if maintained.locked {
        tracing::debug!(queue, ?maintained, "maintained the queue");
    }
}
