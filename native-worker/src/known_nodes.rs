//! Keeps the addresses of a cluster's nodes up to date: nodes come and go while a worker runs.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// How often the nodes are asked for. The address of a new node is needed when an older one fails.
const PAUSE: Duration = Duration::from_secs(60);

/// Runs until `stop`. Does nothing unless Redis is a cluster.
pub(crate) async fn learn_on(shared: &Shared, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = stop.cancelled() => return,
        }
        if shared.nodes.are_a_cluster() {
            shared.nodes.learn_from(&shared.first.redis.route().node()).await;
        }
    }
}
