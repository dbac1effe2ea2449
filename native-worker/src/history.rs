//! Adds to the history of a shard: samples of its counters, and how long emails took.

use email_queue::maintenance::{SAMPLES_APART, sample};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::served_shard::ServedShard;

/// How many times in a row an idle worker leaves it out: it must not keep Redis busy.
const IDLE: u32 = 5;

/// Runs until `stop`, and adds the rest then. While no deliveries end, only every minute.
pub(crate) async fn add_on(shard: &ServedShard, stop: &CancellationToken) {
    let (mut failures, mut left_out) = (0, IDLE);
    loop {
        let is_last = stop.is_cancelled();
        let any_ended = shard.latencies.any_ended();
        if any_ended || failures > 0 || (left_out == IDLE && !is_last) {
            left_out = 0;
            add(shard, &mut failures).await;
        } else {
            left_out += 1;
        }
        if is_last {
            return;
        }
        tokio::select! {
            () = sleep(SAMPLES_APART) => {}
            () = stop.cancelled() => {}
        }
    }
}

async fn add(shard: &ServedShard, failures: &mut u32) {
    let latencies = shard.latencies.take();
    match shard.client.redis.tried(&sample(&shard.client.queue, SAMPLES_APART, &latencies)).await {
        Ok(()) => *failures = 0,
        Err(_) => {
            *failures += 1;
            shard.latencies.put_back(latencies);
        }
    }
}
