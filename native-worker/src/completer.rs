//! Records the results of deliveries in Redis, and claims the next emails in the same call.

use std::{
    collections::VecDeque,
    future::pending,
    mem,
    sync::atomic::Ordering,
    time::{Duration, SystemTime},
};

use email_queue::{
    Class,
    call::Call,
    transition::{Attempt, ClaimRef, Finish, Finished, Next, Outcome, Periods, finish},
};
use tokio::{
    sync::{Mutex, mpsc},
    task::yield_now,
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    completion::{AttemptResult, Completion, Delivered},
    dispatcher::Dispatcher,
    memory::Room,
    permits::Permit,
    served_shard::ServedShard,
    shard_connection::{Answered, Untold},
};

/// The most results in one call, so that Redis is not kept busy for long.
const MAX_BATCH: usize = 500;

/// The pause before results that Redis has refused are recorded again.
const RETRY_REFUSED: Duration = Duration::from_secs(10);

/// How many results that Redis refuses are kept without a permit.
const MAX_REFUSED: usize = 100;

/// Records results of a shard until all senders are gone: in one call all that have gathered, without waiting for more. While
/// Redis is unreachable it waits, until `give_up`; if there are other shards, the results that wait give their permits back.
///
/// A call has at most half of the concurrency, and two run at a time: so neither Redis nor the worker waits for the other
/// while there is work for both.
pub(crate) struct Completer {
    pub(crate) dispatcher: Dispatcher,
    pub(crate) results: Mutex<Results>,
    /// Sender for results of deliveries that the completer starts. Weak, because the completer ends when all other
    /// senders are gone.
    pub(crate) done: mpsc::WeakSender<Completion>,
    pub(crate) give_up: CancellationToken,
    pub(crate) refused: Mutex<Refused>,
}

/// Results that are not recorded yet.
pub(crate) struct Results {
    arriving: mpsc::Receiver<Completion>,
    /// Those that have arrived while Redis was unreachable, without permits. There are no more than emails of the shard may be in
    /// flight.
    waiting: VecDeque<Completion>,
}

impl Results {
    pub(crate) fn new(arriving: mpsc::Receiver<Completion>) -> Self {
        Self { arriving, waiting: VecDeque::new() }
    }
}

/// Results that Redis refuses, each for a reason of its own. Their emails stay in flight, so that they are not sent again.
/// The first hundred hold no permit any more, so that others are delivered.
#[derive(Default)]
pub(crate) struct Refused(Vec<Completion>);

impl Refused {
    fn put(&mut self, mut done: Completion) {
        tracing::error!(id = %done.id, "Redis refuses this outcome; it is tried again, and meanwhile the email counts as in flight");
        if self.0.len() < MAX_REFUSED {
            done.permit = None;
        }
        self.0.push(done);
    }

    fn take(&mut self) -> Vec<Completion> {
        mem::take(&mut self.0)
    }
}

impl Completer {
    pub(crate) async fn run(&self) {
        let ended = CancellationToken::new();
        let record = async {
            tokio::join!(self.record_all(), self.record_all());
            ended.cancel();
        };
        tokio::join!(record, self.record_refused(&ended));
    }

    async fn record_all(&self) {
        let max = self.dispatcher.shard.shared.config.concurrency.div_ceil(2).min(MAX_BATCH);
        loop {
            let batch = self.gather(max).await;
            if batch.is_empty() || !self.record(batch).await {
                return;
            }
        }
    }

    /// All results that have arrived, or the next one. Empty when all senders are dropped.
    async fn gather(&self, max: usize) -> Vec<Completion> {
        let Results { arriving, waiting } = &mut *self.results.lock().await;
        let mut batch: Vec<_> = waiting.drain(..max.min(waiting.len())).collect();
        if batch.is_empty() && arriving.recv_many(&mut batch, max).await > 0 {
            // Emails that were claimed together often end together.
            yield_now().await;
            while batch.len() < max
                && let Ok(done) = arriving.try_recv()
            {
                batch.push(done);
            }
        }
        batch
    }

