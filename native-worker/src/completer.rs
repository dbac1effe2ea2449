//! Tells Redis what became of the emails, and takes the next ones in their place.

use std::{sync::atomic::Ordering, time::Duration};

use email_queue::transition::{Finish, Finished, Next, Periods, finish};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, mpsc},
    task::yield_now,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    completion::{AttemptResult, Completion},
    connection::Answered,
    dispatcher::Dispatcher,
    memory::Room,
    shared::Shared,
};

/// The most outcomes in one call, so that Redis is not kept busy for long.
const MAX_BATCH: usize = 500;

/// How often is tried again to record what Redis has refused.
const ASIDE: Duration = Duration::from_secs(10);

/// How many outcomes that Redis refuses may be put aside without a permit.
const MAX_ASIDE: usize = 100;

/// Records outcomes until there are no more to come: all that have gathered in one call, without waiting for more.
/// While Redis is unreachable it waits, until `give_up`.
///
/// In halves of the concurrency, with two calls on their way at a time: so neither Redis nor the worker waits for the
/// other while there is work for both.
pub(crate) struct Completer {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) outcomes: Mutex<mpsc::Receiver<Completion>>,
    /// Where the outcomes of what we begin go. Weak, because there are no more outcomes to come when all others have
    /// let go of it.
    pub(crate) done: mpsc::WeakSender<Completion>,
    pub(crate) give_up: CancellationToken,
    pub(crate) aside: Mutex<Aside>,
}

/// Outcomes that Redis refuses, each for a reason of its own. Their emails stay in flight, so that they are not sent again,
/// but the first hundred of them hold no permit any more: others go on.
#[derive(Default)]
pub(crate) struct Aside(Vec<Completion>);

impl Aside {
    fn put(&mut self, mut done: Completion) {
        tracing::error!(id = %done.id, "Redis refuses this outcome; it is tried again, and meanwhile the email counts as in flight");
        if self.0.len() < MAX_ASIDE {
            done.permit = None;
        }
        self.0.push(done);
    }

    fn take(&mut self) -> Vec<Completion> {
        std::mem::take(&mut self.0)
    }
}

impl Completer {
    pub(crate) async fn run(&self) {
        let ended = CancellationToken::new();
        let record = async {
            tokio::join!(self.record_all(), self.record_all());
            ended.cancel();
        };
        tokio::join!(record, self.record_aside(&ended));
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
    async fn gather(&self, max: usize) -> Vec<Completion> {
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
    async fn record(&self, mut batch: Vec<Completion>) -> bool {
        let shared = &self.dispatcher.shared;
        let mut permits: Option<OwnedSemaphorePermit> = None;
        let mut begins = Vec::new();
        let mut room = None;
        let mut next = self.next(batch.len(), &mut room);
        while !batch.is_empty() {
            let finished: Vec<Finish> = batch.iter().filter_map(|done| finish_of(shared, done)).collect();
            let config = &shared.config;
            let periods = Periods { retention: config.retention, retry_for: config.retry_for };
            let call = finish(&shared.client.queue, &shared.client.worker, periods, &finished, next.take());
            let Answered { answer, repeated } = match shared.emails.persist(&call, &self.give_up).await {
                Some(Ok(answered)) => answered,
                Some(Err(_)) => {
                    if !self.record_singly(batch).await {
                        return false;
                    }
                    break;
                }
                None => {
                    let ids: Vec<_> = finished.iter().map(|finish| finish.claim.id.to_string()).collect();
                    tracing::error!(
                        ?ids,
                        "Redis is unreachable: these outcomes are not recorded, and sent emails are sent again"
                    );
                    return false;
                }
            };
            let Finished { recorded, next: claimed } = answer;
            // First, because one of those that came too late may be among them.
            begins.extend(self.dispatcher.take(claimed));
            for (Finish { claim, .. }, recorded) in finished.iter().zip(recorded) {
                let settled = shared.in_flight.remove(*claim);
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
            let (again, settled) = batch.into_iter().partition(|done| shared.in_flight.claim(done.id).is_some());
            batch = again;
            for permit in settled.into_iter().filter_map(|done: Completion| done.permit) {
                match &mut permits {
                    Some(permits) => permits.merge(permit),
                    None => permits = Some(permit),
                }
            }
        }
        // What is left of the permits is free again in one go, so that the fetcher does not wake to the first and claim few.
        if let (Some(permits), Some(done)) = (permits, self.done.upgrade()) {
            self.dispatcher.begin(begins, permits, room, &done);
        }
        true
    }

    /// As many emails as end, when there is no room for more: else the fetcher is at it. None while the relay is held off.
    fn next(&self, max: usize, room: &mut Option<Room>) -> Option<Next> {
        let Dispatcher { shared, stop, .. } = &self.dispatcher;
        let wanted = shared.saturated.load(Ordering::Relaxed) && shared.hold_off.gate.is_open() && !stop.is_cancelled();
        let at_once = shared.bytes_at_once();
        *room = wanted.then(|| shared.memory.take(at_once)).flatten();
        let max_bytes = room.as_ref()?.budget(at_once).all;
        Some(Next { lease: shared.config.lease, max, max_bytes })
    }

    /// Records outcomes one by one where Redis refuses them all together: one of them may be what it refuses. That one is
    /// put aside.
    async fn record_singly(&self, mut batch: Vec<Completion>) -> bool {
        if batch.len() > 1 {
            for done in batch {
                if !Box::pin(self.record(vec![done])).await {
                    return false;
                }
            }
        } else if let Some(done) = batch.pop() {
            self.aside.lock().await.put(done);
        }
        true
    }

    /// Tries again now and then to record what Redis has refused, until nothing more is to be recorded.
    async fn record_aside(&self, ended: &CancellationToken) {
        loop {
            tokio::select! {
                () = sleep(ASIDE) => {}
                () = ended.cancelled() => return,
            }
            let batch = self.aside.lock().await.take();
            for done in batch {
                if !self.record(vec![done]).await {
                    return;
                }
            }
        }
    }
}

/// The outcome under the newest claim that we have of the email.
fn finish_of(shared: &Shared, done: &Completion) -> Option<Finish> {
    let AttemptResult { outcome, progress } = &done.result;
    let claim = shared.in_flight.claim(done.id)?;
    Some(Finish { claim, outcome: outcome.clone(), progress: progress.clone() })
}
