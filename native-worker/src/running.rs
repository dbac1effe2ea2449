//! The tasks of a worker: how they start, and how they end in order.

use std::{sync::Arc, time::Duration};

use email_queue::{
    query::depth,
    transition::{ClaimRef, release},
};
use futures_util::future::join_all;
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::{Instant, sleep, timeout_at},
};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};

use crate::{
    background::BackgroundTasks,
    completer::{Completer, Results},
    dispatcher::Dispatcher,
    ended::Ended,
    health::Phase,
    history, known_nodes, learned_limit, leases, maintenance, preflight, requeue_met,
    run_error::RunError,
    served_shard::ServedShard,
    shared::Shared,
    slow, unserved, worker,
};

/// The time after the grace to record outcomes, release emails and close sessions. With a grace of 25 seconds the
/// worker ends within Kubernetes' 30.
const SHUTDOWN_MARGIN: Duration = Duration::from_millis(4800);

/// How often the `BRPOP` of a worker that stops is ended: it may be just about to begin one.
const UNBLOCK: Duration = Duration::from_millis(50);

/// A worker that runs. Dropping it does not stop its tasks, which end with the runtime.
pub struct Running {
    shared: Arc<Shared>,
    shards: Vec<Arc<ServedShard>>,
    /// The loop of each shard.
    loops: JoinSet<Ended>,
    /// How those have ended that have.
    ended: Ended,
    deliveries: TaskTracker,
    completers: JoinSet<()>,
    background: BackgroundTasks,
    /// Answers as long as the worker runs, and while it stops.
    _admin: Option<AbortOnDropHandle<()>>,
    /// No emails are claimed and no deliveries start any more.
    stop: CancellationToken,
    /// Deliveries are cancelled.
    abort: CancellationToken,
    /// Calls to Redis are not repeated any more.
    give_up: CancellationToken,
}

impl Running {
    pub(crate) fn spawn(
        shared: &Arc<Shared>,
        shards: Vec<Arc<ServedShard>>,
        admin: Option<AbortOnDropHandle<()>>,
    ) -> Self {
        let mut running = Self {
            shared: Arc::clone(shared),
            shards: Vec::new(),
            loops: JoinSet::new(),
            ended: Ended::Drained,
            deliveries: TaskTracker::new(),
            completers: JoinSet::new(),
            background: BackgroundTasks::default(),
            _admin: admin,
            stop: CancellationToken::new(),
            abort: CancellationToken::new(),
            give_up: CancellationToken::new(),
        };
        for shard in &shards {
            running.serve(shard);
        }
        let Self { background, stop, .. } = &mut running;
        background
            .spawn("hold_off", shared, stop, async |shared, stop| shared.hold_off.watch_on(&shared.first, &stop).await);
        background
            .spawn("health", shared, stop, async |shared, stop| shared.health.write_during(stop.cancelled()).await);
        background.spawn("limit", shared, stop, async |shared, stop| learned_limit::share(&shared, &stop).await);
        background.spawn("met", shared, stop, async |shared, stop| requeue_met::requeue_on(&shared, &stop).await);
        background.spawn("nodes", shared, stop, async |shared, stop| known_nodes::learn_on(&shared, &stop).await);
        background.spawn("unserved", shared, stop, async |shared, stop| unserved::watch_on(&shared, &stop).await);
        running.shards = shards;
        running
    }

    /// Starts the tasks of a shard.
    fn serve(&mut self, shard: &Arc<ServedShard>) {
        // No more emails of a shard are in flight than this: sending a result never waits.
        let (done, results) = mpsc::channel(self.shared.config.concurrency);
        let dispatcher = Dispatcher {
            shard: Arc::clone(shard),
            deliveries: self.deliveries.clone(),
            stop: self.stop.clone(),
            abort: self.abort.clone(),
        };
        let completer = Completer {
            dispatcher: dispatcher.clone(),
            results: Mutex::new(Results::new(results)),
            done: done.downgrade(),
            give_up: self.give_up.clone(),
            refused: Mutex::default(),
        };
        self.completers.spawn(async move { completer.run().await });
        let (stop, give_up) = (self.stop.clone(), self.give_up.clone());
        self.loops.spawn(async move {
            let shard = &dispatcher.shard;
            if !preflight::check_late(shard, &stop).await {
                return Ended::Stopped;
            }
            tokio::select! {
                ended = worker::work(&dispatcher, &done, &give_up) => ended,
                // Ends with the loop.
                never = end_brpop(shard, &stop) => match never {},
            }
        });
        let Self { background, stop, give_up, .. } = self;
        // Until the end: other workers must not take what is in flight while it is delivered and recorded.
        background.spawn("leases", shard, give_up, async |shard, stop| {
            if shard.is_checked(&stop).await {
                leases::renew(&shard, &stop).await;
            }
        });
        background.spawn("maintenance", shard, stop, async |shard, stop| {
            if shard.is_checked(&stop).await {
                maintenance::maintain_on(&shard, &stop).await;
            }
        });
        // Until the end: what is sent meanwhile counts as well.
        background.spawn("history", shard, give_up, async |shard, stop| {
            if shard.is_checked(&stop).await {
                history::add_on(&shard, &stop).await;
            }
        });
        background.spawn("slow", shard, stop, async |shard, stop| slow::report_slow(&shard, &stop).await);
    }

