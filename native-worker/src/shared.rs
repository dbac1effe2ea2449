//! What the tasks of a worker share.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use tokio::sync::Semaphore;

use crate::{
    Config, blocking::Waiting, clock::Clock, connection::Connection, hold_off::HoldOff, in_flight::InFlight,
    memory::Memory, queue_client::QueueClient, transport::Transport,
};

/// No claim is to keep the line to Redis busy for longer, nor for longer than a sixth of the lease.
const TRANSFER: Duration = Duration::from_secs(2);

pub(crate) struct Shared {
    pub(crate) config: Config,
    /// Carries what is small, and must not wait behind emails: the lease above all.
    pub(crate) client: QueueClient,
    /// Carries claims, and so emails.
    pub(crate) emails: Connection,
    pub(crate) transport: Transport,
    pub(crate) hold_off: HoldOff,
    pub(crate) in_flight: InFlight,
    /// What emails may take of it.
    pub(crate) memory: Memory,
    pub(crate) clock: Clock,
    pub(crate) waiting: Waiting,
    pub(crate) permits: Arc<Semaphore>,
    /// Whether the fetcher waits for a permit. Then whoever is done with emails claims the next ones in their place.
    pub(crate) saturated: AtomicBool,
}

impl Shared {
    /// How many bytes of email to claim in one call.
    pub(crate) fn bytes_at_once(&self) -> usize {
        self.emails.pace.bytes_in(TRANSFER.min(self.config.lease / 6))
    }
}
