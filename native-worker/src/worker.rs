//! The life of a worker.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use email_queue::transition::{ClaimRef, Depth, KNOWN_VERSION, announce_sender, depth, release};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, interval, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    Config,
    blocking::Waiting,
    clock::Clock,
    connection::Connection,
    dispatcher::Dispatcher,
    fetcher::{self, Ended},
    finisher::Finisher,
    hold_off::{self, HoldOff},
    in_hand::InHand,
    keepers::Keepers,
    leases,
    memory::Memory,
    preflight, slow, sweeper,
    transport::{OpenError, Transport, TransportConfig},
};

/// How long may pass after the end of the grace until all is over: outcomes are recorded, emails given back, goodbyes said.
/// With a grace of 25 seconds all is over within the 30 that Kubernetes gives.
const LAST_WORDS: Duration = Duration::from_millis(4800);

/// What a worker did in its life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Emails given back to the queue untouched, because the worker was stopped.
    pub released: u64,
    /// Emails left to the end of their lease, because they may have been sent already.
    pub uncertain: u64,
    /// Whether it ended because what is left in the queue waits for a relay that fails; only with [`Config::drain`].
    pub waits_for_relay: bool,
}

/// Why a worker cannot begin, or go on. That Redis is away is no such reason: it may come.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The transport cannot be used as it is set up.
    #[error("the transport {0} cannot be used")]
    Transport(String, #[source] OpenError),
    /// The Redis URL leads nowhere, or Redis refuses whom it names.
    #[error("the Redis URL cannot be used")]
    Redis(#[source] redis::RedisError),
    /// What is there is no Redis.
    #[error("what answers at the Redis URL is no Redis")]
    NoRedis,
    /// Redis lacks what the worker needs.
    #[error("Redis {0} is too old: version 6.2 or newer is needed")]
    TooOld(String),
    /// The queue's keys are of a version that this worker would misread.
    #[error(
        "the queue {queue} is of version {found}, and this worker knows version {KNOWN_VERSION}: start a worker that \
             knows version {found}, or give this one another queue"
    )]
    OtherVersion {
        /// The queue's name.
        queue: String,
        /// What `<q>:version` says.
        found: String,
    },
    /// A fault of ours. What was in hand is sent again when its lease is over.
    #[error("the worker's task `{0}` has panicked; what is in hand is sent again when its lease is over")]
    Panicked(&'static str),
}

/// What the tasks of a worker share.
pub(crate) struct Shared {
    pub(crate) config: Config,
    /// Who we are, other than any worker before or beside us.
    pub(crate) worker: String,
    /// Carries what is small, and must not wait behind emails: the lease above all.
    pub(crate) redis: Connection,
    /// Carries claims, and so emails.
    pub(crate) emails: Connection,
    pub(crate) transport: Transport,
    pub(crate) hold_off: HoldOff,
    pub(crate) in_hand: InHand,
    /// What emails may take of it.
    pub(crate) memory: Memory,
    pub(crate) clock: Clock,
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
/// At the start when the settings cannot be used; later when a task panics, a fault of ours. Then all ends at once.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<Summary, RunError> {
    let transport = Transport::open(&config.transport)
        .await
        .map_err(|error| RunError::Transport(config.transport.to_string(), error))?;
    let reachability = Arc::default();
    let connection = || Connection::new(&config.redis, Arc::clone(&reachability)).map_err(RunError::Redis);
    let (redis, emails) = (connection()?, connection()?);
    let shared = Arc::new(Shared {
        worker: worker_id(),
        redis,
        emails,
        transport,
        hold_off: HoldOff::new(&config),
        in_hand: InHand::default(),
        memory: Memory::new(config.max_memory),
        clock: Clock::default(),
        waiting: Waiting::default(),
        permits: Arc::new(Semaphore::new(config.concurrency)),
        saturated: AtomicBool::new(false),
        config,
    });
    tokio::pin!(shutdown);
    let never = CancellationToken::new();
    tokio::select! {
        checked = async {
            preflight::check(&shared, &never).await?;
            say_who_sends(&shared).await;
            Ok(())
        } => checked?,
        () = &mut shutdown => return Ok(Summary::default()),
    }
    shared.hold_off.begin(&shared).await;
    tracing::info!(
        queue = shared.config.queue.name(),
        redis = %shared.config.redis,
        transport = %shared.config.transport,
        concurrency = shared.config.concurrency,
        worker = shared.worker,
        "ready"
    );
    if matches!(shared.config.transport, TransportConfig::Log | TransportConfig::Null) {
        tracing::warn!(transport = %shared.config.transport, "this transport sends nothing: emails count as sent and reach nobody");
    }

    let mut tasks = Tasks::start(&shared);
    let waits_for_relay = tokio::select! {
        () = &mut shutdown => false,
        // It ends by itself only when there is nothing left that it can do.
        fetched = &mut tasks.fetcher => fetched.map_err(|_| RunError::Panicked("fetcher"))? == Ended::HeldOff,
        // It ends after all others, unless it panics.
        Err(_) = &mut tasks.finisher => return Err(RunError::Panicked("finisher")),
        name = tasks.keepers.panicked() => return Err(RunError::Panicked(name)),
    };
    Ok(Summary { waits_for_relay, ..tasks.stop().await })
}