    /// Waits until the loops of all shards end, which happens without [`drain`](Self::drain) only if the worker drains the queue.
    ///
    /// Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// A task has panicked, a fault of the worker. What is in flight is sent again when its lease is over.
    pub async fn ended(&mut self) -> Result<Ended, RunError> {
        loop {
            tokio::select! {
                ended = self.loops.join_next() => match ended {
                    Some(Ok(Ended::Drained)) => {}
                    Some(Ok(ended)) => self.ended = ended,
                    Some(Err(_)) => return Err(RunError::Panicked("loop")),
                    None => {
                        return Ok(log_end(&self.shards, self.ended).await);
                    }
                },
                // They end after the loops, unless they panic.
                Some(Err(_)) = self.completers.join_next() => return Err(RunError::Panicked("completer")),
                name = self.background.panicked() => return Err(RunError::Panicked(name)),
            }
        }
    }

    /// Stops the worker: it claims no more, deliveries in progress may end within the grace, and what has not begun
    /// returns to the queue. An email that may have been sent is requeued only when its lease expires.
    ///
    /// Takes no longer than [`Config::grace`](crate::Config::grace) and five seconds, whatever does not answer. When the
    /// future is dropped, the tasks run on until the runtime is shut down; what is in flight then is sent again when its lease
    /// is over.
    pub async fn drain(mut self) {
        let grace_ends = Instant::now() + self.shared.config.grace;
        self.shared.health.enter(Phase::Stopping);
        self.stop.cancel();
        // Logged after the stop: from here on no delivery starts.
        tracing::info!(deliveries = self.deliveries.len(), grace = ?self.shared.config.grace, "stopping: no more emails are claimed");
        self.deliveries.close();
        // A loop may be in BRPOP. Its end also closes its end of the channel, without which the completer would wait on.
        let loops = timeout_at(grace_ends, end(&mut self.loops)).await;
        let delivered = timeout_at(grace_ends, self.deliveries.wait()).await;
        if loops.is_err() || delivered.is_err() {
            tracing::warn!(deliveries = self.deliveries.len(), "the grace period is over");
        }
        self.abort.cancel();
        let ends = Instant::now() + SHUTDOWN_MARGIN;
        let _ = timeout_at(ends - SHUTDOWN_MARGIN * 3 / 4, self.deliveries.wait()).await;
        if timeout_at(ends - SHUTDOWN_MARGIN / 2, self.drain_results()).await.is_err() {
            self.give_up.cancel();
            // They end by themselves now, unless a command that was sent is still within its deadline.
            let _ = timeout_at(ends - SHUTDOWN_MARGIN * 3 / 8, self.drain_results()).await;
        }
        self.give_up.cancel();
        // The completers may have started one just before the stop.
        let _ = timeout_at(ends - SHUTDOWN_MARGIN * 3 / 8, self.deliveries.wait()).await;
        let _ = timeout_at(ends - SHUTDOWN_MARGIN * 3 / 8, self.background.end()).await;
        let left: Vec<_> = self.shards.iter().map(|shard| (shard, shard.in_flight.left())).collect();
        let releasing =
            left.iter().map(|(shard, left)| release_claims(shard, &left.untouched, ends - SHUTDOWN_MARGIN / 8));
        let released: u64 = join_all(releasing).await.into_iter().sum();
        let uncertain: usize = left.iter().map(|(_, left)| left.uncertain.len()).sum();
        if uncertain > 0 {
            tracing::warn!(
                emails = uncertain,
                "some emails may have been sent; they are sent again when the lease expires"
            );
        }
        let _ = timeout_at(ends, self.shared.transport.close()).await;
        tracing::info!(released, "stopped");
    }

    /// Waits until the last result is recorded, which needs the loops to have ended.
    async fn drain_results(&mut self) {
        end(&mut self.loops).await;
        end(&mut self.completers).await;
    }
}

/// Waits until all tasks have ended.
async fn end<T: 'static>(tasks: &mut JoinSet<T>) {
    while tasks.join_next().await.is_some() {}
}

/// Ends the `BRPOP` of a shard again and again after `stop`.
async fn end_brpop(shard: &ServedShard, stop: &CancellationToken) -> std::convert::Infallible {
    stop.cancelled().await;
    loop {
        shard.blocked.unblock().await;
        sleep(UNBLOCK).await;
    }
}

async fn release_claims(shard: &ServedShard, claims: &[ClaimRef], until: Instant) -> u64 {
    let client = &shard.client;
    let release = release(&client.queue, &client.worker, claims);
    match timeout_at(until, release.run(&client.redis)).await {
        Ok(Ok(released)) => released,
        // It has none, and its lease expires.
        _ if claims.is_empty() => 0,
        _ => {
            let (queue, emails) = (client.queue.name(), claims.len());
            tracing::warn!(
                queue,
                emails,
                "Redis is unreachable: emails could not be released, and are requeued when the lease expires"
            );
            0
        }
    }
}

/// Logs what is left, and returns why the loops have ended: a worker that drains the queue leaves what is paused.
async fn log_end(shards: &[Arc<ServedShard>], ended: Ended) -> Ended {
    if ended == Ended::Stopped {
        return ended;
    }
    let (mut waiting, mut paused, mut scheduled, mut failed) = (0, 0, 0, 0);
    for shard in shards {
        let depth = depth(&shard.client.queue).run(&shard.client.redis).await.unwrap_or_default();
        waiting += depth.waiting.iter().sum::<u64>();
        paused += depth.waiting_paused();
        scheduled += depth.scheduled;
        failed += depth.failed;
    }
    if ended == Ended::HeldOff {
        tracing::warn!(waiting, scheduled, failed, "the relay fails; the remaining emails wait for it");
    } else if paused > 0 {
        tracing::warn!(waiting = paused, scheduled, failed, "the remaining emails wait in lanes that are paused");
        return Ended::Paused;
    } else {
        tracing::info!(scheduled, failed, "the queue is empty; scheduled emails, retries included, are for later");
    }
    ended
}
