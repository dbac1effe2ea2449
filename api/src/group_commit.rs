//! Group commit: one call puts the emails of several requests on the queue.
//!
//! A call costs more, in Redis and on the way there, than the emails in it. So the first request that has emails ready leads:
//! it waits until the other requests of the instance have theirs ready, and makes one call for all. A request that is alone
//! waits for a few yields only.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use email_queue::{
    Queue, Replication, Shard, Shards,
    call::{CallError, Redis},
    transition::{Enqueue, Enqueued, NewEmail, enqueue},
};

use crate::{
    backend::{Effect, Failure},
    runtime::Runtime,
    shared_connection::RESEND_WITHIN,
};

/// How many emails a group takes.
const MAX_EMAILS: usize = 100;

/// A request with more JSON than this, in bytes, calls alone: its emails take longer than the call itself.
const MAX_BYTES: usize = 64 * 1024;

/// The calls of an instance that put emails on the queue.
pub(crate) struct GroupCommit<R: Runtime, E> {
    /// The group that can be joined.
    open: Open<R::Notify, E>,
}

type Open<N, E> = RefCell<Option<Rc<Group<N, E>>>>;

/// Requests that share one call. The first of them makes it.
struct Group<N, E> {
    terms: Terms,
    emails: RefCell<Vec<NewEmail>>,
    /// Wakes the requests that have joined, one each.
    joined: RefCell<Vec<N>>,
    /// The result of the call for each.
    shared: RefCell<Shared<E>>,
}

type Outcome<E> = Result<Enqueued, CallError<E>>;

/// What each request gets from a shared call.
#[derive(Clone)]
enum Shared<E> {
    /// The outcome of the call.
    Outcome(Outcome<E>),
    /// Nothing: each request makes a call of its own.
    Nothing {
        /// Whether Redis may have carried out the shared call without an answer.
        lost: bool,
    },
}

/// The settings that all emails of one call have in common.
struct Terms {
    queue: Queue,
    backlog_limit: Option<u64>,
    backlog_bytes: Option<u64>,
    retention: Option<Duration>,
    replication: Option<Replication>,
}

impl<R: Runtime, E: Failure + Clone> GroupCommit<R, E> {
    /// Puts the emails of one request on the queue, all or none of them.
    ///
    /// When the future is dropped, they may or may not be on the queue. Other requests are not affected.
    ///
    /// # Errors
    /// As [`Call::run`](email_queue::call::Call::run).
    pub(crate) async fn enqueue<C: Redis<Error = E>>(
        &self,
        redis: &C,
        queue: &Queue,
        emails: Enqueue<'_>,
    ) -> Outcome<E> {
        let shared = if !may_share(&emails) {
            Shared::Nothing { lost: false }
        } else if let Some(group) = self.open_for(queue, &emails) {
            group.join::<R>(emails.emails).await
        } else {
            self.lead(redis, queue, &emails).await
        };
        match shared {
            Shared::Outcome(outcome) => outcome,
            Shared::Nothing { lost } => enqueue(queue, emails).run(redis).await.map_err(|error| match error {
                CallError::Redis(error) if lost => CallError::Redis(error.after_lost_answer()),
                error => error,
            }),
        }
    }

    /// The shard of the group that these emails can join, if there is one.
    pub(crate) fn shard_for(&self, shards: &Shards, emails: &Enqueue<'_>) -> Option<Shard> {
        if !may_share(emails) {
            return None;
        }
        let open = self.open.borrow();
        let group = open.as_ref().filter(|group| group.has_room_for(emails.emails))?;
        // Those of one group are in one shard.
        let shard = shards.of(group.emails.borrow().first()?.id);
        group.terms.matches(&shards.queue(shard), emails).then_some(shard)
    }

    /// The group that these emails can join, if there is one.
    fn open_for(&self, queue: &Queue, emails: &Enqueue<'_>) -> Option<Rc<Group<R::Notify, E>>> {
        let open = self.open.borrow();
        open.as_ref().filter(|group| group.has_room_for(emails.emails) && group.terms.matches(queue, emails)).cloned()
    }

