//! A pool of sessions. Opening one costs several round trips, more with TLS, and servers limit their number.
//!
//! Emails wait here in order of arrival for an idle session, or for the permission to open one. The permission is
//! given:
//!
//! - to one at a time, until the server is known to work. If it fails, its fault goes to all that wait: a server that
//!   is down gets one connection;
//! - to at most as many at a time as there are open sessions, so that a server's limit is approached step by step;
//! - within the learned limit, which falls when the server refuses a connection beside open ones, and rises with time.

use std::sync::{Arc, Weak};

use email_queue::Class;
use tokio::{
    task::JoinSet,
    time::{Duration, sleep},
};

use super::{
    limit::ConnectionLimit,
    sessions::MAX_IDLE,
    slots::{Acquired, Pooled, Priority, Shared},
};
use crate::{metrics::Connections, transport::outcome::Fault};

/// All sessions with a server.
pub(super) struct Pool<S: Pooled>(Arc<Shared<S>>);

impl<S: Pooled> Pool<S> {
    /// Must be called within a tokio runtime: a task closes sessions that have been idle for too long.
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared::new());
        tokio::spawn(reap_idle(Arc::downgrade(&shared)));
        Self(shared)
    }

    /// Waits for a session, or the right to open one. When the future is dropped, the next waiter gets it.
    ///
    /// # Errors
    /// Another email has found that the server cannot be used.
    pub(super) async fn acquire(&self, priority: Priority) -> Result<Acquired<S>, Fault> {
        let acquired = self.0.wait(priority).await;
        // The pool drops no waiter without an answer.
        acquired.unwrap_or_else(|_| Err(Fault::of_relay(Class::Connection, "there is nobody to connect")))
    }

    pub(super) fn limit(&self) -> &ConnectionLimit {
        &self.0.limit
    }

    pub(super) fn connections(&self) -> Connections {
        self.0.connections()
    }

    /// Closes all idle sessions; takes a second at the most.
    pub(super) async fn close(&self) {
        quit(self.0.take_idle(Duration::ZERO)).await;
    }
}

/// Closes sessions that have been idle too long, and serves waiting emails when another worker has changed the limit.
async fn reap_idle<S: Pooled>(shared: Weak<Shared<S>>) {
    let Some(mut limit) = shared.upgrade().map(|shared| shared.limit.subscribe()) else { return };
    loop {
        tokio::select! {
            () = sleep(MAX_IDLE / 6) => {}
            // Once the pool is gone this fails, and so does what follows.
            _ = limit.changed() => {}
        }
        let Some(old) = shared.upgrade().map(|shared| shared.take_idle(MAX_IDLE)) else { return };
        quit(old).await;
    }
}

