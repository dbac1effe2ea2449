//! Tells Redis what became of the emails.

use email_queue::{
    EmailId,
    transition::{Finish, finish},
};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    task::yield_now,
};
use tokio_util::sync::CancellationToken;

use crate::{connection::Answered, delivery::Concluded, worker::Shared};

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
pub(crate) async fn record_all(shared: &Shared, mut outcomes: mpsc::Receiver<Done>, give_up: &CancellationToken) {
    let mut batch = Vec::new();
    while outcomes.recv_many(&mut batch, MAX_BATCH).await > 0 {
        // Emails that were claimed together often end together: the others may be about to.
        yield_now().await;
        while batch.len() < MAX_BATCH
            && let Ok(done) = outcomes.try_recv()
        {
            batch.push(done);
        }
        if !record(shared, std::mem::take(&mut batch), give_up).await {
            return;
        }
    }
}

/// Records a batch; false when it had to give up.
async fn record(shared: &Shared, mut batch: Vec<Done>, give_up: &CancellationToken) -> bool {
    while !batch.is_empty() {
        let finished: Vec<Finish> = batch.iter().filter_map(|done| finish_of(shared, done)).collect();
        let call = finish(&shared.config.queue, shared.config.retention, &finished);
        let Some(Answered { answer, repeated }) = shared.redis.persist(&call, give_up).await else {
            let ids: Vec<_> = finished.iter().map(|finish| finish.claim.id.to_string()).collect();
            tracing::error!(?ids, "Redis is away: these outcomes are not recorded, and sent emails are sent again");
            return false;
        };
        for (Finish { claim, .. }, recorded) in finished.iter().zip(answer) {
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
        release_at_once(settled);
    }
    true
}

/// Gives all permits back in one go, so that the fetcher does not wake to the first and claim few.
fn release_at_once(settled: Vec<Done>) {
    let permits = settled.into_iter().map(|done| done.permit);
    drop(permits.reduce(|mut all, permit| {
        all.merge(permit);
        all
    }));
}

/// The outcome under the newest claim that we have of the email.
fn finish_of(shared: &Shared, done: &Done) -> Option<Finish> {
    let Concluded { outcome, accepted } = &done.concluded;
    let claim = shared.in_hand.claim(done.id)?;
    Some(Finish { claim, outcome: outcome.clone(), accepted: accepted.clone() })
}
