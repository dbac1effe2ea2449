//! What a claim needs before it is made: permits, a relay that may be used, and memory.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::{sync::OwnedSemaphorePermit, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{ended::Ended, gate::State, memory::Room, shared::Shared};

/// How often a draining worker checks whether all emails in flight have come back from a relay that is held off.
const CHECK_HELD_OFF: Duration = Duration::from_millis(100);

/// The least memory, in bytes of JSON, that a claim is made for.
const LEAST_ROOM: usize = 16 * 1024;

/// How many emails may be claimed, and of which size.
pub(crate) struct Capacity {
    /// At least one. All that were free.
    pub(crate) permits: OwnedSemaphorePermit,
    pub(crate) room: Room,
    /// How many emails may be claimed: no more than there are permits, and one for a probe of the relay.
    pub(crate) max: usize,
}

impl Capacity {
    /// Waits for capacity: for an email of `size_of_next` bytes of JSON, if that is given.
    ///
    /// # Errors
    /// `stop` came first; or the worker drains the queue, and what is left waits for the relay.
    pub(crate) async fn wait(
        shared: &Shared,
        size_of_next: Option<usize>,
        stop: &CancellationToken,
    ) -> Result<Self, Ended> {
        let permits = free_permits(shared, stop).await.ok_or(Ended::Stopped)?;
        let max = relay_usable(shared, stop).await?.min(permits.num_permits());
        let room = free_room(shared, size_of_next, stop).await.ok_or(Ended::Stopped)?;
        Ok(Self { permits, room, max })
    }
}

/// Waits for a permit, and takes all others that are free.
async fn free_permits(shared: &Shared, stop: &CancellationToken) -> Option<OwnedSemaphorePermit> {
    shared.saturated.store(shared.permits.available_permits() == 0, Ordering::Relaxed);
    let first = tokio::select! {
        // A worker that stops must not claim emails that it would not deliver.
        biased;
        () = stop.cancelled() => return None,
        permit = shared.permits.clone().acquire_owned() => permit,
    };
    shared.saturated.store(false, Ordering::Relaxed);
    // The semaphore is never closed.
    let mut permits = first.ok()?;
    let free = u32::try_from(shared.permits.available_permits()).unwrap_or(u32::MAX);
    // Only the loop acquires permits: what is free stays free.
    if free > 0
        && let Ok(others) = shared.permits.clone().try_acquire_many_owned(free)
    {
        permits.merge(others);
    }
    Some(permits)
}

/// Waits until emails may be handed to the relay, and returns how many: one, for a probe, while it is held off. Meanwhile
/// emails stay on their lists.
async fn relay_usable(shared: &Shared, stop: &CancellationToken) -> Result<usize, Ended> {
    let mut gate = shared.hold_off.gate.watch();
    loop {
        match &*gate.borrow_and_update() {
            State::Open => return Ok(usize::MAX),
            State::ProbeDue(_) => return Ok(1),
            State::Closed(_) if shared.config.drain && shared.in_flight.is_empty() => return Err(Ended::HeldOff),
            State::Closed(_) | State::Probing(..) => {}
        }
        tokio::select! {
            // The gate is never dropped.
            _ = gate.changed() => {}
            () = sleep(CHECK_HELD_OFF), if shared.config.drain => {}
            () = stop.cancelled() => return Err(Ended::Stopped),
        }
    }
}

/// Takes all memory that is free, and waits for as much as the next email needs, if its size is given.
async fn free_room(shared: &Shared, size_of_next: Option<usize>, stop: &CancellationToken) -> Option<Room> {
    if size_of_next.is_none()
        && let Some(room) = shared.memory.take_free()
    {
        return Some(room);
    }
    tracing::debug!(bytes = size_of_next, "no room in memory for the next email; waiting for some");
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        room = shared.memory.wait(size_of_next.unwrap_or(LEAST_ROOM)) => room,
    }
}
