//! Reports deliveries that take long: in the log, and in the email's record.

use std::time::Duration;

use email_queue::transition::mark_slow;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::served_shard::ServedShard;

/// Deliveries that take longer are reported.
const LONG: Duration = Duration::from_secs(30);

/// How often deliveries are checked.
const PAUSE: Duration = Duration::from_secs(5);

/// Runs until `stop`.
pub(crate) async fn report_slow(shard: &ServedShard, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = stop.cancelled() => return,
        }
        let slow = shard.in_flight.slow(LONG);
        if slow.is_empty() {
            continue;
        }
        for claim in &slow {
            tracing::warn!(id = %claim.id, "a delivery takes longer than {}s and is still in progress", LONG.as_secs());
        }
        let text = format!("in progress for longer than {} s", LONG.as_secs());
        let call = mark_slow(&shard.client.queue, &shard.client.worker, &slow, &text);
        shard.client.redis.tried(&call).await.ok();
    }
}
