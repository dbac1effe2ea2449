//! Takes emails off the lists, never more than can be delivered at once.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use email_queue::transition::{ByteBudget, Claim, Claims, LARGEST, PoppedEntry, claim, depth};
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    blocking::Blocking, connection::RECONNECT, dispatcher::Dispatcher, finisher::Done, hold_off::Gate, worker::Shared,
};

/// How many seconds a `BRPOP` waits. Longer would spare an idle worker little, and a connection that has gone silent
/// is noticed only after this time.
const WAIT: u64 = 5;

/// The same while draining: so often is looked whether the queue is empty.
const WAIT_DRAINING: u64 = 1;

/// How often is looked, while draining, whether all that is in hand has come back from a relay that is held off.
const WAIT_HELD_OFF: Duration = Duration::from_millis(100);

/// The most bytes of email to take in one call, so that many large emails do not keep Redis busy in one go.
pub(crate) const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Why fetching has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was told to.
    Stopped,
    /// Nothing is left to do for now.
    Drained,
    /// What is left to do waits for the relay.
    HeldOff,
}

/// Fetches until the worker is stopped, or until the queue is empty if it is to drain it, and has deliveries begin.
///
/// An idle worker costs one connection that blocks, and a busy one makes one round trip for many emails: a permit is
/// waited for first, then as many emails are claimed as permits are free, and only when there are none is `BRPOP`
/// asked to wait for one, which is then claimed the same way. While no permit is free the finisher claims instead.
///
/// After the stop a command that has been sent is still waited for, until `give_up`; emails that it brings are taken in
/// hand but not begun, so that they are given back.
pub(crate) async fn fetch(dispatcher: &Dispatcher, done: &mpsc::Sender<Done>, give_up: &CancellationToken) -> Ended {
    let Dispatcher { shared, stop, .. } = dispatcher;
    let mut blocking = Blocking::new(&shared.redis, &shared.waiting, &shared.config.queue);
    let mut failures = 0;
    // Whether BRPOP has just waited for nothing: then a claim would find nothing either.
    let mut empty = false;
    loop {
        let Some(permits) = free_permits(shared, stop).await else { return Ended::Stopped };
        let max = match free_to_claim(shared, stop).await {
            Ok(max) => max.min(permits.num_permits()),
            Err(ended) => return ended,
        };
        let mut claimed = Claims::default();
        if !std::mem::take(&mut empty) || shared.config.drain {
            let Some(some) = claim_some(shared, max, None, stop).await else { return Ended::Stopped };
            claimed = some;
        }
        if claimed.is_empty() {
            if shared.config.drain && is_drained(shared).await {
                return if shared.hold_off.is_open() { Ended::Drained } else { Ended::HeldOff };
            }
            if stop.is_cancelled() {
                return Ended::Stopped;
            }
            match blocking.pop(if shared.config.drain { WAIT_DRAINING } else { WAIT }).await {
                Ok(None) => {
                    failures = 0;
                    empty = true;
                }
                Ok(Some(popped)) => {
                    failures = 0;
                    claimed = claim_popped(shared, max, popped, give_up).await;
                }
                Err(error) => {
                    failures += 1;
                    tracing::debug!(%error, "BRPOP failed");
                    tokio::select! {
                        () = sleep(RECONNECT.delay(failures)) => {}
                        () = stop.cancelled() => return Ended::Stopped,
                    }
                }
            }
        }
        if let Some(first) = claimed.emails.first() {
            shared.hold_off.probe_with(first.claim.id);
        }
        let begins = dispatcher.take(claimed);
        dispatcher.begin(begins, permits, done);
    }
}

/// Waits until emails may be handed to the relay, and returns how many may be claimed: one, for a probe, where it was
/// held off. Emails that may not be handed on stay on their lists.
async fn free_to_claim(shared: &Shared, stop: &CancellationToken) -> Result<usize, Ended> {
    let mut gate = shared.hold_off.gate();
    loop {
        match &*gate.borrow_and_update() {
            Gate::Open => return Ok(usize::MAX),
            Gate::Turn(_) => return Ok(1),
            Gate::Closed(_) if shared.config.drain && shared.in_hand.is_empty() => return Err(Ended::HeldOff),
            Gate::Closed(_) | Gate::Probing(..) => {}
        }
        tokio::select! {
            // The gate is never dropped.
            _ = gate.changed() => {}
            // What is in hand may have come to its end.
            () = sleep(WAIT_HELD_OFF), if shared.config.drain => {}
            () = stop.cancelled() => return Err(Ended::Stopped),
        }
    }
}

/// Waits for a permit, and takes all others that are free.
async fn free_permits(shared: &Shared, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
    shared.saturated.store(shared.permits.available_permits() == 0, Ordering::Relaxed);
    let first = tokio::select! {
        // Stopped before emails are taken that nobody would deliver.
        biased;
        () = stop.cancelled() => return None,
        permit = shared.permits.clone().acquire_owned() => permit,
    };
    shared.saturated.store(false, Ordering::Relaxed);
    // The semaphore is never closed.
    let mut permits = first.ok()?;
    let free = u32::try_from(shared.permits.available_permits()).unwrap_or(u32::MAX);
    // Only this task takes permits: what is free stays so.
    if free > 0
        && let Ok(others) = shared.permits.clone().try_acquire_many_owned(free)
    {
        permits.merge(others);
    }
    Some(permits)
}

/// Claims up to `max` emails, however long Redis is away. If an answer is lost on the way, the emails in it come back
/// when their lease is over.
async fn claim_some(
    shared: &Shared,
    max: usize,
    popped: Option<PoppedEntry>,
    stop: &CancellationToken,
) -> Option<Claims> {
    let (worker, lease) = (shared.worker.as_str(), shared.config.lease);
    let bytes = ByteBudget { all: MAX_BYTES, first: LARGEST };
    let call = claim(&shared.config.queue, Claim { worker, lease, max, bytes, popped });
    shared.redis.persist(&call, stop).await.map(|answered| answered.answer)
}

/// Claims what `BRPOP` returned, which is on no list any more: tried until it works, across reconnects. If it never
/// does, the sweep finds an id. An email that another program has pushed as it is was nowhere else: it is lost then.
async fn claim_popped(shared: &Shared, max: usize, popped: PoppedEntry, give_up: &CancellationToken) -> Claims {
    let (entry, is_id) = (Arc::clone(&popped.entry), popped.is_id());
    let claimed = claim_some(shared, max, Some(popped), give_up).await;
    match claimed {
        Some(mut claimed) => {
            claimed.give(entry);
            claimed
        }
        None => {
            if !is_id {
                let bytes = entry.len();
                tracing::error!(
                    bytes,
                    "Redis went away with the worker about to end: an entry pushed by another program is lost"
                );
            }
            Claims::default()
        }
    }
}

async fn is_drained(shared: &Shared) -> bool {
    shared.in_hand.is_empty()
        && depth(&shared.config.queue).run(&shared.redis).await.is_ok_and(|depth| depth.is_drained())
}
