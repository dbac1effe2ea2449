//! Sessions that wait for their next email: opening one costs several round trips, and far more with TLS.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::session::Session;

/// How long a session may wait. Servers close them after five minutes at the earliest (RFC 5321 4.5.3.2.7), and many
/// sooner, with less patience.
const MAX_IDLE: Duration = Duration::from_secs(30);

/// The sessions that wait, the one used last at the end. There are never more than emails in hand at once.
pub(super) struct Pool(Arc<Mutex<Vec<Idle>>>);

struct Idle {
    session: Session,
    since: Instant,
}

impl Pool {
    /// Must be called within a tokio runtime: a task ends sessions that have waited too long.
    pub(super) fn new() -> Self {
        let pool = Arc::default();
        tokio::spawn(tidy(Arc::downgrade(&pool)));
        Self(pool)
    }

    /// The session used last, if it has not waited too long: the others may then be needed no more.
    pub(super) fn take(&self) -> Option<Session> {
        let idle = lock(&self.0).pop()?;
        (idle.since.elapsed() < MAX_IDLE).then_some(idle.session)
    }

    pub(super) fn put(&self, session: Session, since: Instant) {
        lock(&self.0).push(Idle { session, since });
    }

    /// Ends all sessions that wait; takes a second at the most.
    pub(super) async fn close(&self) {
        let waiting = std::mem::take(&mut *lock(&self.0));
        quit(waiting).await;
    }
}

async fn tidy(pool: Weak<Mutex<Vec<Idle>>>) {
    loop {
        sleep(MAX_IDLE / 6).await;
        let Some(pool) = pool.upgrade() else { return };
        let old = {
            let mut waiting = lock(&pool);
            let fresh = waiting.partition_point(|idle| idle.since.elapsed() >= MAX_IDLE);
            waiting.drain(..fresh).collect()
        };
        drop(pool);
        quit(old).await;
    }
}

async fn quit(sessions: Vec<Idle>) {
    let goodbyes: JoinSet<()> = sessions.into_iter().map(|idle| idle.session.quit()).collect();
    goodbyes.join_all().await;
}

fn lock(pool: &Mutex<Vec<Idle>>) -> MutexGuard<'_, Vec<Idle>> {
    // Nothing panics under the lock.
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}