    /// Opens a group, waits for others to join, and makes the call for all.
    async fn lead<C>(&self, redis: &C, queue: &Queue, emails: &Enqueue<'_>) -> Shared<E>
    where
        C: Redis<Error = E>,
    {
        let leader = Leader::begin(&self.open, Group::new(queue, emails));
        leader.group.gather::<R>().await;
        let all = leader.close();
        let began = Instant::now();
        let outcome = enqueue(queue, Enqueue { emails: &all, ..*emails }).run(redis).await;
        let is_shared = all.len() > emails.emails.len();
        let shared = if !is_shared || holds_for_each(&outcome, began.elapsed()) {
            Shared::Outcome(outcome)
        } else {
            Shared::Nothing { lost: is_lost(&outcome) }
        };
        leader.group.shared.borrow_mut().clone_from(&shared);
        shared
    }
}

impl<R: Runtime, E> Default for GroupCommit<R, E> {
    fn default() -> Self {
        Self { open: RefCell::default() }
    }
}

/// The answer to a request with an idempotency key may be about an earlier request, so others cannot share it.
fn may_share(emails: &Enqueue<'_>) -> bool {
    emails.idempotency.is_none() && emails.emails.iter().map(|email| email.json.len()).sum::<usize>() <= MAX_BYTES
}

/// Whether each request of a shared call would have had the same outcome alone. If not, each makes its own call: a backlog
/// without room for all may have room for one, and Redis may refuse one email and take another. After an error that took long
/// Redis is not asked again, because the clients have waited long enough.
fn holds_for_each<E>(outcome: &Outcome<E>, took: Duration) -> bool {
    match outcome {
        Ok(Enqueued::Accepted) | Err(CallError::NotReplicated(_)) => true,
        Ok(_) => false,
        Err(_) => took >= RESEND_WITHIN,
    }
}

fn is_lost<E: Failure>(outcome: &Outcome<E>) -> bool {
    matches!(outcome, Err(CallError::Redis(error)) if error.effect() == Effect::Unknown)
}

impl<N, E: Clone> Group<N, E> {
    fn new(queue: &Queue, emails: &Enqueue<'_>) -> Self {
        Self {
            terms: Terms::of(queue, emails),
            emails: RefCell::new(emails.emails.to_vec()),
            joined: RefCell::default(),
            // What remains if the leader is dropped.
            shared: RefCell::new(Shared::Nothing { lost: true }),
        }
    }

    fn has_room_for(&self, emails: &[NewEmail]) -> bool {
        self.emails.borrow().len() + emails.len() <= MAX_EMAILS
    }

    /// Adds emails, and waits until the call is over.
    async fn join<R: Runtime<Notify = N>>(&self, emails: &[NewEmail]) -> Shared<E> {
        self.emails.borrow_mut().extend_from_slice(emails);
        let (notify, done) = R::notify();
        self.joined.borrow_mut().push(notify);
        done.await;
        self.shared.borrow().clone()
    }

    /// Yields as long as requests join.
    async fn gather<R: Runtime>(&self) {
        let (mut quiet, mut joined) = (0, 0);
        while quiet < R::YIELDS_BEFORE_COMMIT {
            R::yield_now().await;
            let before = std::mem::replace(&mut joined, self.joined.borrow().len());
            quiet = if joined > before { 0 } else { quiet + 1 };
        }
    }
}

/// The leader of a group. When it is dropped, with its request or after the call, the requests that have joined
/// continue.
struct Leader<'a, N, E> {
    open: &'a Open<N, E>,
    group: Rc<Group<N, E>>,
}

impl<'a, N, E> Leader<'a, N, E> {
    fn begin(open: &'a Open<N, E>, group: Group<N, E>) -> Self {
        let group = Rc::new(group);
        *open.borrow_mut() = Some(Rc::clone(&group));
        Self { open, group }
    }

    /// Closes the group to further requests, and returns the emails of all.
    fn close(&self) -> Vec<NewEmail> {
        // A request for which this group had no room may have opened another.
        self.open.borrow_mut().take_if(|open| Rc::ptr_eq(open, &self.group));
        self.group.emails.take()
    }
}

impl<N, E> Drop for Leader<'_, N, E> {
    fn drop(&mut self) {
        self.close();
        drop(self.group.joined.take());
    }
}

impl Terms {
    fn of(queue: &Queue, emails: &Enqueue<'_>) -> Self {
        let Enqueue { backlog_limit, backlog_bytes, retention, replication, .. } = *emails;
        Self { queue: queue.clone(), backlog_limit, backlog_bytes, retention, replication }
    }

    fn matches(&self, queue: &Queue, emails: &Enqueue<'_>) -> bool {
        self.queue == *queue
            && self.backlog_limit == emails.backlog_limit
            && self.backlog_bytes == emails.backlog_bytes
            && self.retention == emails.retention
            && self.replication == emails.replication
    }
}

#[cfg(test)]
mod tests;
