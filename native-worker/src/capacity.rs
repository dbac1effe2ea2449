//! What a claim needs before it is made: permits, a relay that may be used, and memory.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use tokio::{sync::OwnedMutexGuard, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    ended::Ended,
    gate::State,
    memory::{ANY_SIZE, Room},
    permits::Permit,
    served_shard::ServedShard,
};

/// How often a draining worker checks whether all emails in flight have come back from a relay that is held off.
const CHECK_HELD_OFF: Duration = Duration::from_millis(100);

/// The least memory, in bytes of JSON, that a claim is made for.
const LEAST_ROOM: usize = 16 * 1024;

/// How many emails may be claimed, and of which size.
pub(crate) struct Capacity {
    /// At least one. All that were free, if there is one shard.
    pub(crate) permits: Permit,
    pub(crate) room: Room,
    relay: Usable,
}

/// How many emails may be handed to the relay.
enum Usable {
    Many,
    /// A probe. Of several shards the one that has the lock claims it.
    One {
        _claims: Option<OwnedMutexGuard<()>>,
    },
}

impl Capacity {
    /// Waits for capacity: for an email of `size_of_next` bytes of JSON, if that is given.
    ///
    /// # Errors
    /// `stop` came first; or the worker drains the queue, and what is left waits for the relay.
    pub(crate) async fn wait(
        shard: &ServedShard,
        size_of_next: Option<usize>,
        stop: &CancellationToken,
    ) -> Result<Self, Ended> {
        let permits = free_permits(shard, stop).await.ok_or(Ended::Stopped)?;
        let relay = relay_usable(shard, stop).await?;
        let room = free_room(shard, size_of_next, stop).await.ok_or(Ended::Stopped)?;
        Ok(Self { permits, room, relay })
    }

    /// The capacity that there is at the moment.
    pub(crate) fn now(shard: &ServedShard) -> Option<Self> {
        let shared = &shard.shared;
        let relay = match &*shared.hold_off.gate.watch().borrow() {
            State::Open => Usable::Many,
            State::ProbeDue(_) => Usable::One { _claims: Some(Arc::clone(&shared.probe).try_lock_owned().ok()?) },
            State::Closed(_) | State::Probing(..) => return None,
        };
        let room = shared.memory.take(shard.bytes_at_once())?;
        Some(Self { permits: shared.permits.try_acquire(shard.index())?, room, relay })
    }

    /// How many emails may be claimed: no more than there are permits, and one for a probe of the relay.
    pub(crate) fn max(&self) -> usize {
        match self.relay {
            Usable::Many => self.permits.count(),
            Usable::One { .. } => 1,
        }
    }
}

/// Waits for a permit, and takes others that are free.
async fn free_permits(shard: &ServedShard, stop: &CancellationToken) -> Option<Permit> {
    let permits = &shard.shared.permits;
    shard.saturated.store(permits.are_taken(), Ordering::Relaxed);
    let permits = tokio::select! {
        // A worker that stops must not claim emails that it would not deliver.
        biased;
        () = stop.cancelled() => return None,
        permits = permits.acquire(shard.index()) => permits,
    };
    shard.saturated.store(false, Ordering::Relaxed);
    permits
}

/// Waits until emails may be handed to the relay. Meanwhile emails stay on their lists.
async fn relay_usable(shard: &ServedShard, stop: &CancellationToken) -> Result<Usable, Ended> {
    let shared = &shard.shared;
    let mut gate = shared.hold_off.gate.watch();
    loop {
        let probe_is_due = match &*gate.borrow_and_update() {
            State::Open => return Ok(Usable::Many),
            State::ProbeDue(_) if shard.is_alone() => return Ok(Usable::One { _claims: None }),
            State::ProbeDue(_) => true,
            State::Closed(_) if shared.config.drain && shard.in_flight.is_empty() => return Err(Ended::HeldOff),
            State::Closed(_) | State::Probing(..) => false,
        };
        tokio::select! {
            claims = Arc::clone(&shared.probe).lock_owned(), if probe_is_due => {
                if matches!(&*gate.borrow(), State::ProbeDue(_)) {
                    return Ok(Usable::One { _claims: Some(claims) });
                }
            }
            // The gate is never dropped.
            _ = gate.changed() => {}
            () = sleep(CHECK_HELD_OFF), if shared.config.drain => {}
            () = stop.cancelled() => return Err(Ended::Stopped),
        }
    }
}

/// Takes memory that is free, and waits for as much as the next email needs, if its size is given. The only shard takes all;
/// of several, each what it may claim at once.
async fn free_room(shard: &ServedShard, size_of_next: Option<usize>, stop: &CancellationToken) -> Option<Room> {
    let memory = &shard.shared.memory;
    let at_once = if shard.is_alone() { ANY_SIZE } else { shard.bytes_at_once() };
    if size_of_next.is_none() {
        let room = if shard.is_alone() { memory.take_free() } else { memory.take(at_once) };
        if room.is_some() {
            return room;
        }
    }
    tracing::debug!(bytes = size_of_next, "no room in memory for the next email; waiting for some");
    tokio::select! {
        biased;
        () = stop.cancelled() => None,
        room = memory.wait(size_of_next.unwrap_or(LEAST_ROOM), at_once) => room,
    }
}
