//! What the tasks of a worker share.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{
    Config, blocking::BlockedClient, clock::Clock, health::Health, hold_off::HoldOff, in_flight::InFlight,
    memory::Memory, queue_client::QueueClient, shared_connection::SharedConnection, transport::Transport,
};

/// The longest time for which a claim may keep the connection to Redis busy; a sixth of the lease if that is less.
const MAX_TRANSFER: Duration = Duration::from_secs(2);

pub(crate) struct Shared {
    pub(crate) config: Config,
    /// For calls that are small and must not wait behind emails: the lease above all.
    pub(crate) client: QueueClient,
    /// For calls that bring emails.
    pub(crate) emails: SharedConnection,
    pub(crate) transport: Transport,
    pub(crate) hold_off: HoldOff,
    pub(crate) in_flight: InFlight,
    /// The memory for emails.
    pub(crate) memory: Memory,
    pub(crate) clock: Clock,
    pub(crate) health: Health,
    pub(crate) blocked: BlockedClient,
    pub(crate) permits: Arc<Semaphore>,
    /// Whether the loop waits for a permit. Then the completer claims the next emails.
    pub(crate) saturated: AtomicBool,
}

impl Shared {
    /// How many bytes of email to claim in one call.
    pub(crate) fn bytes_at_once(&self) -> usize {
        self.emails.throughput.bytes_in(MAX_TRANSFER.min(self.config.lease / 6))
    }
}
