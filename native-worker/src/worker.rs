//! The life of a worker.

use std::{
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use email_queue::{
    query::{Depth, announce_sender, depth},
    transition::{ClaimRef, release},
};
use tokio::{
    sync::{Mutex, Semaphore, mpsc},
    task::JoinHandle,
    time::{Instant, interval, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    Config,
    background::BackgroundTasks,
    blocking::Waiting,
    clock::Clock,
    completer::Completer,
    connection::Connection,
    dispatcher::Dispatcher,
    fetcher::{self, Ended},
    hold_off::HoldOff,
    in_flight::InFlight,
    learned_limit, leases, maintenance,
    memory::Memory,
    preflight,
    queue_client::QueueClient,
    run_error::RunError,
    shared::Shared,
    slow,
    transport::{Transport, TransportConfig},
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
        client: QueueClient::new(config.queue.clone(), redis),
        emails,
        transport,
        hold_off: HoldOff::new(&config),
        in_flight: InFlight::default(),
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
        tracing::warn!(transport = %shared.config.transport, "this transport sends nothing: emails count as sent and reach nobody");
    }

    let mut tasks = Tasks::start(&shared);
    let waits_for_relay = tokio::select! {
        () = &mut shutdown => false,
        // It ends by itself only when there is nothing left that it can do.
        fetched = &mut tasks.fetcher => fetched.map_err(|_| RunError::Panicked("fetcher"))? == Ended::HeldOff,
        // It ends after all others, unless it panics.
        Err(_) = &mut tasks.completer => return Err(RunError::Panicked("completer")),
        name = tasks.background.panicked() => return Err(RunError::Panicked(name)),
    };
    Ok(Summary { waits_for_relay, ..tasks.stop().await })
}

/// Lets the API show who sends the emails for which nobody is named. Without it, it shows who sends them by default.
async fn say_who_sends(shared: &Shared) {
    let Config { queue, default_from, .. } = &shared.config;
    if let Err(error) = announce_sender(queue, default_from).run(&shared.client.redis).await {
        tracing::debug!(%error, "the default sender cannot be written down");
    }
}

/// The running tasks, and how to end them.
struct Tasks {
    shared: Arc<Shared>,
    fetcher: JoinHandle<Ended>,
    deliveries: TaskTracker,
    completer: JoinHandle<()>,
    background: BackgroundTasks,
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
        let (deliveries, mut background) = (TaskTracker::new(), BackgroundTasks::default());
        // Each outcome holds a permit, so there are never more outcomes than this: sending never waits.
        let (done, outcomes) = mpsc::channel(shared.config.concurrency);

        let dispatcher = Dispatcher {
            shared: Arc::clone(shared),
            deliveries: deliveries.clone(),
            stop: stop.clone(),
            abort: abort.clone(),
        };
        let completer = Completer {
            dispatcher: dispatcher.clone(),
            outcomes: Mutex::new(outcomes),
            done: done.downgrade(),
            give_up: give_up.clone(),
            aside: Mutex::default(),
        };
        let completer = tokio::spawn(async move { completer.run().await });
        let fetcher = tokio::spawn({
            let give_up = give_up.clone();
            async move {
                let ended = fetcher::fetch(&dispatcher, &done, &give_up).await;
                tell_why_it_ends(&dispatcher.shared, ended).await;
                ended
            }
        });
        // Until Redis has heard our last words: what is in flight must stay ours while it ends.
        background.spawn("leases", shared, &give_up, async |shared, stop| leases::renew(&shared, &stop).await);
        background
            .spawn("maintenance", shared, &stop, async |shared, stop| maintenance::maintain_on(&shared, &stop).await);
        background.spawn("hold_off", shared, &stop, async |shared, stop| {
            shared.hold_off.watch_on(&shared.client, &stop).await
        });
        background.spawn("limit", shared, &stop, async |shared, stop| learned_limit::share(&shared, &stop).await);
        background.spawn("slow", shared, &stop, async |shared, stop| slow::tell_of_slow(&shared, &stop).await);
        Self { shared: Arc::clone(shared), fetcher, deliveries, completer, background, stop, abort, give_up }
    }

    /// Takes no longer than the grace and [`LAST_WORDS`], whatever does not answer.
    async fn stop(mut self) -> Summary {
        let grace_ends = Instant::now() + self.shared.config.grace;
        self.stop.cancel();
        // Said when it is so: who reads it may rely on it that nothing more is begun.
        tracing::info!(deliveries = self.deliveries.len(), grace = ?self.shared.config.grace, "stopping: no more emails are taken");
        self.deliveries.close();
        // The fetcher may be in BRPOP. Its end also lets go of the channel, without which the completer would wait on.
        let fetched = timeout_at(grace_ends, self.end_fetcher()).await;
        let delivered = timeout_at(grace_ends, self.deliveries.wait()).await;
        if fetched.is_err() || delivered.is_err() {
            tracing::warn!(deliveries = self.deliveries.len(), "the grace period is over");
        }
        self.abort.cancel();
        let ends = Instant::now() + LAST_WORDS;
        let _ = timeout_at(ends - LAST_WORDS * 3 / 4, self.deliveries.wait()).await;
        if timeout_at(ends - LAST_WORDS / 2, self.drain_outcomes(fetched.is_ok())).await.is_err() {
            self.give_up.cancel();
            // Both end by themselves now, unless a command that was sent is still within its deadline.
            let _ = timeout_at(ends - LAST_WORDS * 3 / 8, self.drain_outcomes(fetched.is_ok())).await;
        }
        self.give_up.cancel();
        // The completer may have begun one just before it saw the stop.
        let _ = timeout_at(ends - LAST_WORDS * 3 / 8, self.deliveries.wait()).await;
        let _ = timeout_at(ends - LAST_WORDS * 3 / 8, self.background.end()).await;
        let left = self.shared.in_flight.left();
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
    async fn drain_outcomes(&mut self, fetched: bool) {
        if !fetched && !self.fetcher.is_finished() {
            let _ = (&mut self.fetcher).await;
        }
        if !self.completer.is_finished() {
            let _ = (&mut self.completer).await;
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
                _ = again.tick() => self.shared.waiting.unblock(&self.shared.client.redis).await,
            }
        }
    }
}

async fn give_back(shared: &Shared, claims: &[ClaimRef], until: Instant) -> u64 {
    let release = release(&shared.client.queue, &shared.client.worker, claims);
    match timeout_at(until, release.run(&shared.client.redis)).await {
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
        depth(&shared.client.queue).run(&shared.client.redis).await.unwrap_or_default();
    let waiting: u64 = waiting.iter().sum();
    if ended == Ended::HeldOff {
        tracing::warn!(waiting, scheduled, failed, "the relay fails; what is left waits for it");
    } else {
        tracing::info!(scheduled, failed, "the queue is empty; scheduled emails, retries included, are for later");
    }
}
