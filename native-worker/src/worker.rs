//! The life of a worker.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use email_queue::{
    redis::ping,
    transition::{ClaimRef, Depth, depth, release},
};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, interval, timeout, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    Config,
    blocking::Waiting,
    connection::Connection,
    dispatcher::Dispatcher,
    fetcher::{self, Ended},
    finisher::Finisher,
    in_hand::InHand,
    leases, preflight, sweeper,
    transport::{OpenError, Transport},
};

/// How long recording the last outcomes may take once all deliveries have ended.
const LAST_OUTCOMES: Duration = Duration::from_secs(2);

/// How long each step after that may take. With a grace of 25 seconds all is over within the 30 that Kubernetes gives.
const LAST_STEP: Duration = Duration::from_secs(1);

/// What a worker did in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Emails given back to the queue untouched, because the worker was stopped.
    pub released: u64,
    /// Emails left to the end of their lease, because they may have been sent already.
    pub uncertain: u64,
}

/// Why a worker cannot even begin. That Redis is away is no such reason: it may come.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The transport cannot be used as it is set up.
    #[error("the transport {0} cannot be used")]
    Transport(String, #[source] OpenError),
    /// The Redis client refuses the URL.
    #[error("the Redis URL cannot be used")]
    Redis(#[source] redis::RedisError),
    /// A fault of ours. What was in hand is sent again when its lease is over.
    #[error("a task of the worker has panicked")]
    Panicked,
}

/// What the tasks of a worker share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// Who we are, other than any worker before or beside us.
    pub(crate) worker: String,
    pub(crate) redis: Connection,
    pub(crate) transport: Transport,
    pub(crate) in_hand: InHand,
    pub(crate) waiting: Waiting,
    pub(crate) permits: Arc<Semaphore>,
    /// Whether the fetcher waits for a permit. Then whoever is done with emails claims the next ones in their place.
    pub(crate) saturated: AtomicBool,
}

/// Delivers emails until `shutdown` is ready, or the queue is empty and [`Config::drain`] is set.
///
/// Then it fetches no more, lets deliveries in progress end within [`Config::grace`], gives back to the queue what the
/// transport has not begun to hand over, and leaves the rest to the end of its lease. When Redis or the network goes
/// away it tries again for as long as it takes.
///
/// When the future is dropped, deliveries end where they are; the emails are sent again when their leases are over.
///
/// # Errors
/// Only at the start, when the settings cannot be used.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<Summary, RunError> {
    let transport = Transport::open(&config.transport)
        .await
        .map_err(|error| RunError::Transport(config.transport.to_string(), error))?;
    let redis = Connection::new(&config.redis).map_err(RunError::Redis)?;
    let shared = Arc::new(Shared {
        worker: worker_id(),
        redis,
        transport,
        in_hand: InHand::default(),
        waiting: Waiting::default(),
        permits: Arc::new(Semaphore::new(config.concurrency)),
        saturated: AtomicBool::new(false),
        config,
    });
    tokio::pin!(shutdown);
    let never = CancellationToken::new();
    tokio::select! {
        _ = async { shared.redis.persist(&ping(), &never).await; preflight::warn(&shared.redis).await } => {}
        () = &mut shutdown => return Ok(Summary::default()),
    }
    tracing::info!(
        queue = shared.config.queue.name(),
        redis = %shared.config.redis,
        transport = %shared.config.transport,
        concurrency = shared.config.concurrency,
        worker = shared.worker,
        "ready"
    );

    let mut tasks = Tasks::start(&shared);
    tokio::select! {
        () = &mut shutdown => {}
        // It ends by itself only when the queue is empty.
        fetched = &mut tasks.fetcher => fetched.map_err(|_| RunError::Panicked)?,
        // It ends after all others, unless it panics.
        Err(_) = &mut tasks.finisher => return Err(RunError::Panicked),
    }
    Ok(tasks.stop().await)
}

/// `<host>:<process>:<uuid>`: for people, and unique however often a container gets the same name and process id.
fn worker_id() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}:{}", std::process::id(), Uuid::now_v7())
}

/// The running tasks, and how to end them.
struct Tasks {
    shared: Arc<Shared>,
    fetcher: JoinHandle<()>,
    deliveries: TaskTracker,
    finisher: JoinHandle<()>,
    keepers: TaskTracker,
    /// Nothing new is begun.
    stop: CancellationToken,
    /// Deliveries end where they are.
    abort: CancellationToken,
    /// Redis is no longer waited for.
    give_up: CancellationToken,
}

