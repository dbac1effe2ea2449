//! The tasks of a worker: how they start, and how they end in order.

use std::{sync::Arc, time::Duration};

use email_queue::{
    query::{Depth, depth},
    transition::{ClaimRef, release},
};
use tokio::{
    sync::{Mutex, mpsc},
    task::JoinHandle,
    time::{Instant, interval, timeout_at},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    background::BackgroundTasks, completer::Completer, dispatcher::Dispatcher, ended::Ended, learned_limit, leases,
    maintenance, run_error::RunError, shared::Shared, slow, worker,
};

/// The time after the grace to record outcomes, release emails and close sessions. With a grace of 25 seconds the
/// worker ends within Kubernetes' 30.
const SHUTDOWN_MARGIN: Duration = Duration::from_millis(4800);

/// A worker that runs. Dropping it does not stop its tasks, which end with the runtime.
pub struct Running {
    shared: Arc<Shared>,
    worker: JoinHandle<Ended>,
    deliveries: TaskTracker,
    completer: JoinHandle<()>,
    background: BackgroundTasks,
    /// No emails are claimed and no deliveries start any more.
    stop: CancellationToken,
    /// Deliveries are cancelled.
    abort: CancellationToken,
    /// Calls to Redis are not repeated any more.
    give_up: CancellationToken,
}

impl Running {
    pub(crate) fn spawn(shared: &Arc<Shared>) -> Self {
        let (stop, abort, give_up) = (CancellationToken::new(), CancellationToken::new(), CancellationToken::new());
        let (deliveries, mut background) = (TaskTracker::new(), BackgroundTasks::default());
        // Each result holds a permit, so there are never more results than this: sending never waits.
        let (done, results) = mpsc::channel(shared.config.concurrency);

        let dispatcher = Dispatcher {
            shared: Arc::clone(shared),
            deliveries: deliveries.clone(),
            stop: stop.clone(),
            abort: abort.clone(),
        };
        let completer = Completer {
            dispatcher: dispatcher.clone(),
            results: Mutex::new(results),
            done: done.downgrade(),
            give_up: give_up.clone(),
            refused: Mutex::default(),
        };
        let completer = tokio::spawn(async move { completer.run().await });
        let worker = tokio::spawn({
            let give_up = give_up.clone();
            async move {
                let ended = worker::work(&dispatcher, &done, &give_up).await;
                log_end(&dispatcher.shared, ended).await;
                ended
            }
        });
        // Until the end: other workers must not take what is in flight while it is delivered and recorded.
        background.spawn("leases", shared, &give_up, async |shared, stop| leases::renew(&shared, &stop).await);
        background
            .spawn("maintenance", shared, &stop, async |shared, stop| maintenance::maintain_on(&shared, &stop).await);
        background.spawn("hold_off", shared, &stop, async |shared, stop| {
            shared.hold_off.watch_on(&shared.client, &stop).await
        });
        background.spawn("limit", shared, &stop, async |shared, stop| learned_limit::share(&shared, &stop).await);
        background.spawn("slow", shared, &stop, async |shared, stop| slow::report_slow(&shared, &stop).await);
        Self { shared: Arc::clone(shared), worker, deliveries, completer, background, stop, abort, give_up }
    }

    /// Waits until the loop ends, which happens without [`drain`](Self::drain) only if the worker drains the queue.
    ///
    /// Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// A task has panicked, a fault of the worker. What is in flight is sent again when its lease is over.
    pub async fn ended(&mut self) -> Result<Ended, RunError> {
        tokio::select! {
            ended = &mut self.worker => ended.map_err(|_| RunError::Panicked("loop")),
            // It ends after all others, unless it panics.
            Err(_) = &mut self.completer => Err(RunError::Panicked("completer")),
            name = self.background.panicked() => Err(RunError::Panicked(name)),
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
        self.stop.cancel();
        // Logged after the stop: from here on no delivery starts.
        tracing::info!(deliveries = self.deliveries.len(), grace = ?self.shared.config.grace, "stopping: no more emails are claimed");
        self.deliveries.close();
        // The loop may be in BRPOP. Its end also closes its end of the channel, without which the completer would wait on.
        let worker = timeout_at(grace_ends, self.end_worker()).await;
        let delivered = timeout_at(grace_ends, self.deliveries.wait()).await;
        if worker.is_err() || delivered.is_err() {
            tracing::warn!(deliveries = self.deliveries.len(), "the grace period is over");
        }
        self.abort.cancel();
        let ends = Instant::now() + SHUTDOWN_MARGIN;
        let _ = timeout_at(ends - SHUTDOWN_MARGIN * 3 / 4, self.deliveries.wait()).await;
        if timeout_at(ends - SHUTDOWN_MARGIN / 2, self.drain_results(worker.is_ok())).await.is_err() {
            self.give_up.cancel();
            // Both end by themselves now, unless a command that was sent is still within its deadline.
            let _ = timeout_at(ends - SHUTDOWN_MARGIN * 3 / 8, self.drain_results(worker.is_ok())).await;
        }
        self.give_up.cancel();
        // The completer may have started one just before the stop.
        let _ = timeout_at(ends - SHUTDOWN_MARGIN * 3 / 8, self.deliveries.wait()).await;
        let _ = timeout_at(ends - SHUTDOWN_MARGIN * 3 / 8, self.background.end()).await;
        let left = self.shared.in_flight.left();
        let released = release_claims(&self.shared, &left.untouched, ends - SHUTDOWN_MARGIN / 8).await;
        if !left.uncertain.is_empty() {
            let emails = left.uncertain.len();
            tracing::warn!(emails, "some emails may have been sent; they are sent again when the lease expires");
        }
        let _ = timeout_at(ends, self.shared.transport.close()).await;
        tracing::info!(released, "stopped");
    }

    /// Waits until the last result is recorded, which needs the loop to have ended.
    async fn drain_results(&mut self, worker_ended: bool) {
        if !worker_ended && !self.worker.is_finished() {
            let _ = (&mut self.worker).await;
        }
        if !self.completer.is_finished() {
            let _ = (&mut self.completer).await;
        }
    }

    /// Waits for the loop, and ends its `BRPOP`: again and again, because it may be just about to begin one.
    async fn end_worker(&mut self) {
        if self.worker.is_finished() {
            return;
        }
        let mut again = interval(Duration::from_millis(50));
        loop {
            tokio::select! {
                _ = &mut self.worker => return,
                _ = again.tick() => self.shared.blocked.unblock(&self.shared.client.redis).await,
            }
        }
    }
}

async fn release_claims(shared: &Shared, claims: &[ClaimRef], until: Instant) -> u64 {
    let release = release(&shared.client.queue, &shared.client.worker, claims);
    match timeout_at(until, release.run(&shared.client.redis)).await {
        Ok(Ok(released)) => released,
        _ => {
            let emails = claims.len();
            tracing::warn!(
                emails,
                "Redis is unreachable: emails could not be released, and are requeued when the lease expires"
            );
            0
        }
    }
}

async fn log_end(shared: &Shared, ended: Ended) {
    if ended == Ended::Stopped {
        return;
    }
    let Depth { waiting, scheduled, failed, .. } =
        depth(&shared.client.queue).run(&shared.client.redis).await.unwrap_or_default();
    let waiting: u64 = waiting.iter().sum();
    if ended == Ended::HeldOff {
        tracing::warn!(waiting, scheduled, failed, "the relay fails; the remaining emails wait for it");
    } else {
        tracing::info!(scheduled, failed, "the queue is empty; scheduled emails, retries included, are for later");
    }
}
