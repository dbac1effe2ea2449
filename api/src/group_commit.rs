//! Group commit: emails that several requests hand in at the same time are put on the queue by one call.
//!
//! What a call costs, in Redis and on the way there, is more than what the emails in it cost. So the first request that
//! has emails ready gives those that the instance serves beside it the time to get as far, and takes their emails along.
//! A request that is alone waits for nobody.

use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

use email_queue::{
    Queue,
    call::{CallError, Redis},
    transition::{Enqueue, Enqueued, NewEmail, enqueue},
};

use crate::{
    backend::{Failure, Reached},
    kept::REPEAT_WITHIN,
    tasks::Tasks,
};

/// After so many turns in which no request has joined, no more are expected. The host begins one request at a time, and
/// does so in every second turn.
const QUIET_TURNS: u32 = 3;

/// How many emails a group takes.
const MAX_EMAILS: usize = 100;

/// A request with more JSON than this, in bytes, calls alone: its emails take longer than a call.
const MAX_BYTES: usize = 64 * 1024;

/// The calls of an instance that put emails on the queue.
pub struct GroupCommit<T: Tasks, E> {
    /// The group that can be joined.
    open: Open<T::Hold, E>,
}

type Open<H, E> = RefCell<Option<Rc<Group<H, E>>>>;

/// Requests that share one call. The first of them leads: it makes the call.
struct Group<H, E> {
    terms: Terms,
    emails: RefCell<Vec<NewEmail>>,
    /// What those who have joined wait for.
    joined: RefCell<Vec<H>>,
    /// What the call has come to for them.
    shared: RefCell<Shared<E>>,
}

type Outcome<E> = Result<Enqueued, CallError<E>>;

/// What a shared call has come to for each of its requests.
#[derive(Clone)]
enum Shared<E> {
    /// The same as for all.
    Outcome(Outcome<E>),
    /// Nothing: each calls alone.
    Nothing {
        /// Whether Redis may have carried out the call all the same.
        lost: bool,
    },
}

/// What emails of one call have in common.
struct Terms {
    queue: Queue,
    backlog_limit: Option<u64>,
    backlog_bytes: Option<u64>,
    retention: Option<Duration>,
}

impl<T: Tasks, E: Failure + Clone> GroupCommit<T, E> {
    /// Puts the emails of one request on the queue, all or none of them.
    ///
    /// When the future is dropped, they may or may not be on the queue. Other requests lose nothing by it.
    ///
    /// # Errors
    /// As [`Call::run`](email_queue::call::Call::run).
    pub async fn enqueue<R: Redis<Error = E>>(&self, redis: &R, queue: &Queue, emails: Enqueue<'_>) -> Outcome<E> {
        let shared = if !may_share(&emails) {
            Shared::Nothing { lost: false }
        } else if let Some(group) = self.open_for(queue, &emails) {
            group.join::<T>(emails.emails).await
        } else {
            self.lead(redis, queue, &emails).await
        };
        match shared {
            Shared::Outcome(outcome) => outcome,
            Shared::Nothing { lost } => enqueue(queue, emails).run(redis).await.map_err(|error| match error {
                CallError::Redis(error) if lost => CallError::Redis(error.after_loss()),
                error => error,
            }),
        }
    }

    /// The group that these emails can join, if there is one.
    fn open_for(&self, queue: &Queue, emails: &Enqueue<'_>) -> Option<Rc<Group<T::Hold, E>>> {
        let open = self.open.borrow();
        open.as_ref().filter(|group| group.has_room_for(emails.emails) && group.terms.matches(queue, emails)).cloned()
    }

