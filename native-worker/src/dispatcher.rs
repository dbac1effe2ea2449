//! Starts deliveries: one task per email.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Instant, SystemTime},
};

use email_queue::transition::{Claimed, Claims};
use futures_util::FutureExt;
use tokio::sync::mpsc;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{
    capacity::Capacity,
    completion::{Completion, Delivered},
    delivery,
    memory::Room,
    permits::Permit,
    served_shard::ServedShard,
    traces::Receipt,
    transport::Handoff,
};

/// Starts the deliveries of emails of a shard that were claimed, by the loop or with a completion.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    pub(crate) shard: Arc<ServedShard>,
    /// The deliveries that run.
    pub(crate) deliveries: TaskTracker,
    /// When cancelled, no delivery starts any more; claimed emails are released.
    pub(crate) stop: CancellationToken,
    /// When cancelled, so are deliveries.
    pub(crate) abort: CancellationToken,
}

impl Dispatcher {
    /// Starts the delivery of each email, which were asked for at `asked`. Results go to `done`.
    pub(crate) fn deliver(
        &self,
        claims: Claims,
        capacity: Capacity,
        asked: SystemTime,
        done: &mpsc::Sender<Completion>,
    ) {
        let emails = self.track(claims);
        self.start(emails, capacity.permits, Some(capacity.room), asked, done);
    }

    /// Notes emails as in flight, and returns those whose delivery can start.
    pub(crate) fn track(&self, claims: Claims) -> Vec<(Claimed, Handoff)> {
        let tracked = claims.emails.into_iter().filter_map(|claimed| {
            let handoff = self.shard.in_flight.track(claimed.claim);
            if handoff.is_none() {
                tracing::warn!(id = %claimed.claim.id, "an email was claimed again during its delivery; no second one starts");
            }
            handoff.map(|handoff| (claimed, handoff))
        });
        tracked.collect()
    }

    /// Starts the delivery of emails in flight, each with one of the permits and its part of the memory; what is left of both
    /// is released. They were asked for at `asked`.
    pub(crate) fn start(
        &self,
        emails: Vec<(Claimed, Handoff)>,
        mut permits: Permit,
        mut room: Option<Room>,
        asked: SystemTime,
        done: &mpsc::Sender<Completion>,
    ) {
        let receipt = Receipt { asked, answered: SystemTime::now() };
        for (claimed, handoff) in emails {
            let Some(permit) = permits.split().filter(|_| !self.stop.is_cancelled()) else { return };
            let room = room.as_mut().and_then(|room| room.split(claimed.json.len()));
            let (shard, abort, done) = (Arc::clone(&self.shard), self.abort.clone(), done.clone());
            // Boxed, because tokio moves a future of a task several times, and this one is large.
            self.deliveries.spawn(Box::pin(async move {
                tokio::select! {
                    biased;
                    () = abort.cancelled() => {}
                    () = deliver(&shard, claimed, receipt, &handoff, permit, room, &done) => {}
                }
            }));
        }
    }
}

/// Delivers one email and sends the result to the completer. A panic of the delivery neither loses the email, which is
/// retried, nor ends the worker.
async fn deliver(
    shard: &ServedShard,
    claimed: Claimed,
    receipt: Receipt,
    handoff: &Handoff,
    permit: Permit,
    room: Option<Room>,
    done: &mpsc::Sender<Completion>,
) {
    let (claim, since, began) = (claimed.claim, claimed.created, Instant::now());
    let end = |result| Delivered { result, since, took: began.elapsed() };
    let delivered = match claimed.unreadable {
        true => Ok(end(delivery::unreadable(claim))),
        false => AssertUnwindSafe(delivery::deliver(shard, claimed, began, receipt, handoff)).catch_unwind().await,
    };
    let delivered = delivered.unwrap_or_else(|_| {
        shard.shared.hold_off.gate.not_tried(claim.id);
        end(delivery::panicked(&shard.shared.config, claim))
    });
    // The email is gone from memory; only its result is left.
    drop(room);
    shard.in_flight.end(claim.id);
    // The completer outlives all deliveries. If it did not, the email would be sent again when its lease is over.
    let _ = done.send(Completion { id: claim.id, delivered, permit: Some(permit) }).await;
}
