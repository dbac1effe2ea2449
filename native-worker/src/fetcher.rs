//! Takes emails off the lists, never more than can be delivered at once.

use std::{sync::atomic::Ordering, time::Duration};

use email_queue::{
    query::depth,
    transition::{Claim, Claims, PoppedEntry, claim},
};
use redis::RedisError;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::sleep,
};
use tokio_util::sync::CancellationToken;

use crate::{
    blocking::Blocking,
    completion::Completion,
    connection::{RECONNECT, ends_connection, explained},
    dispatcher::Dispatcher,
    gate::State,
    memory::Room,
    preflight,
    shared::Shared,
};

/// How many seconds a `BRPOP` waits. Longer would spare an idle worker little, and a connection that has gone silent
/// is noticed only after this time.
const WAIT: u64 = 5;

/// The same while draining: so often is looked whether the queue is empty.
const WAIT_DRAINING: u64 = 1;

/// How often is looked, while draining, whether all that is in flight has come back from a relay that is held off.
const WAIT_HELD_OFF: Duration = Duration::from_millis(100);

/// For how little room it is worth to wait.
const LITTLE: usize = 16 * 1024;

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
/// An idle worker costs one connection that blocks, and a busy one makes one round trip for many emails: a permit and
/// some room in memory are waited for first, then as many emails are claimed as there are permits and room for, and only
/// when there are none is `BRPOP` asked to wait for one, which is then claimed the same way. While no permit is free the
/// completer claims instead.
///
/// After the stop a command that has been sent is still waited for, until `give_up`; emails that it brings are taken in
/// hand but not begun, so that they are given back.
pub(crate) async fn fetch(
    dispatcher: &Dispatcher,
    done: &mpsc::Sender<Completion>,
    give_up: &CancellationToken,
) -> Ended {
    let Dispatcher { shared, stop, .. } = dispatcher;
    let mut blocking = Blocking::new(&shared.client.redis, &shared.waiting, &shared.client.queue);
    let mut failures = 0;
    // Whether BRPOP has just waited for nothing: then a claim would find nothing either.
    let mut empty = false;
    // The size of the next email, when there was no room for it.
    let mut left = None;
    loop {
        let Some(permits) = free_permits(shared, stop).await else { return Ended::Stopped };
        let max = match free_to_claim(shared, stop).await {
            Ok(max) => max.min(permits.num_permits()),
            Err(ended) => return ended,
        };
        let Some(room) = free_room(shared, left.take(), stop).await else { return Ended::Stopped };
        let mut claimed = Claims::default();
        if !std::mem::take(&mut empty) || shared.config.drain {
            match claim_some(shared, max, &room, None, stop).await {
                None => return Ended::Stopped,
                Some(Ok(some)) => claimed = some,
                Some(Err(())) => {
                    // With nothing held meanwhile that others could use.
                    drop((permits, room));
                    failures += 1;
                    tokio::select! {
                        () = sleep(RECONNECT.delay(failures)) => continue,
                        () = stop.cancelled() => return Ended::Stopped,
                    }
                }
            }
        }
        if claimed.is_empty() && claimed.left.is_none() {
            if shared.config.drain && is_drained(shared).await {
                return if shared.hold_off.gate.is_open() { Ended::Drained } else { Ended::HeldOff };
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
                    claimed = claim_popped(shared, max, &room, popped, give_up).await;
                }
                Err(error) => {
                    if failures == 0 {
                        tell_of_brpop(shared, &error).await;
                    }
                    failures += 1;
                    tokio::select! {
                        () = sleep(RECONNECT.delay(failures)) => {}
                        () = stop.cancelled() => return Ended::Stopped,
                    }
                }
            }
        }
        if let Some(first) = claimed.emails.first() {
            shared.hold_off.gate.probe_with(first.claim.id);
        }
        left = claimed.left;
        let begins = dispatcher.take(claimed);
        dispatcher.begin(begins, permits, Some(room), done);
    }
}

/// Waits until emails may be handed to the relay, and returns how many may be claimed: one, for a probe, where it was
/// held off. Emails that may not be handed on stay on their lists.
async fn free_to_claim(shared: &Shared, stop: &CancellationToken) -> Result<usize, Ended> {
    let mut gate = shared.hold_off.gate.watch();
    loop {
        match &*gate.borrow_and_update() {
            State::Open => return Ok(usize::MAX),
            State::Turn(_) => return Ok(1),
            State::Closed(_) if shared.config.drain && shared.in_flight.is_empty() => return Err(Ended::HeldOff),
            State::Closed(_) | State::Probing(..) => {}
        }
        tokio::select! {
            // The gate is never dropped.
            _ = gate.changed() => {}
            // What is in flight may have come to its end.
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

/// What room is free, or room for the one email of which the size is given.
async fn free_room(shared: &Shared, left: Option<usize>, stop: &CancellationToken) -> Option<Room> {
    if left.is_none()
        && let Some(room) = shared.memory.take_free()
    {
        return Some(room);
    }
    tracing::debug!(left, "no room in memory for the next email; waiting for some");
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        room = shared.memory.wait(left.unwrap_or(LITTLE)) => room,
    }
}

/// Claims up to `max` emails, however long Redis is unreachable. If an answer is lost on the way, the emails in it are given back
/// a lease later. An error when Redis refuses, which has been told.
async fn claim_some(
    shared: &Shared,
    max: usize,
    room: &Room,
    popped: Option<PoppedEntry>,
    stop: &CancellationToken,
) -> Option<Result<Claims, ()>> {
    let (worker, lease) = (shared.client.worker.as_str(), shared.config.lease);
    let bytes = room.budget(shared.bytes_at_once());
    let call = claim(&shared.client.queue, Claim { worker, lease, max, bytes, popped });
    let answered = shared.emails.persist(&call, stop).await?;
    Some(answered.map(|answered| answered.answer).map_err(drop))
}

/// Claims what `BRPOP` returned, which is on no list any more: tried until it works, across reconnects. If it never
/// does, maintenance finds an id. An email that another program has pushed as it is was nowhere else: it is lost then.
async fn claim_popped(
    shared: &Shared,
    max: usize,
    room: &Room,
    popped: PoppedEntry,
    give_up: &CancellationToken,
) -> Claims {
    let mut refusals = 0;
    loop {
        match claim_some(shared, max, room, Some(popped.clone()), give_up).await {
            Some(Ok(mut claims)) => {
                claims.give(popped.entry);
                return claims;
            }
            // Maintenance finds it.
            Some(Err(())) if popped.is_id() => return Claims::default(),
            Some(Err(())) => refusals += 1,
            None => break,
        }
        tokio::select! {
            () = sleep(RECONNECT.delay(refusals)) => {}
            () = give_up.cancelled() => break,
        }
    }
    if !popped.is_id() {
        let bytes = popped.entry.len();
        tracing::error!(
            bytes,
            "Redis went away with the worker about to end: an entry pushed by another program is lost"
        );
    }
    Claims::default()
}

/// Says why nothing is popped, unless it is that Redis is unreachable, which has been said.
async fn tell_of_brpop(shared: &Shared, error: &RedisError) {
    if ends_connection(error) {
        tracing::debug!(%error, "BRPOP failed");
    } else {
        tracing::warn!(redis = %shared.config.redis, error = explained(error), "Redis refuses BRPOP; trying again");
        preflight::tell_of_wrong_types(shared).await;
    }
}

async fn is_drained(shared: &Shared) -> bool {
    shared.in_flight.is_empty()
        && depth(&shared.client.queue).run(&shared.client.redis).await.is_ok_and(|depth| depth.is_drained())
}
