//! From settings to a running worker.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use email_queue::Shard;
use futures_util::{StreamExt, stream::FuturesUnordered};
use redis_connection::RedisServer;
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

use crate::{
    Config,
    admin::Admin,
    drained::Drained,
    health::{Health, Phase},
    hold_off::HoldOff,
    memory::Memory,
    metrics::Metrics,
    nodes::Nodes,
    permits::Permits,
    preflight,
    queue_client::{QueueClient, worker_id},
    run_error::RunError,
    running::Running,
    served_shard::ServedShard,
    shared::Shared,
    transport::{Transport, TransportConfig},
};

/// How long a worker that starts waits for the other shards of a queue when it has checked one. The rest is served later.
const PATIENCE: Duration = Duration::from_secs(5);

/// A worker that has not started.
pub struct Worker {
    shared: Arc<Shared>,
    shards: Vec<Arc<ServedShard>>,
    admin: Option<Admin>,
}

impl Worker {
    /// Opens what the settings name on this machine: a directory, a file of certificates. It does not connect. Must be
    /// called within a tokio runtime. With [`Config::admin_listen`] it listens from then on.
    ///
    /// # Errors
    /// A setting is invalid, independently of Redis and the relay.
    pub async fn build(config: Config) -> Result<Self, RunError> {
        let transport = Transport::open(&config.transport)
            .await
            .map_err(|error| RunError::Transport(config.transport.to_string(), error))?;
        let server =
            RedisServer::new(config.redis.clone(), config.redis_files.clone()).map_err(RunError::RedisSetup)?;
        let admin = match config.admin_listen {
            Some(address) => Some(Admin::listen(address).await.map_err(|error| RunError::AdminListen(address, error))?),
            None => None,
        };
        let (nodes, worker) = (Arc::new(Nodes::new(server)), worker_id());
        let metrics = Arc::new(Metrics::new(&config.transport.to_string(), config.shards.count()));
        let client = |shard| QueueClient::new(config.shards.queue(shard), &worker, &nodes, &metrics);
        let clients: Vec<_> = config.shards.all().map(client).collect();
        let first = clients.first().cloned().unwrap_or_else(|| client(Shard::FIRST));
        let shared = Arc::new(Shared {
            nodes: Arc::clone(&nodes),
            first,
            transport,
            hold_off: HoldOff::new(&config),
            probe: Arc::default(),
            memory: Memory::new(config.max_memory),
            permits: Permits::new(config.concurrency, clients.len()),
            drained: Drained::new(clients.len()),
            health: Health::new(config.health_file.clone()),
            metrics,
            clients,
            started: Instant::now(),
            config,
        });
        let shards = shared.config.shards.all().zip(&shared.clients);
        let shards = shards.map(|(shard, client)| Arc::new(ServedShard::new(&shared, shard, client.clone())));
        Ok(Self { shards: shards.collect(), shared, admin })
    }

    /// Where the server for metrics and health checks listens, if there is one.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::address)
    }

    /// Waits for Redis, however long that takes, checks it, and starts to deliver. On a cluster it waits for one shard at
    /// least; those that do not answer within five seconds are served when they do.
    ///
    /// When the future is dropped, nothing has started.
    ///
    /// # Errors
    /// Redis refuses this worker, or lacks what it needs.
    pub async fn start(self) -> Result<Running, RunError> {
        let Self { shared, shards, admin } = self;
        let admin = admin.map(|admin| {
            tracing::info!(address = %admin.address(), "serving /metrics, /healthz and /readyz");
            AbortOnDropHandle::new(tokio::spawn(admin.serve(Arc::clone(&shared), shards.clone())))
        });
        shared.health.write_during(check(&shards)).await?;
        let learned = shared.hold_off.begin(&shared.first).await;
        if let (Some(limit), Some(_)) = (shared.transport.connection_limit(), learned) {
            limit.set(learned);
        }
        tracing::info!(
            queue = shared.first.queue.name(),
            shards = shards.len(),
            redis = %shared.config.redis,
            transport = %shared.config.transport,
            concurrency = shared.config.concurrency,
            worker = %shared.first.worker,
            "ready"
        );
        if matches!(shared.config.transport, TransportConfig::Log | TransportConfig::Null) {
            tracing::warn!(transport = %shared.config.transport, "this transport sends nothing: emails are discarded and count as sent");
        }
        shared.health.enter(Phase::Working);
        Ok(Running::spawn(&shared, shards, admin))
    }
}

/// Checks the shards at the same time. Returns when all are checked, or when one is and the others have had time enough.
async fn check(shards: &[Arc<ServedShard>]) -> Result<(), RunError> {
    let never = CancellationToken::new();
    let mut checks: FuturesUnordered<_> = shards.iter().map(|shard| preflight::check(shard, &never)).collect();
    let patience = sleep(PATIENCE);
    tokio::pin!(patience);
    loop {
        tokio::select! {
            checked = checks.next() => match checked {
                Some(checked) => checked?,
                None => return Ok(()),
            },
            () = &mut patience, if checks.len() < shards.len() => {
                for shard in shards.iter().filter(|shard| !shard.checked.is_cancelled()) {
                    tracing::warn!(queue = shard.client.queue.name(), "this shard does not answer; it is served when it does");
                }
                return Ok(());
            }
        }
    }
}
