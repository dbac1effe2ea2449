//! Maintenance of the queue: emails whose time has come, and what dead workers have left behind.

use std::time::Duration;

use email_queue::{
    call::CallError,
    maintenance::{Maintained, Watch, maintain, watch},
};
use redis::RedisError;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{shared::Shared, shared_connection::RECONNECT};

/// How often a worker checks whether something is due, unless there is more to do at once. All workers check; one gets the
/// lock.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until `stop`.
pub(crate) async fn maintain_on(shared: &Shared, stop: &CancellationToken) {
    let mut failures = 0;
    loop {
        // Here, as this loop waits for nothing without end: it turns also while Redis is unreachable or the relay is held off.
        shared.health.write().await;
        let pause = match maintain_if_due(shared).await {
            Ok(maintained) => {
                failures = 0;
                log(&maintained);
                if maintained.more { Duration::ZERO } else { PAUSE }
            }
            Err(error) => {
                shared.client.redis.report("maintenance", &error, failures);
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
async fn maintain_if_due(shared: &Shared) -> Result<Maintained, CallError<RedisError>> {
    let (redis, queue) = (&shared.client.redis, &shared.client.queue);
    let Watch { maintenance_is_due, any_held_off } = watch(queue).run(redis).await?;
    if any_held_off {
        shared.hold_off.refresh_soon();
    }
    if maintenance_is_due { maintain(redis, queue, shared.config.maintenance).await } else { Ok(Maintained::default()) }
}

fn log(maintained: &Maintained) {
    let &Maintained { recovered, requeued, dead_lettered, .. } = maintained;
    if recovered + requeued > 0 {
        tracing::warn!(recovered, requeued, "requeued emails of workers that died or lost Redis");
    }
    if dead_lettered > 0 {
        tracing::error!(dead_lettered, "emails with which too many workers died are dead letters now");
    }
    if maintained.locked {
        tracing::debug!(?maintained, "maintained the queue");
    }
}