impl Tasks {
    fn start(shared: &Arc<Shared>) -> Self {
        let (stop, abort, give_up) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let (deliveries, keepers) = (TaskTracker::new(), TaskTracker::new());
        // Each outcome holds a permit, so there are never more outcomes than this: sending never waits.
        let (done, outcomes) = mpsc::channel(shared.config.concurrency);

        let dispatcher = Dispatcher {
            shared: Arc::clone(shared),
            deliveries: deliveries.clone(),
            stop: stop.clone(),
            abort: abort.clone(),
        };
        let finisher = Finisher {
            dispatcher: dispatcher.clone(),
            outcomes: Mutex::new(outcomes),
            done: done.downgrade(),
            give_up: give_up.clone(),
        };
        let finisher = tokio::spawn(async move { finisher.run().await });
        let fetcher = tokio::spawn({
            let give_up = give_up.clone();
            async move {
                if fetcher::fetch(&dispatcher, &done, &give_up).await == Ended::Drained {
                    tell_what_is_left(&dispatcher.shared).await;
                }
            }
        });
        // Until Redis has heard our last words: what is in hand must stay ours while it ends.
        keepers.spawn({
            let (shared, give_up) = (Arc::clone(shared), give_up.clone());
            async move { leases::renew(&shared, &give_up).await }
        });
        keepers.spawn({
            let (shared, stop) = (Arc::clone(shared), stop.clone());
            async move { sweeper::sweep_on(&shared, &stop).await }
        });
        Self { shared: Arc::clone(shared), fetcher, deliveries, finisher, keepers, stop, abort, give_up }
    }

    async fn stop(mut self) -> Summary {
        let grace_ends = Instant::now() + self.shared.config.grace;
        self.stop.cancel();
        self.deliveries.close();
        self.keepers.close();
        // The fetcher may be in BRPOP. Its end also lets go of the channel, without which the finisher would wait on.
        let fetched = timeout_at(grace_ends, self.end_fetcher()).await;
        let delivered = timeout_at(grace_ends, self.deliveries.wait()).await;
        if fetched.is_err() || delivered.is_err() {
            tracing::warn!(deliveries = self.deliveries.len(), "the grace period is over");
        }
        self.abort.cancel();
        self.deliveries.wait().await;

        if timeout(LAST_OUTCOMES, self.end_of_words(fetched.is_ok())).await.is_err() {
            self.give_up.cancel();
            // Both end by themselves now, unless a command that was sent is still within its deadline.
            let _ = timeout(LAST_STEP, self.end_of_words(fetched.is_ok())).await;
        }
        self.give_up.cancel();
        // The finisher may have begun one just before it saw the stop.
        let _ = timeout(LAST_STEP, self.deliveries.wait()).await;
        let _ = timeout(LAST_STEP, self.keepers.wait()).await;
        let left = self.shared.in_hand.left();
        let summary = Summary {
            released: give_back(&self.shared, &left.untouched).await,
            uncertain: left.uncertain.len().try_into().unwrap_or(u64::MAX),
        };
        if summary.uncertain > 0 {
            let emails = summary.uncertain;
            tracing::warn!(emails, "some emails may have been sent; they are sent again when their lease is over");
        }
        self.shared.transport.close().await;
        tracing::info!(released = summary.released, "stopped");
        summary
    }

    /// Waits until the last outcome is recorded, which includes that the fetcher lets go of its end of the channel.
    async fn end_of_words(&mut self, fetched: bool) {
        if !fetched && !self.fetcher.is_finished() {
            let _ = (&mut self.fetcher).await;
        }
        if !self.finisher.is_finished() {
            let _ = (&mut self.finisher).await;
        }
    }

    /// Waits for the fetcher, and wakes it while it waits in `BRPOP`: again and again, because it may be just about to.
    async fn end_fetcher(&mut self) {
        if self.fetcher.is_finished() {
            return;
        }
        let mut again = interval(Duration::from_millis(50));
        loop {
            tokio::select! {
                _ = &mut self.fetcher => return,
                _ = again.tick() => self.shared.waiting.unblock(&self.shared.redis).await,
            }
        }
    }
}

async fn give_back(shared: &Shared, claims: &[ClaimRef]) -> u64 {
    let release = release(&shared.config.queue, &shared.worker, claims);
    match timeout(LAST_STEP, release.run(&shared.redis)).await {
        Ok(Ok(released)) => released,
        _ => {
            let emails = claims.len();
            tracing::warn!(emails, "Redis could not be told that we stop; others take over when the leases are over");
            0
        }
    }
}

async fn tell_what_is_left(shared: &Shared) {
    if let Ok(Depth { scheduled, failed, .. }) = depth(&shared.config.queue).run(&shared.redis).await {
        tracing::info!(scheduled, failed, "the queue is empty; scheduled emails, retries included, are for later");
    }
}
