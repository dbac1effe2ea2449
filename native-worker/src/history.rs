//! Adds to the history of a shard: samples of its counters, and how long emails took.

use email_queue::maintenance::{SAMPLES_APART, sample};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::served_shard::ServedShard;

/// Runs until `stop`, and adds the rest then.
pub(crate) async fn add_on(shard: &ServedShard, stop: &CancellationToken) {
    let mut failures = 0;
    loop {
        let is_last = stop.is_cancelled();
        let latencies = shard.latencies.take();
        if is_last && latencies.is_empty() {
            return;
        }
        match sample(&shard.client.queue, SAMPLES_APART, &latencies).run(&shard.client.redis).await {
            Ok(()) => failures = 0,
            Err(error) => {
                shard.client.redis.report("sample", &error, failures);
                failures += 1;
                shard.latencies.put_back(latencies);
            }
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
