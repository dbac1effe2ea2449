//! Shares the limit of connections to the relay, which one worker learns and all keep.

use email_queue::transition::relay::set_connection_limit;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// Writes each change of the limit to Redis, for other workers, until `stop`.
pub(crate) async fn share(shared: &Shared, stop: &CancellationToken) {
    let Some(limit) = shared.transport.connection_limit() else { return };
    let mut changes = limit.subscribe();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = stop.cancelled() => return,
        }
        let learned = *changes.borrow_and_update();
        let call = set_connection_limit(&shared.first.queue, shared.hold_off.relay(), learned);
        shared.first.redis.tried(&call).await.ok();
    }
}
