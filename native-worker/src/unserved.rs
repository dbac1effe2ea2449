//! Notices emails in a shard that the worker does not serve: the API has been given more shards than it.

use std::time::Duration;

use email_queue::query::depth;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{queue_client::QueueClient, shared::Shared};

/// How often the worker looks.
const PAUSE: Duration = Duration::from_secs(30);

/// Looks at the shard behind the last one until `stop`. An API with more shards posts to that one as often as to any other.
///
/// Does nothing for a queue that cannot have more shards.
pub(crate) async fn watch_on(shared: &Shared, stop: &CancellationToken) {
    let Some(queue) = shared.config.shards.beyond() else { return };
    let client = QueueClient::new(queue, &shared.first.worker, &shared.nodes, &shared.metrics);
    let queue = client.queue.name();
    let mut waits = false;
    loop {
        match depth(&client.queue).run(&client.redis).await {
            Ok(depth) if depth.is_drained() => {
                if waits {
                    tracing::info!(queue, "no email waits any more in the shard that this worker does not serve");
                }
                waits = false;
            }
            Ok(_) => {
                if !waits {
                    tracing::warn!(
                        queue,
                        shards = shared.config.shards.count(),
                        "emails wait in a shard that this worker does not serve; unless another worker does, start it with as \
                         many --shards as the API has"
                    );
                }
                waits = true;
            }
            // A user of Redis may lack the right to read this shard.
            Err(error) => tracing::debug!(queue, %error, "cannot look for emails in the shard behind the last one"),
        }
        shared.metrics.set_too_few_shards(waits);
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = stop.cancelled() => return,
        }
    }
}