/// Lets the API show who sends the emails for which nobody is named. Without it, it shows who sends them by default.
async fn say_who_sends(shared: &Shared) {
    let Config { queue, default_from, .. } = &shared.config;
    if let Err(error) = announce_sender(queue, default_from).run(&shared.redis).await {
        tracing::debug!(%error, "the default sender cannot be written down");
    }
}

/// `<host>:<process>:<uuid>`: for people, and unique however often a container gets the same name and process id.
fn worker_id() -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{host}:{}:{}", std::process::id(), Uuid::now_v7())
}

/// The running tasks, and how to end them.
struct Tasks {
    shared: Arc<Shared>,
    fetcher: JoinHandle<Ended>,
    deliveries: TaskTracker,
    finisher: JoinHandle<()>,
    keepers: Keepers,
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
        let (deliveries, mut keepers) = (TaskTracker::new(), Keepers::default());
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
            aside: Mutex::default(),
        };
        let finisher = tokio::spawn(async move { finisher.run().await });
        let fetcher = tokio::spawn({
            let give_up = give_up.clone();
            async move {
                let ended = fetcher::fetch(&dispatcher, &done, &give_up).await;
                tell_why_it_ends(&dispatcher.shared, ended).await;
                ended
            }
        });
        // Until Redis has heard our last words: what is in hand must stay ours while it ends.
        keepers.spawn("leases", shared, &give_up, async |shared, stop| leases::renew(&shared, &stop).await);
        keepers.spawn("sweeper", shared, &stop, async |shared, stop| sweeper::sweep_on(&shared, &stop).await);
        keepers.spawn("hold_off", shared, &stop, async |shared, stop| shared.hold_off.watch_on(&shared, &stop).await);
        keepers.spawn("limit", shared, &stop, async |shared, stop| hold_off::share_limit(&shared, &stop).await);
        keepers.spawn("slow", shared, &stop, async |shared, stop| slow::tell_of_slow(&shared, &stop).await);
        Self { shared: Arc::clone(shared), fetcher, deliveries, finisher, keepers, stop, abort, give_up }
    }

    /// Takes no longer than the grace and [`LAST_WORDS`], whatever does not answer.
    async fn stop(mut self) -> Summary {
        let grace_ends = Instant::now() + self.shared.config.grace;
        self.stop.cancel();
        // Said when it is so: who reads it may rely on it that nothing more is begun.
        tracing::info!(deliveries = self.deliveries.len(), grace = ?self.shared.config.grace, "stopping: no more emails are taken");
        self.deliveries.close();
        // The fetcher may be in BRPOP. Its end also lets go of the channel, without which the finisher would wait on.
        let fetched = timeout_at(grace_ends, self.end_fetcher()).await;
        let delivered = timeout_at(grace_ends, self.deliveries.wait()).await;
        if fetched.is_err() || delivered.is_err() {
            tracing::warn!(deliveries = self.deliveries.len(), "the grace period is over");
        }
        self.abort.cancel();
        let ends = Instant::now() + LAST_WORDS;
        let _ = timeout_at(ends - LAST_WORDS * 3 / 4, self.deliveries.wait()).await;
        if timeout_at(ends - LAST_WORDS / 2, self.end_of_words(fetched.is_ok())).await.is_err() {
            self.give_up.cancel();
            // Both end by themselves now, unless a command that was sent is still within its deadline.
            let _ = timeout_at(ends - LAST_WORDS * 3 / 8, self.end_of_words(fetched.is_ok())).await;
        }
        self.give_up.cancel();
        // The finisher may have begun one just before it saw the stop.
        let _ = timeout_at(ends - LAST_WORDS * 3 / 8, self.deliveries.wait()).await;
        let _ = timeout_at(ends - LAST_WORDS * 3 / 8, self.keepers.end()).await;
        let left = self.shared.in_hand.left();
        let summary = Summary {
            released: give_back(&self.shared, &left.untouched, ends - LAST_WORDS / 8).await,
            uncertain: left.uncertain.len().try_into().unwrap_or(u64::MAX),
            waits_for_relay: false,
        };
        if summary.uncertain > 0 {
            let emails = summary.uncertain;
            tracing::warn!(emails, "some emails may have been sent; they are sent again when their lease is over");
        }
        let _ = timeout_at(ends, self.shared.transport.close()).await;
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

async fn give_back(shared: &Shared, claims: &[ClaimRef], until: Instant) -> u64 {
    let release = release(&shared.config.queue, &shared.worker, claims);
    match timeout_at(until, release.run(&shared.redis)).await {
        Ok(Ok(released)) => released,
        _ => {
            let emails = claims.len();
            tracing::warn!(emails, "Redis could not be told that we stop; others take over when the leases are over");
            0
        }
    }
}

async fn tell_why_it_ends(shared: &Shared, ended: Ended) {
    if ended == Ended::Stopped {
        return;
    }
    let Depth { waiting, scheduled, failed, .. } =
        depth(&shared.config.queue).run(&shared.redis).await.unwrap_or_default();
    let waiting: u64 = waiting.iter().sum();
    if ended == Ended::HeldOff {
        tracing::warn!(waiting, scheduled, failed, "the relay fails; what is left waits for it");
    } else {
        tracing::info!(scheduled, failed, "the queue is empty; scheduled emails, retries included, are for later");
    }
}
