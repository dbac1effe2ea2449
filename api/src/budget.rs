//! How much of large bodies an instance takes in at the same time.
//!
//! A host gives an instance so much memory, and up to 16 requests at once. What does not fit together is taken in one after the
//! other: a request whose memory would not be there is ended by the host, and with it all that the instance serves.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::Duration,
};

use crate::tasks::{Tasks, within};

/// A body of up to so many bytes is taken in whatever else is, so that no small email waits for a large one. As many as
/// an instance has requests take a mebibyte.
pub const SMALL: usize = 64 * 1024;

/// For so long a body waits for room. A large one is done within a second, unless its client is slow.
const PATIENCE: Duration = Duration::from_secs(10);

/// What the requests of an instance take in together.
pub struct Budget<T: Tasks> {
    taken: Cell<usize>,
    /// In the order in which they came, so that a large body does not wait for ever behind others that fit.
    waiting: RefCell<VecDeque<Waiting<T::Hold>>>,
    tickets: Cell<u64>,
}

struct Waiting<H> {
    ticket: u64,
    bytes: usize,
    most: usize,
    /// Dropped to let it go on.
    _hold: H,
}

/// What one request has taken, or waits for. It goes back when this is dropped.
pub struct Share<T: Tasks> {
    budget: Rc<Budget<T>>,
    ticket: u64,
    bytes: usize,
}

impl<T: Tasks> Budget<T> {
    /// Takes so many bytes as soon as no more than `most` are taken in all, or none by others. `None` where that is not so in
    /// time. When the future is dropped, nothing is taken.
    ///
    /// A request takes once: two that hold something and wait for more could wait for each other.
    pub async fn take(self: &Rc<Self>, bytes: usize, most: usize) -> Option<Share<T>> {
        let ticket = self.tickets.get();
        self.tickets.set(ticket.wrapping_add(1));
        let share = Share { budget: Rc::clone(self), ticket, bytes };
        if self.waiting.borrow().is_empty() && self.admits(bytes, most) {
            self.taken.set(self.taken.get() + bytes);
            return Some(share);
        }
        let (hold, admitted) = T::wait();
        self.waiting.borrow_mut().push_back(Waiting { ticket, bytes, most, _hold: hold });
        within::<T, _>(PATIENCE, admitted).await.map(|()| share)
    }

    fn admits(&self, bytes: usize, most: usize) -> bool {
        let taken = self.taken.get();
        taken == 0 || taken.saturating_add(bytes) <= most
    }

    fn give_back(&self, bytes: usize) {
        self.taken.set(self.taken.get().saturating_sub(bytes));
        self.admit();
    }

    /// Lets those go on for whom there is room now.
    fn admit(&self) {
        loop {
            let first = self.waiting.borrow().front().map(|first| (first.bytes, first.most));
            let Some((bytes, most)) = first else { return };
            if !self.admits(bytes, most) {
                return;
            }
            self.taken.set(self.taken.get() + bytes);
            // Not in the statement that borrows: whoever waits may go on at once.
            let admitted = self.waiting.borrow_mut().pop_front();
            drop(admitted);
        }
    }
}

impl<T: Tasks> Default for Budget<T> {
    fn default() -> Self {
        Self { taken: Cell::default(), waiting: RefCell::default(), tickets: Cell::default() }
    }
}

impl<T: Tasks> Share<T> {
    /// Gives back all but so many bytes.
    pub fn shrink(&mut self, bytes: usize) {
        let spare = self.bytes.saturating_sub(bytes);
        self.bytes -= spare;
        self.budget.give_back(spare);
    }
}

impl<T: Tasks> Drop for Share<T> {
    fn drop(&mut self) {
        let place = self.budget.waiting.borrow().iter().position(|waiting| waiting.ticket == self.ticket);
        match place {
            Some(place) => {
                let waiting = self.budget.waiting.borrow_mut().remove(place);
                drop(waiting);
                // It may have stood before others that fit.
                self.budget.admit();
            }
            None => self.budget.give_back(self.bytes),
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
    use crate::tasks::testing::Polled;

    const MOST: usize = 100;

    fn budget() -> Rc<Budget<Polled>> {
        Rc::default()
    }

    fn poll<O>(future: &mut Pin<&mut impl Future<Output = O>>) -> Poll<O> {
        future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    fn taken<O>(future: &mut Pin<&mut impl Future<Output = Option<O>>>) -> O {
        match poll(future) {
            Poll::Ready(Some(share)) => share,
            Poll::Ready(None) => panic!("refused"),
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn what_does_not_fit_waits_until_others_are_done_in_the_order_in_which_it_came() {
        let budget = budget();
        let first = taken(&mut pin!(budget.take(60, MOST)));
        let (mut large, mut fits) = (pin!(budget.take(70, MOST)), pin!(budget.take(10, MOST)));
        assert!(poll(&mut large).is_pending());
        assert!(poll(&mut fits).is_pending(), "it would fit, but overtakes the other");
        drop(first);
        let (large, fits) = (taken(&mut large), taken(&mut fits));
        assert_eq!(budget.taken.get(), 80);
        drop((large, fits));
        assert_eq!(budget.taken.get(), 0);
    }

    #[test]
    fn what_is_more_than_all_is_taken_alone() {
        let budget = budget();
        let alone = taken(&mut pin!(budget.take(1000, MOST)));
        let mut other = pin!(budget.take(1, MOST));
        assert!(poll(&mut other).is_pending());
        drop(alone);
        let other = taken(&mut other);
        let mut again = pin!(budget.take(1000, MOST));
        assert!(poll(&mut again).is_pending());
        drop(other);
        taken(&mut again);
    }

    #[test]
    fn what_is_given_back_early_is_there_for_others() {
        let budget = budget();
        let mut first = taken(&mut pin!(budget.take(100, MOST)));
        let mut second = pin!(budget.take(40, MOST));
        assert!(poll(&mut second).is_pending());
        first.shrink(60);
        let second = taken(&mut second);
        drop(first);
        assert_eq!(budget.taken.get(), 40);
        drop(second);
    }

    #[test]
    fn who_no_longer_waits_takes_nothing_and_is_in_nobody_s_way() {
        let budget = budget();
        let first = taken(&mut pin!(budget.take(60, MOST)));
        {
            let mut large = Box::pin(budget.take(70, MOST));
            assert!(poll(&mut large.as_mut()).is_pending());
            let mut fits = pin!(budget.take(10, MOST));
            assert!(poll(&mut fits).is_pending());
            drop(large);
            taken(&mut fits);
        }
        {
            // Room is made for it, and it never learns of that.
            let mut admitted = Box::pin(budget.take(70, MOST));
            assert!(poll(&mut admitted.as_mut()).is_pending());
            drop(first);
            assert_eq!(budget.taken.get(), 70);
        }
        assert_eq!((budget.taken.get(), budget.waiting.borrow().len()), (0, 0));
    }
}
