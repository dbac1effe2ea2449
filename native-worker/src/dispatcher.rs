//! Starts deliveries: a task for each email.

use std::{panic::AssertUnwindSafe, sync::Arc};

use email_queue::transition::{Claimed, Claims};
use futures_util::FutureExt;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::{completion::Completion, delivery, memory::Room, shared::Shared, transport::Handoff};

/// Whoever claims emails hands them to it.
#[derive(Clone)]
pub(crate) struct Dispatcher {
    pub(crate) shared: Arc<Shared>,
    /// The deliveries that run.
    pub(crate) deliveries: TaskTracker,
    /// Nothing new is begun: what was claimed is given back.
    pub(crate) stop: CancellationToken,
    /// Deliveries end where they are.
    pub(crate) abort: CancellationToken,
}

impl Dispatcher {
    /// Takes emails in flight, and returns those whose delivery can begin.
    pub(crate) fn take(&self, claims: Claims) -> Vec<(Claimed, Handoff)> {
        let begins = claims.emails.into_iter().filter_map(|claimed| {
            let handoff = self.shared.in_flight.take(claimed.claim);
            if handoff.is_none() {
                tracing::warn!(id = %claimed.claim.id, "an email came back whose delivery is still in progress; it is not begun again");
            }
            handoff.map(|handoff| (claimed, handoff))
        });
        begins.collect()
    }

    /// Begins the delivery of emails in flight, each with one of the permits and its part of the room; what is left of both is
    /// free. Their outcomes go to `done`.
    pub(crate) fn begin(
        &self,
        emails: Vec<(Claimed, Handoff)>,
        mut permits: OwnedSemaphorePermit,
        mut room: Option<Room>,
        done: &mpsc::Sender<Completion>,
    ) {
        for (claimed, handoff) in emails {
            let Some(permit) = permits.split(1).filter(|_| !self.stop.is_cancelled()) else { return };
            let room = room.as_mut().and_then(|room| room.split(claimed.json.len()));
            let (shared, abort, done) = (Arc::clone(&self.shared), self.abort.clone(), done.clone());
            self.deliveries.spawn(async move {
                tokio::select! {
                    biased;
                    () = abort.cancelled() => {}
                    () = deliver(&shared, claimed, &handoff, permit, room, &done) => {}
                }
            });
        }
    }
}

/// Delivers one email and hands its outcome on. The email of a delivery that panics is tried again: it must
/// not be lost with it, nor the worker.
async fn deliver(
    shared: &Shared,
    claimed: Claimed,
    handoff: &Handoff,
    permit: OwnedSemaphorePermit,
    room: Option<Room>,
    done: &mpsc::Sender<Completion>,
) {
    let claim = claimed.claim;
    let delivery = match claimed.unreadable {
        true => Ok(delivery::unreadable(claim)),
        false => AssertUnwindSafe(delivery::deliver(shared, claimed, handoff)).catch_unwind().await,
    };
    let result = delivery.unwrap_or_else(|_| {
        shared.hold_off.gate.not_tried(claim.id);
        delivery::panicked(&shared.config, claim)
    });
    // Of the email nothing is left but its outcome.
    drop(room);
    shared.in_flight.conclude(claim.id);
    // The completer outlives all deliveries; if it did not, the lease would see to the email.
    let _ = done.send(Completion { id: claim.id, result, permit: Some(permit) }).await;
}
