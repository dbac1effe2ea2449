//! Maintenance of a queue: pushes due emails to their lists, requeues those of dead workers, deletes those past their retention. One
//! worker at a time does it for all, with [`maintain`]. Each worker adds to the history of the queue, with [`sample`].

mod batch;
mod expire;
mod lock;
mod push_due;
mod recount;
mod requeue;
mod rescue;
mod sample;

use std::time::Duration;

pub use lock::{Watch, watch};
pub use sample::{SAMPLES_APART, sample};

use crate::{
    Queue,
    call::{CallError, Redis},
};
use expire::expire;
use lock::{lock, unlock};
use push_due::push_due;
use recount::recount;
use requeue::requeue;
use rescue::rescue;

/// How [`maintain`] works. The default suits everything but tests.
#[derive(Debug, Clone, Copy)]
pub struct Maintenance {
    /// How long the lock keeps other workers from doing the same.
    pub lock: Duration,
    /// The maximum of emails per script, so that no script blocks Redis for long.
    pub batch: usize,
    /// How long an email may be popped and not claimed before its worker counts as dead.
    pub grace: Duration,
    /// How often an email may be recovered from dead workers before it becomes a dead letter, because it may be what
    /// kills them.
    pub max_recoveries: u32,
    /// How long the lock lasts at most if nothing waits and nothing is due.
    pub longest_lock: Duration,
}

impl Default for Maintenance {
    fn default() -> Self {
        Self {
            lock: Duration::from_millis(900),
            batch: 1000,
            grace: Duration::from_secs(5),
            max_recoveries: 20,
            longest_lock: Duration::from_secs(60),
        }
    }
}

/// What [`maintain`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Maintained {
    /// Whether this caller had the lock; if not, nothing was done.
    pub locked: bool,
    /// Scheduled emails and retries that were due.
    pub due: u64,
    /// Emails recovered from dead workers.
    pub recovered: u64,
    /// Dead letters, because too many workers died with them.
    pub dead_lettered: u64,
    /// Emails that were popped and never claimed.
    pub requeued: u64,
    /// Emails deleted at the end of their retention.
    pub expired: u64,
    /// Whether some kind of work was cut off at its limit, so that there is more to do at once.
    pub more: bool,
}

/// Does what is due, unless another worker has the lock. Call it when [`watch`] returns that it is due.
///
/// When the future is dropped, or a call fails, the work stops between two scripts; the lock expires after
/// [`Maintenance::lock`].
///
/// # Errors
/// As [`Call::run`](crate::call::Call::run).
pub async fn maintain<R: Redis>(
    redis: &R,
    queue: &Queue,
    settings: Maintenance,
) -> Result<Maintained, CallError<R::Error>> {
    let Maintenance { batch, grace, max_recoveries, longest_lock, .. } = settings;
    if !lock(queue, settings.lock).run(redis).await? {
        return Ok(Maintained::default());
    }
    let due = push_due(queue, batch).run(redis).await?;
    let (rescued, dead_lettered) = rescue(queue, batch, max_recoveries).run(redis).await?;
    let requeued = requeue(queue, batch, grace).run(redis).await?;
    let expired = expire(queue, batch).run(redis).await?;
    recount(queue, batch.div_ceil(2)).run(redis).await?;
    let more = due.more || rescued.more || expired.more;
    unlock(queue, more, due.emails + rescued.emails > 0, settings.lock, longest_lock).run(redis).await?;
    Ok(Maintained {
        locked: true,
        due: due.emails,
        recovered: rescued.emails,
        dead_lettered,
        requeued,
        expired: expired.emails,
        more,
    })
}
