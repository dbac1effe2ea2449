//! Sessions, and whose turn it is to have one: opening one costs several round trips, and far more with TLS, and servers
//! take only so many at once.
//!
//! Whoever has an email waits here for its turn, first come first served, and gets a session that waits, or the right to
//! open one. That right is given:
//!
//! - to one at a time, as long as it is not known that the server works. If it does not, all who wait are told what the
//!   one was told: a server that is down sees one connection;
//! - to no more at a time than there are sessions already, so that a limit of the server is met and not overrun;
//! - within the limit. It is lowered when the server refuses a connection beside open ones, and climbs with time.

use std::sync::{Arc, Weak};

use tokio::{
    task::JoinSet,
    time::{Duration, sleep},
};

use super::{
    limit::ConnectionLimit,
    outcome::{Fault, Kind},
    turns::{MAX_IDLE, Place, Pooled, Shared, Turn},
};

/// All sessions with a server.
pub(super) struct Pool<S: Pooled>(Arc<Shared<S>>);

impl<S: Pooled> Pool<S> {
    /// Must be called within a tokio runtime: a task ends sessions that have waited too long.
    pub(super) fn new() -> Self {
        let shared = Arc::new(Shared::new());
        tokio::spawn(reap_idle(Arc::downgrade(&shared)));
        Self(shared)
    }

    /// Waits for a session, or the right to open one. When the future is dropped, others have the turn.
    ///
    /// # Errors
    /// Somebody else has found that the server cannot be used.
    pub(super) async fn turn(&self, place: Place) -> Result<Turn<S>, Fault> {
        // The other end is in the queue, which is ours.
        let turn = self.0.wait(place).await;
        turn.unwrap_or_else(|_| Err(Fault::of_server(Kind::Connection, "there is nobody to connect")))
    }

    pub(super) fn limit(&self) -> &ConnectionLimit {
        &self.0.limit
    }

    /// Ends all sessions that wait; takes a second at the most.
    pub(super) async fn close(&self) {
        quit(self.0.take_idle(Duration::ZERO)).await;
    }
}

/// Ends sessions that have waited too long, and sees to those who wait when the limit is set from outside.
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
    let goodbyes: JoinSet<()> = sessions.into_iter().map(Pooled::quit).collect();
    goodbyes.join_all().await;
}

#[cfg(test)]
mod tests {
    use tokio::time::timeout;

    use super::*;
    use crate::transport::smtp::turns::{Lease, Seat};

    /// A session by number.
    #[derive(Debug, PartialEq, Eq)]
    struct Numbered(u32);

    impl Pooled for Numbered {
        fn is_quiet(&mut self) -> bool {
            true
        }

        async fn quit(self) {}
    }

    async fn right_to_connect(pool: &Pool<Numbered>, place: Place) -> Seat<Numbered> {
        match pool.turn(place).await.unwrap() {
            Turn::Connect(seat) => seat,
            Turn::Reuse(lease) => panic!("a session that waits: {:?}", lease.session),
        }
    }

    async fn session(pool: &Pool<Numbered>) -> Lease<Numbered> {
        match pool.turn(Place::Back).await.unwrap() {
            Turn::Reuse(lease) => lease,
            Turn::Connect(_) => panic!("the right to connect"),
        }
    }

    /// Opens so many sessions with a server that works.
    async fn opened(pool: &Pool<Numbered>, count: u32) -> Vec<Lease<Numbered>> {
        let mut leases = Vec::new();
        for number in 0..count {
            let lease = right_to_connect(pool, Place::New).await.connected(Numbered(number));
            lease.seat.works();
            leases.push(lease);
        }
        leases
    }

    /// Whether it is not this one's turn now.
    async fn waits(turn: impl Future) -> bool {
        timeout(Duration::from_millis(20), turn).await.is_err()
    }

    fn refusal() -> Fault {
        Fault::of_server(Kind::Connection, "refused")
    }

    #[tokio::test]
    async fn a_server_that_is_down_sees_one_connection_and_all_who_wait_are_told() {
        let pool = Pool::<Numbered>::new();
        let first = right_to_connect(&pool, Place::Back).await;
        let others = async { tokio::join!(pool.turn(Place::Back), pool.turn(Place::Back)) };
        let failing = async { first.not_connected(refusal()) };
        let ((second, third), fault) = tokio::join!(others, failing);
        assert_eq!((fault, second.err(), third.err()), (Some(refusal()), Some(refusal()), Some(refusal())));
        // The next one is asked again, alone.
        let _probe = right_to_connect(&pool, Place::Back).await;
        assert!(waits(pool.turn(Place::Back)).await);
    }

    #[tokio::test]
    async fn nobody_else_connects_before_the_server_was_seen_to_take_an_email() {
        let pool = Pool::new();
        let lease = right_to_connect(&pool, Place::Back).await.connected(Numbered(1));
        // It may connect now, one at a time, but not beside another.
        let second = right_to_connect(&pool, Place::Back).await;
        assert!(waits(pool.turn(Place::Back)).await);
        second.connected(Numbered(2)).seat.works();
        assert!(!waits(pool.turn(Place::Back)).await);
        drop(lease);
    }

    #[tokio::test]
    async fn a_connection_refused_beside_others_is_waited_out_and_sets_the_limit() {
        let pool = Pool::new();
        let mut leases = opened(&pool, 5).await;
        let sixth = right_to_connect(&pool, Place::Back).await;
        assert_eq!(sixth.not_connected(refusal()), None);
        assert_eq!(pool.limit().get(), Some(5));
        assert!(waits(pool.turn(Place::Back)).await);
        leases.remove(0).put_back();
        assert_eq!(session(&pool).await.session, Numbered(0));
    }

    #[tokio::test]
    async fn who_came_first_has_the_next_session() {
        let pool = Pool::new();
        let lease = opened(&pool, 1).await.remove(0);
        pool.limit().set(Some(1));
        let (mut first, mut second) = (Box::pin(session(&pool)), Box::pin(session(&pool)));
        assert!(waits(&mut first).await && waits(&mut second).await);
        lease.put_back();
        assert!(waits(&mut second).await);
        first.await.put_back();
        second.await.put_back();
    }

    #[tokio::test]
    async fn what_a_server_refused_just_before_it_went_down_is_no_limit() {
        let pool = Pool::new();
        let mut leases = opened(&pool, 3).await;
        for _ in 0..3 {
            // Its sessions end one after the other, and no new ones are to be had.
            drop(leases.pop());
            let fault = right_to_connect(&pool, Place::New).await.not_connected(refusal());
            assert_eq!(fault.is_some(), leases.is_empty());
        }
        assert_eq!(pool.limit().get(), None);
    }

    #[tokio::test]
    async fn a_limit_that_is_set_from_outside_counts_at_once() {
        let pool = Pool::new();
        let _leases = opened(&pool, 2).await;
        pool.limit().set(Some(2));
        let mut third = Box::pin(pool.turn(Place::Back));
        assert!(waits(&mut third).await);
        pool.limit().set(Some(3));
        assert!(matches!(third.await, Ok(Turn::Connect(_))));
    }

    #[tokio::test]
    async fn a_turn_that_nobody_takes_any_more_goes_to_the_next() {
        let pool = Pool::new();
        let lease = opened(&pool, 1).await.remove(0);
        pool.limit().set(Some(1));
        let mut gone = Box::pin(pool.turn(Place::Back));
        let mut next = Box::pin(pool.turn(Place::Back));
        assert!(waits(&mut gone).await && waits(&mut next).await);
        lease.put_back();
        drop(gone);
        assert!(next.await.is_ok());
    }
}