    /// Opens a group, waits for others to join, and makes the call for all.
    async fn lead<R>(&self, redis: &R, queue: &Queue, emails: &Enqueue<'_>) -> Shared<E>
    where
        R: Redis<Error = E>,
    {
        let lead = Lead::begin(&self.open, Group::new(queue, emails));
        lead.group.gather::<T>().await;
        let all = lead.close();
        let began = Instant::now();
        let outcome = enqueue(queue, Enqueue { emails: &all, ..*emails }).run(redis).await;
        let is_shared = all.len() > emails.emails.len();
        let shared = if !is_shared || holds_for_each(&outcome, began.elapsed()) {
            Shared::Outcome(outcome)
        } else {
            Shared::Nothing { lost: is_lost(&outcome) }
        };
        lead.group.shared.borrow_mut().clone_from(&shared);
        shared
    }
}

impl<T: Tasks, E> Default for GroupCommit<T, E> {
    fn default() -> Self {
        Self { open: RefCell::default() }
    }
}

/// An answer to a request with an idempotency key may be about an earlier one, and is nobody else's.
fn may_share(emails: &Enqueue<'_>) -> bool {
    emails.idempotency.is_none() && emails.emails.iter().map(|email| email.json.len()).sum::<usize>() <= MAX_BYTES
}

/// Whether what came of a shared call, and after what time, is what each of its requests would have met alone. If not,
/// each finds out by itself: a backlog without room for all may have room for one, and what Redis refuses in one email is
/// no reason to refuse another. Only a Redis that is silent is not asked again, as the clients have waited long enough.
fn holds_for_each<E>(outcome: &Outcome<E>, took: Duration) -> bool {
    match outcome {
        Ok(Enqueued::Accepted) => true,
        Ok(_) => false,
        Err(_) => took >= REPEAT_WITHIN,
    }
}

fn is_lost<E: Failure>(outcome: &Outcome<E>) -> bool {
    matches!(outcome, Err(CallError::Redis(error)) if error.reached() == Reached::Unknown)
}

impl<H, E: Clone> Group<H, E> {
    fn new(queue: &Queue, emails: &Enqueue<'_>) -> Self {
        Self {
            terms: Terms::of(queue, emails),
            emails: RefCell::new(emails.emails.to_vec()),
            joined: RefCell::default(),
            // As it is where the request that leads is given up.
            shared: RefCell::new(Shared::Nothing { lost: true }),
        }
    }

    fn has_room_for(&self, emails: &[NewEmail]) -> bool {
        self.emails.borrow().len() + emails.len() <= MAX_EMAILS
    }

    /// Adds emails, and waits until the call is over.
    async fn join<T: Tasks<Hold = H>>(&self, emails: &[NewEmail]) -> Shared<E> {
        self.emails.borrow_mut().extend_from_slice(emails);
        let (hold, end) = T::wait();
        self.joined.borrow_mut().push(hold);
        end.await;
        self.shared.borrow().clone()
    }

    /// Waits as long as requests join.
    async fn gather<T: Tasks>(&self) {
        let (mut quiet, mut joined) = (0, 0);
        while quiet < QUIET_TURNS {
            T::turn().await;
            let before = std::mem::replace(&mut joined, self.joined.borrow().len());
            quiet = if joined > before { 0 } else { quiet + 1 };
        }
    }
}

/// The lead of a group. Ends when it is dropped, also where its request is given up: those who have joined then go on.
struct Lead<'a, H, E> {
    open: &'a Open<H, E>,
    group: Rc<Group<H, E>>,
}

impl<'a, H, E> Lead<'a, H, E> {
    fn begin(open: &'a Open<H, E>, group: Group<H, E>) -> Self {
        let group = Rc::new(group);
        *open.borrow_mut() = Some(Rc::clone(&group));
        Self { open, group }
    }

    /// Lets nobody join any more, and gives the emails of all.
    fn close(&self) -> Vec<NewEmail> {
        // A request that found no room may have opened another one.
        self.open.borrow_mut().take_if(|open| Rc::ptr_eq(open, &self.group));
        self.group.emails.take()
    }
}

impl<H, E> Drop for Lead<'_, H, E> {
    fn drop(&mut self) {
        self.close();
        drop(self.group.joined.take());
    }
}

impl Terms {
    fn of(queue: &Queue, emails: &Enqueue<'_>) -> Self {
        let Enqueue { backlog_limit, backlog_bytes, retention, .. } = *emails;
        Self { queue: queue.clone(), backlog_limit, backlog_bytes, retention }
    }

    fn matches(&self, queue: &Queue, emails: &Enqueue<'_>) -> bool {
        self.queue == *queue
            && self.backlog_limit == emails.backlog_limit
            && self.backlog_bytes == emails.backlog_bytes
            && self.retention == emails.retention
    }
}

#[cfg(test)]
mod tests;
