//! How much memory the large bodies of an instance take at the same time.
//!
//! A host may limit the memory of an instance, and end the instance with all its requests when one of them exceeds the limit.
//! So large bodies that do not fit together are read one after the other.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    time::Duration,
};

use crate::runtime::{Runtime, timeout};

/// How long a body waits for memory. A large one is done within a second, unless its client is slow.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// The memory that the large bodies of an instance have reserved.
pub(crate) struct Budget<R: Runtime> {
    reserved: Cell<usize>,
    /// In the order of arrival, so that a large body does not wait for ever behind smaller ones that fit.
    waiting: RefCell<VecDeque<Waiting<R::Notify>>>,
    tickets: Cell<u64>,
}

struct Waiting<N> {
    ticket: u64,
    bytes: usize,
    limit: usize,
    /// Dropped to admit it.
    _notify: N,
}

/// The memory that one request has reserved, or waits for. It is returned when this is dropped.
pub(crate) struct Reservation<'a, R: Runtime> {
    budget: &'a Budget<R>,
    ticket: u64,
    bytes: usize,
}

impl<R: Runtime> Budget<R> {
    /// Reserves so many bytes as soon as no more than `limit` are reserved in all, or none by others. `None` if that takes
    /// longer than 10 seconds. When the future is dropped, nothing is reserved.
    ///
    /// A request reserves only once, to avoid deadlock.
    pub(crate) async fn reserve(&self, bytes: usize, limit: usize) -> Option<Reservation<'_, R>> {
        let ticket = self.tickets.get();
        self.tickets.set(ticket.wrapping_add(1));
        let reservation = Reservation { budget: self, ticket, bytes };
        if self.waiting.borrow().is_empty() && self.has_room_for(bytes, limit) {
            self.reserved.set(self.reserved.get() + bytes);
            return Some(reservation);
        }
        let (notify, admitted) = R::notify();
        self.waiting.borrow_mut().push_back(Waiting { ticket, bytes, limit, _notify: notify });
        timeout::<R, _>(MAX_WAIT, admitted).await.map(|()| reservation)
    }

    fn has_room_for(&self, bytes: usize, limit: usize) -> bool {
        let reserved = self.reserved.get();
        reserved == 0 || reserved.saturating_add(bytes) <= limit
    }

    fn release(&self, bytes: usize) {
        self.reserved.set(self.reserved.get().saturating_sub(bytes));
        self.admit();
    }

    /// Admits the first requests that wait, as many as there is room for.
    fn admit(&self) {
        loop {
            let first = self.waiting.borrow().front().map(|first| (first.bytes, first.limit));
            let Some((bytes, limit)) = first else { return };
            if !self.has_room_for(bytes, limit) {
                return;
            }
            self.reserved.set(self.reserved.get() + bytes);
            // Not in the statement that borrows: the drop may wake a request that reserves or releases at once.
            let admitted = self.waiting.borrow_mut().pop_front();
            drop(admitted);
        }
    }
}

impl<R: Runtime> Default for Budget<R> {
    fn default() -> Self {
        Self { reserved: Cell::default(), waiting: RefCell::default(), tickets: Cell::default() }
    }
}

impl<R: Runtime> Reservation<'_, R> {
    /// Returns all but so many bytes.
    pub(crate) fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.budget.release(spare);
    }
}

impl<R: Runtime> Drop for Reservation<'_, R> {
    fn drop(&mut self) {
        let position = self.budget.waiting.borrow().iter().position(|waiting| waiting.ticket == self.ticket);
        match position {
            Some(position) => {
                let waiting = self.budget.waiting.borrow_mut().remove(position);
                drop(waiting);
                // It may have blocked others that fit.
                self.budget.admit();
            }
            None => self.budget.release(self.bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::Future,
        pin::{Pin, pin},
        task::{Context, Poll, Waker},
    };

    use super::*;
    use crate::runtime::testing::Polled;

    const LIMIT: usize = 100;

    fn budget() -> Budget<Polled> {
        Budget::default()
    }

    fn poll<O>(future: &mut Pin<&mut impl Future<Output = O>>) -> Poll<O> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn reserved<O>(future: &mut Pin<&mut impl Future<Output = Option<O>>>) -> O {
        match poll(future) {
            Poll::Ready(Some(reservation)) => reservation,
            Poll::Ready(None) => panic!("refused"),
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn what_does_not_fit_waits_until_others_are_done_in_the_order_in_which_it_came() {
        let budget = budget();
        let first = reserved(&mut pin!(budget.reserve(60, LIMIT)));
        let (mut large, mut fits) = (pin!(budget.reserve(70, LIMIT)), pin!(budget.reserve(10, LIMIT)));
        assert!(poll(&mut large).is_pending());
        assert!(poll(&mut fits).is_pending(), "it would fit, but overtakes the other");
        drop(first);
        let (large, fits) = (reserved(&mut large), reserved(&mut fits));
        assert_eq!(budget.reserved.get(), 80);
        drop((large, fits));
        assert_eq!(budget.reserved.get(), 0);
    }

    #[test]
    fn what_is_more_than_all_is_reserved_alone() {
        let budget = budget();
        let alone = reserved(&mut pin!(budget.reserve(1000, LIMIT)));
        let mut other = pin!(budget.reserve(1, LIMIT));
        assert!(poll(&mut other).is_pending());
        drop(alone);
        let other = reserved(&mut other);
        let mut again = pin!(budget.reserve(1000, LIMIT));
        assert!(poll(&mut again).is_pending());
        drop(other);
        reserved(&mut again);
    }

    #[test]
    fn what_is_returned_early_is_there_for_others() {
        let budget = budget();
        let mut first = reserved(&mut pin!(budget.reserve(100, LIMIT)));
        let mut second = pin!(budget.reserve(40, LIMIT));
        assert!(poll(&mut second).is_pending());
        first.shrink(60);
        let second = reserved(&mut second);
        drop(first);
        assert_eq!(budget.reserved.get(), 40);
        drop(second);
    }

    #[test]
    fn a_request_that_no_longer_waits_reserves_nothing_and_holds_up_no_other() {
        let budget = budget();
        let first = reserved(&mut pin!(budget.reserve(60, LIMIT)));
        {
            let mut large = Box::pin(budget.reserve(70, LIMIT));
            assert!(poll(&mut large.as_mut()).is_pending());
            let mut fits = pin!(budget.reserve(10, LIMIT));
            assert!(poll(&mut fits).is_pending());
            drop(large);
            reserved(&mut fits);
        }
        {
            // It is admitted, and dropped before it is polled again.
            let mut admitted = Box::pin(budget.reserve(70, LIMIT));
            assert!(poll(&mut admitted.as_mut()).is_pending());
            drop(first);
            assert_eq!(budget.reserved.get(), 70);
        }
        assert_eq!((budget.reserved.get(), budget.waiting.borrow().len()), (0, 0));
    }
}
