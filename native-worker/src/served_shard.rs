//! What a worker has for each shard of the queue.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use email_queue::Shard;
use tokio_util::sync::CancellationToken;

use crate::{
    blocking::BlockedClient, clock::Clock, in_flight::InFlight, latencies::Latencies, queue_client::QueueClient,
    shared::Shared,
};

/// The longest time for which a claim may keep the connection to Redis busy; a sixth of the lease if that is less.
const MAX_TRANSFER: Duration = Duration::from_secs(2);

/// A shard, and what of it is in flight.
pub(crate) struct ServedShard {
    /// What there is once for all shards.
    pub(crate) shared: Arc<Shared>,
    pub(crate) shard: Shard,
    pub(crate) client: QueueClient,
    pub(crate) in_flight: InFlight,
    pub(crate) clock: Clock,
    pub(crate) latencies: Latencies,
    pub(crate) blocked: BlockedClient,
    /// Whether the loop waits for a permit. Then the completer claims the next emails.
    pub(crate) saturated: AtomicBool,
    /// Whether the last claim brought as many as it asked for, so that more may wait. Then of several shards, too, the completer
    /// claims the next, with the permits that it has: given back they would go from shard to shard one by one.
    pub(crate) has_more: AtomicBool,
    /// Cancelled when Redis has been checked: the shard is served from then on.
    pub(crate) checked: CancellationToken,
}

impl ServedShard {
    /// `client` is a client of that shard.
    pub(crate) fn new(shared: &Arc<Shared>, shard: Shard, client: QueueClient) -> Self {
        Self {
            shared: Arc::clone(shared),
            shard,
            client,
            in_flight: InFlight::default(),
            clock: Clock::default(),
            latencies: Latencies::default(),
            blocked: BlockedClient::default(),
            saturated: AtomicBool::new(false),
            has_more: AtomicBool::new(false),
            checked: CancellationToken::new(),
        }
    }

    /// Waits until Redis has been checked. False when `stop` comes first.
    pub(crate) async fn is_checked(&self, stop: &CancellationToken) -> bool {
        tokio::select! {
            () = self.checked.cancelled() => true,
            () = stop.cancelled() => false,
        }
    }

    /// Its place among all.
    pub(crate) fn index(&self) -> usize {
        usize::from(self.shard.number())
    }

    /// Whether there is no other shard. If there is, a shard holds neither permits nor memory while it waits for its node: they
    /// are the others' as well.
    pub(crate) fn is_alone(&self) -> bool {
        self.shared.config.shards.count() == 1
    }

    /// How many bytes of email to claim in one call.
    pub(crate) fn bytes_at_once(&self) -> usize {
        self.client.emails.bytes_in(MAX_TRANSFER.min(self.shared.config.lease / 6))
    }
}
