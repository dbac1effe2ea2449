//! What a worker has once, for all shards.

use std::{sync::Arc, time::Instant};

use tokio::sync::Mutex;

use crate::{
    Config, drained::Drained, health::Health, hold_off::HoldOff, memory::Memory, metrics::Metrics, nodes::Nodes,
    permits::Permits, queue_client::QueueClient, transport::Transport,
};

pub(crate) struct Shared {
    pub(crate) config: Config,
    /// When the worker was started.
    pub(crate) started: Instant,
    /// The Redis servers that have the shards.
    pub(crate) nodes: Arc<Nodes>,
    /// Shard 0, which has what there is once for all: the state of relays and senders, the default sender.
    pub(crate) first: QueueClient,
    /// All shards, in order.
    pub(crate) clients: Vec<QueueClient>,
    pub(crate) transport: Transport,
    pub(crate) hold_off: HoldOff,
    /// Held by the shard that claims an email to probe the relay with, so that no other does as well.
    pub(crate) probe: Arc<Mutex<()>>,
    /// The memory for emails.
    pub(crate) memory: Memory,
    pub(crate) permits: Arc<Permits>,
    pub(crate) drained: Drained,
    pub(crate) health: Health,
    pub(crate) metrics: Arc<Metrics>,
}
