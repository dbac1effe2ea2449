//! Says of deliveries that take long that they do: to whoever reads the log, and to whoever looks the email up.

use std::time::Duration;

use email_queue::transition::note_slow;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::shared::Shared;

/// What takes longer is said.
const LONG: Duration = Duration::from_secs(30);

/// How often is looked.
const PAUSE: Duration = Duration::from_secs(5);

/// Runs until `stop`.
pub(crate) async fn tell_of_slow(shared: &Shared, stop: &CancellationToken) {
    loop {
        tokio::select! {
            () = sleep(PAUSE) => {}
            () = stop.cancelled() => return,
        }
        let slow = shared.in_flight.slow(LONG);
        if slow.is_empty() {
            continue;
        }
        for claim in &slow {
            tracing::warn!(id = %claim.id, "a delivery takes longer than {}s and is still in progress", LONG.as_secs());
        }
        let text = format!("in progress for longer than {} s", LONG.as_secs());
        let call = note_slow(&shared.client.queue, &shared.client.worker, &slow, &text);
        if let Err(error) = call.run(&shared.client.redis).await {
            shared.client.redis.report("note_slow", &error, 0);
        }
    }
}
