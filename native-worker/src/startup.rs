//! From settings to a running worker.

use std::sync::{Arc, atomic::AtomicBool};

use email_queue::setup::set_default_sender;
use redis_connection::RedisServer;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    Config,
    blocking::BlockedClient,
    clock::Clock,
    health::Health,
    hold_off::HoldOff,
    in_flight::InFlight,
    memory::Memory,
    preflight,
    queue_client::QueueClient,
    run_error::RunError,
    running::Running,
    shared::Shared,
    shared_connection::SharedConnection,
    transport::{Transport, TransportConfig},
};

/// A worker that has not started.
pub struct Worker {
    shared: Arc<Shared>,
}

impl Worker {
    /// Opens what the settings name on this machine: a directory, a file of certificates. It does not connect. Must be
    /// called within a tokio runtime.
    ///
    /// # Errors
    /// A setting is invalid, independently of Redis and the relay.
    pub async fn build(config: Config) -> Result<Self, RunError> {
        let transport = Transport::open(&config.transport)
            .await
            .map_err(|error| RunError::Transport(config.transport.to_string(), error))?;
        let server =
            RedisServer::new(config.redis.clone(), config.redis_files.clone()).map_err(RunError::RedisSetup)?;
        let (server, reachability) = (Arc::new(server), Arc::default());
        let connection = || SharedConnection::new(Arc::clone(&server), Arc::clone(&reachability));
        let shared = Shared {
            client: QueueClient::new(config.queue.clone(), connection()),
            emails: connection(),
            transport,
            hold_off: HoldOff::new(&config),
            in_flight: InFlight::default(),
            memory: Memory::new(config.max_memory),
            clock: Clock::default(),
            health: Health::new(config.health_file.clone()),
            blocked: BlockedClient::default(),
            permits: Arc::new(Semaphore::new(config.concurrency)),
            saturated: AtomicBool::new(false),
            config,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Waits for Redis, however long that takes, checks it, and starts to deliver.
    ///
    /// When the future is dropped, nothing has started.
    ///
    /// # Errors
    /// Redis refuses this worker, or lacks what it needs.
    pub async fn start(self) -> Result<Running, RunError> {
        let Self { shared } = self;
        shared.health.write_during(preflight::check(&shared, &CancellationToken::new())).await?;
        announce_default_sender(&shared).await;
        let learned = shared.hold_off.begin(&shared.client).await;
        if let (Some(limit), Some(_)) = (shared.transport.connection_limit(), learned) {
            limit.set(learned);
        }
        tracing::info!(
            queue = shared.client.queue.name(),
            redis = %shared.config.redis,
            transport = %shared.config.transport,
            concurrency = shared.config.concurrency,
            worker = shared.client.worker,
            "ready"
        );
        if matches!(shared.config.transport, TransportConfig::Log | TransportConfig::Null) {
            tracing::warn!(transport = %shared.config.transport, "this transport sends nothing: emails are discarded and count as sent");
        }
        Ok(Running::spawn(&shared))
    }
}

/// Lets the API show who sends emails without a sender. If it fails, the API shows the built-in sender.
async fn announce_default_sender(shared: &Shared) {
    let Config { queue, default_from, .. } = &shared.config;
    if let Err(error) = set_default_sender(queue, default_from).run(&shared.client.redis).await {
        tracing::debug!(%error, "the default sender cannot be announced");
    }
}