    /// Records a batch. Returns false after `give_up`.
    async fn record(&self, mut batch: Vec<Completion>) -> bool {
        let shard = &self.dispatcher.shard;
        let mut permits: Option<Permit> = None;
        let mut claimed = Vec::new();
        let mut room = None;
        let mut next = self.next(&batch, &mut room);
        let asked_at = SystemTime::now();
        let asked = next.map_or(0, |next| next.max);
        while !batch.is_empty() {
            let finished: Vec<Finish> = batch.iter().filter_map(|done| finish_of(shard, done)).collect();
            let Answered { answer, repeated } = match self.finish(&finished, next.take(), &mut batch).await {
                Some(Ok(answered)) => answered,
                Some(Err(())) => {
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
            let Finished { recorded, given_up, next } = answer;
            if asked > 0 {
                shard.has_more.store(next.emails.len() == asked || next.left.is_some(), Ordering::Relaxed);
            }
            // Before the results: an email whose lease was lost may be among those that were claimed.
            claimed.extend(self.dispatcher.track(next));
            let effects = recorded.into_iter().zip(given_up);
            let mut sent = 0;
            let mut all_settled = finished.len() == batch.len();
            for (Finish { claim, outcome, .. }, (recorded, given_up)) in finished.iter().zip(effects) {
                match outcome {
                    Outcome::Sent => sent += u64::from(recorded || repeated),
                    outcome if recorded || repeated => shard.shared.metrics.recorded(outcome, given_up),
                    _ => {}
                }
                if given_up {
                    log_given_up(shard, *claim, outcome);
                }
                let settled = shard.in_flight.remove(*claim);
                all_settled &= settled;
                if recorded || !settled {
                    continue;
                }
                if repeated {
                    tracing::debug!(id = %claim.id, "most likely recorded by the first try, whose reply was lost");
                } else {
                    tracing::warn!(id = %claim.id, "the outcome came too late: the lease expired and another worker has the email");
                }
            }
            shard.shared.metrics.recorded_sent(sent);
            let mut settled = mem::take(&mut batch);
            if !all_settled {
                // An email that was claimed again meanwhile is recorded under its newer claim.
                batch = settled.extract_if(.., |done| shard.in_flight.claim(done.id).is_some()).collect();
            }
            let now = shard.clock.now();
            let sent = settled.iter().map(|done| &done.delivered).filter(|sent| sent.result.outcome == Outcome::Sent);
            // The clocks may differ by a little.
            let waited = sent.map(|sent| now.duration_since(sent.since).try_into().unwrap_or_default());
            shard.latencies.add(now, waited.inspect(|waited| shard.shared.metrics.sent_after(*waited)));
            for permit in settled.into_iter().filter_map(|done| done.permit) {
                match &mut permits {
                    Some(permits) => permits.merge(permit),
                    None => permits = Some(permit),
                }
            }
        }
        // What is left of the permits is released at once. Else the loop would wake for the first, and claim few.
        if let (Some(permits), Some(done)) = (permits, self.done.upgrade()) {
            self.dispatcher.start(claimed, permits, room, asked_at, &done);
        }
        true
    }

    /// Records results, and claims the next emails. Repeats it while Redis is unreachable; `None` after `give_up`. If there are
    /// other shards, it claims nothing any more after the first try, and gives all permits back.
    ///
    /// # Errors
    /// Redis refuses.
    async fn finish(
        &self,
        finished: &[Finish],
        next: Option<Next>,
        batch: &mut [Completion],
    ) -> Option<Result<Answered<Finished>, ()>> {
        let shard = &self.dispatcher.shard;
        let emails = &shard.client.emails;
        let call = self.call(finished, next);
        if shard.is_alone() {
            return Some(emails.persist(&call, &self.give_up).await?.map_err(drop));
        }
        match emails.once(&call, &self.give_up).await {
            Ok(answer) => return Some(Ok(Answered { answer, repeated: false })),
            Err(Untold::Refused(_)) => return Some(Err(())),
            Err(Untold::Stopped) => return None,
            Err(Untold::Failed { .. }) => {}
        }
        for done in batch {
            done.permit = None;
        }
        let call = self.call(finished, None);
        tokio::select! {
            answered = emails.persist(&call, &self.give_up) => {
                let answered = answered?.map(|Answered { answer, .. }| Answered { answer, repeated: true });
                Some(answered.map_err(drop))
            }
            never = self.take_permits() => match never {},
        }
    }

    fn call(&self, finished: &[Finish], next: Option<Next>) -> Call<Finished> {
        let shard = &self.dispatcher.shard;
        let config = &shard.shared.config;
        let periods = Periods { retention: config.retention, retry_for: config.retry_for };
        finish(&shard.client.queue, &shard.client.worker, periods, finished, next)
    }

    /// Takes the permits of all results that arrive.
    async fn take_permits(&self) -> std::convert::Infallible {
        loop {
            let Results { arriving, waiting } = &mut *self.results.lock().await;
            match arriving.recv().await {
                Some(mut done) => {
                    done.permit = None;
                    waiting.push_back(done);
                }
                None => break,
            }
        }
        pending().await
    }

    /// What to claim with a batch: as many emails as it has permits, but for those that are owed to other shards, if the loop waits
    /// for a permit. `None` while the relay is held off.
    fn next(&self, batch: &[Completion], room: &mut Option<Room>) -> Option<Next> {
        let Dispatcher { shard, stop, .. } = &self.dispatcher;
        let shared = &shard.shared;
        let has_more = !shard.is_alone() && shard.has_more.load(Ordering::Relaxed);
        let wanted = has_more || shard.saturated.load(Ordering::Relaxed);
        if !wanted || !shared.hold_off.gate.is_open() || stop.is_cancelled() {
            return None;
        }
        let permits = batch.iter().filter(|done| done.permit.is_some()).count();
        let max = permits - shared.permits.owed(shard.index(), permits);
        let at_once = shard.bytes_at_once();
        *room = (max > 0).then(|| shared.memory.take(at_once)).flatten();
        let max_bytes = room.as_ref()?.budget(at_once).all;
        Some(Next { lease: shared.config.lease, max, max_bytes })
    }

    /// Records the results of a refused batch one by one, so that only those that Redis refuses are retried later.
    async fn record_singly(&self, mut batch: Vec<Completion>) -> bool {
        if batch.len() > 1 {
            for done in batch {
                if !Box::pin(self.record(vec![done])).await {
                    return false;
                }
            }
        } else if let Some(done) = batch.pop() {
            self.refused.lock().await.put(done);
        }
        true
    }

    /// Retries the results that Redis has refused, until `ended`.
    async fn record_refused(&self, ended: &CancellationToken) {
        loop {
            tokio::select! {
                () = sleep(RETRY_REFUSED) => {}
                () = ended.cancelled() => return,
            }
            let batch = self.refused.lock().await.take();
            for done in batch {
                if !self.record(vec![done]).await {
                    return;
                }
            }
        }
    }
}

/// Redis has made a dead letter of an email that was to be tried again.
fn log_given_up(shard: &ServedShard, ClaimRef { id, .. }: ClaimRef, outcome: &Outcome) {
    let (class, last, relay) = (Class::GivenUp, outcome.class().map(Class::as_str), shard.shared.hold_off.relay());
    tracing::error!(%id, outcome = "failed", %class, last, %relay, "email failed: it was tried for as long as emails are");
}

/// The result under the newest claim of the email.
fn finish_of(shard: &ServedShard, done: &Completion) -> Option<Finish> {
    let Delivered { result: AttemptResult { outcome, progress }, took, .. } = &done.delivered;
    let claim = shard.in_flight.claim(done.id)?;
    let has_timeline = claim.number > 1 || *outcome != Outcome::Sent;
    let relay = if has_timeline { shard.shared.hold_off.relay().name().to_owned() } else { String::new() };
    let attempt = Attempt { took: *took, relay };
    Some(Finish { claim, outcome: outcome.clone(), progress: progress.clone(), attempt })
}