async fn quit<S: Pooled>(sessions: Vec<S>) {
    let quits: JoinSet<()> = sessions.into_iter().map(Pooled::quit).collect();
    quits.join_all().await;
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::transport::smtp::slots::{Checkout, Slot};

    /// A session by number.
    #[derive(Debug, PartialEq, Eq)]
    struct Numbered(u32);

    impl Pooled for Numbered {
        async fn quit(self) {}
    }

    async fn right_to_connect(pool: &Pool<Numbered>, priority: Priority) -> Slot<Numbered> {
        match pool.acquire(priority).await.unwrap() {
            Acquired::Connect(slot) => slot,
            Acquired::Idle(checkout) => panic!("an idle session: {:?}", checkout.session),
        }
    }

    async fn session(pool: &Pool<Numbered>) -> Checkout<Numbered> {
        match pool.acquire(Priority::Last).await.unwrap() {
            Acquired::Idle(checkout) => checkout,
            Acquired::Connect(_) => panic!("the right to connect"),
        }
    }

    /// Opens so many sessions with a server that works.
    async fn opened(pool: &Pool<Numbered>, count: u32) -> Vec<Checkout<Numbered>> {
        let mut checkouts = Vec::new();
        for number in 0..count {
            let checkout = right_to_connect(pool, Priority::FirstWithNew).await.connected(Numbered(number));
            checkout.slot.works();
            checkouts.push(checkout);
        }
        checkouts
    }

    /// Whether the future is not ready.
    async fn waits(future: impl Future) -> bool {
        timeout(Duration::from_millis(20), future).await.is_err()
    }

    fn refusal() -> Fault {
        Fault::of_relay(Class::Connection, "refused")
    }

    #[tokio::test]
    async fn a_server_that_is_down_sees_one_connection_and_all_who_wait_are_told() {
        let pool = Pool::<Numbered>::new();
        let first = right_to_connect(&pool, Priority::Last).await;
        let others = async { tokio::join!(pool.acquire(Priority::Last), pool.acquire(Priority::Last)) };
        let failing = async { first.not_connected(refusal()) };
        let ((second, third), fault) = tokio::join!(others, failing);
        assert_eq!((fault, second.err(), third.err()), (Some(refusal()), Some(refusal()), Some(refusal())));
        // The next one is asked again, alone.
        let _probe = right_to_connect(&pool, Priority::Last).await;
        assert!(waits(pool.acquire(Priority::Last)).await);
    }

    #[tokio::test]
    async fn nobody_else_connects_before_the_server_was_seen_to_take_an_email() {
        let pool = Pool::new();
        let checkout = right_to_connect(&pool, Priority::Last).await.connected(Numbered(1));
        // It may connect now, one at a time, but not beside another.
        let second = right_to_connect(&pool, Priority::Last).await;
        assert!(waits(pool.acquire(Priority::Last)).await);
        second.connected(Numbered(2)).slot.works();
        assert!(!waits(pool.acquire(Priority::Last)).await);
        drop(checkout);
    }

    #[tokio::test]
    async fn a_connection_refused_beside_others_is_waited_out_and_sets_the_limit() {
        let pool = Pool::new();
        let mut checkouts = opened(&pool, 5).await;
        let sixth = right_to_connect(&pool, Priority::Last).await;
        assert_eq!(sixth.not_connected(refusal()), None);
        assert_eq!(pool.limit().get(), Some(5));
        assert!(waits(pool.acquire(Priority::Last)).await);
        checkouts.remove(0).put_back();
        assert_eq!(session(&pool).await.session, Numbered(0));
    }

    #[tokio::test]
    async fn who_came_first_has_the_next_session() {
        let pool = Pool::new();
        let checkout = opened(&pool, 1).await.remove(0);
        pool.limit().set(Some(1));
        let (mut first, mut second) = (Box::pin(session(&pool)), Box::pin(session(&pool)));
        assert!(waits(&mut first).await && waits(&mut second).await);
        checkout.put_back();
        assert!(waits(&mut second).await);
        first.await.put_back();
        second.await.put_back();
    }

    #[tokio::test]
    async fn what_a_server_refused_just_before_it_went_down_is_no_limit() {
        let pool = Pool::new();
        let mut checkouts = opened(&pool, 3).await;
        for _ in 0..3 {
            // Its sessions end one after the other, and no new ones can be opened.
            drop(checkouts.pop());
            let fault = right_to_connect(&pool, Priority::FirstWithNew).await.not_connected(refusal());
            assert_eq!(fault.is_some(), checkouts.is_empty());
        }
        assert_eq!(pool.limit().get(), None);
    }

    #[tokio::test]
    async fn a_limit_that_is_set_from_outside_counts_at_once() {
        let pool = Pool::new();
        let _checkouts = opened(&pool, 2).await;
        pool.limit().set(Some(2));
        let mut third = Box::pin(pool.acquire(Priority::Last));
        assert!(waits(&mut third).await);
        pool.limit().set(Some(3));
        assert!(matches!(third.await, Ok(Acquired::Connect(_))));
    }

    #[tokio::test]
    async fn what_a_dropped_waiter_would_have_got_goes_to_the_next() {
        let pool = Pool::new();
        let checkout = opened(&pool, 1).await.remove(0);
        pool.limit().set(Some(1));
        let mut gone = Box::pin(pool.acquire(Priority::Last));
        let mut next = Box::pin(pool.acquire(Priority::Last));
        assert!(waits(&mut gone).await && waits(&mut next).await);
        checkout.put_back();
        drop(gone);
        assert!(next.await.is_ok());
    }
}
