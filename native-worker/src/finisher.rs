//! Tells Redis what became of the emails, and takes the next ones in their place.

use std::sync::atomic::Ordering;

use email_queue::{
    EmailId,
    transition::{Finish, Finished, Next, Periods, finish},
};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, mpsc},
    task::yield_now,
};
use tokio_util::sync::CancellationToken;

use crate::{connection::Answered, delivery::Concluded, dispatcher::Dispatcher, fetcher::MAX_BYTES, worker::Shared};

/// The most outcomes in one call, so that Redis is not kept busy for long.
const MAX_BATCH: usize = 500;

/// An outcome on its way to Redis.
pub(crate) struct Done {
    pub(crate) id: EmailId,
    pub(crate) concluded: Concluded,
    /// Free again only when Redis has recorded the outcome: an email counts as in hand until then.
    pub(crate) permit: OwnedSemaphorePermit,
}

/// Records outcomes until there are no more to come: all that have gathered in one call, without waiting for more.
/// While Redis is away it waits, until `give_up`.
///
/// In halves of the concurrency, with two calls on their way at a time: so neither Redis nor the worker waits for the
/// other while there is work for both.
pub(crate) struct Finisher {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) outcomes: Mutex<mpsc::Receiver<Done>>,
    /// Where the outcomes of what we begin go. Weak, because there are no more outcomes to come when all others have
    /// let go of it.
    pub(crate) done: mpsc::WeakSender<Done>,
    pub(crate) give_up: CancellationToken,
}

impl Finisher {
    pub(crate) async fn run(&self) {
        tokio::join!(self.record_all(), self.record_all());
    }

    async fn record_all(&self) {
        let max = self.dispatcher.shared.config.concurrency.div_ceil(2).min(MAX_BATCH);
        loop {
            let batch = self.gather(max).await;
            if batch.is_empty() || !self.record(batch).await {
                return;
            }
        }
    }

    /// The outcomes that are there, or the next one; none when there are no more to come.
    async fn gather(&self, max: usize) -> Vec<Done> {
        let mut outcomes = self.outcomes.lock().await;
        let mut batch = Vec::new();
        if outcomes.recv_many(&mut batch, max).await > 0 {
            // Emails that were claimed together often end together: the others may be about to.
            yield_now().await;
            while batch.len() < max
                && let Ok(done) = outcomes.try_recv()
            {
                batch.push(done);
            }
        }
        batch
    }

    /// Records a batch; false when it had to give up.
    async fn record(&self, mut batch: Vec<Done>) -> bool {
        let shared = &self.dispatcher.shared;
        let mut permits: Option<OwnedSemaphorePermit> = None;
        let mut begins = Vec::new();
        let mut next = self.next(batch.len());
        while !batch.is_empty() {
            let finished: Vec<Finish> = batch.iter().filter_map(|done| finish_of(shared, done)).collect();
            let config = &shared.config;
            let periods = Periods { retention: config.retention, retry_for: config.retry_for };
            let call = finish(&config.queue, &shared.worker, periods, &finished, next.take());
            let Some(Answered { answer, repeated }) = shared.redis.persist(&call, &self.give_up).await else {
                let ids: Vec<_> = finished.iter().map(|finish| finish.claim.id.to_string()).collect();
                tracing::error!(?ids, "Redis is away: these outcomes are not recorded, and sent emails are sent again");
                return false;
            };
            let Finished { recorded, next: claimed } = answer;
            // First, because one of those that came too late may be among them.
            begins.extend(self.dispatcher.take(claimed));
            for (Finish { claim, .. }, recorded) in finished.iter().zip(recorded) {
                let settled = shared.in_hand.remove(*claim);
                if recorded || !settled {
                    continue;
                }
                if repeated {
                    tracing::debug!(id = %claim.id, "recorded by the first try, most likely, whose answer was lost");
                } else {
                    tracing::warn!(id = %claim.id, "the outcome came too late: the lease was over and the email was taken from us");
                }
            }
            // What came back under a newer claim while we spoke is recorded under that one.
            let (again, settled) = batch.into_iter().partition(|done| shared.in_hand.claim(done.id).is_some());
            batch = again;
            for Done { permit, .. } in settled {
                match &mut permits {
                    Some(permits) => permits.merge(permit),
                    None => permits = Some(permit),
                }
            }
        }
        // What is left of the permits is free again in one go, so that the fetcher does not wake to the first and claim few.
        if let (Some(permits), Some(done)) = (permits, self.done.upgrade()) {
            self.dispatcher.begin(begins, permits, &done);
        }
        true
    }

    /// As many emails as end, when there is no room for more: else the fetcher is at it. None while the relay is held off.
    fn next(&self, max: usize) -> Option<Next> {
        let Dispatcher { shared, stop, .. } = &self.dispatcher;
        let wanted = shared.saturated.load(Ordering::Relaxed) && shared.hold_off.is_open() && !stop.is_cancelled();
        wanted.then_some(Next { lease: shared.config.lease, max, max_bytes: MAX_BYTES })
    }
}

/// The outcome under the newest claim that we have of the email.
fn finish_of(shared: &Shared, done: &Done) -> Option<Finish> {
    let Concluded { outcome, progress } = &done.concluded;
    let claim = shared.in_hand.claim(done.id)?;
    Some(Finish { claim, outcome: outcome.clone(), progress: progress.clone() })
}
