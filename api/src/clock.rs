//! The clock of an instance: one wait of its host for all the requests that wait for a time.
//!
//! Nearly all of them get what they wait for long before that time. To begin a wait of the host and to give it up again costs
//! it a twelfth of what a request takes. So a request leaves an alarm here instead, and one task looks after the alarms of all.
//! A request that finds no such task spawns it. It may outlive the answer to that request, and ends when it finds no alarm, so
//! that it keeps no instance that has nothing to do.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::tasks::Tasks;

/// How often the task looks, at least. For so long it may live on without an alarm, and an alarm for a time that is nearer may
/// be late.
const TICK: Duration = Duration::from_millis(100);

/// What a clock needs of its host.
pub trait Host: Tasks {
    /// Ready after this time.
    fn sleep(time: Duration) -> impl Future<Output = ()>;

    /// Runs a future beside the request whose task this is, and to its end also after the answer.
    fn spawn(future: impl Future<Output = ()> + 'static);
}

/// The clock of an instance.
pub struct Clock<H: Host> {
    /// By the times for which they are set, and in the order in which they were. What is dropped when it is time.
    alarms: RefCell<BTreeMap<(Instant, u64), H::Hold>>,
    /// How many were ever set.
    set: Cell<u64>,
    /// Whether there is a task that looks after them.
    ticks: Cell<bool>,
}

impl<H: Host> Default for Clock<H> {
    fn default() -> Self {
        Self { alarms: RefCell::default(), set: Cell::new(0), ticks: Cell::new(false) }
    }
}

impl<H: Host + 'static> Clock<H> {
    /// Ready after this time, or a little later. When the future is dropped, nothing is left of it.
    pub async fn pause(self: Rc<Self>, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let (alarm, gone) = self.set(end);
            if !self.ticks.get() {
                H::spawn(Ticking::begin(Rc::clone(&self)).run());
                // A host has no reason to begin with it before something else happens.
                H::turn().await;
            }
            gone.await;
            drop(alarm);
            // Or else the task was given up by the host, together with the request that had spawned it.
            if Instant::now() >= end {
                return;
            }
        }
    }

    fn set(&self, end: Instant) -> (Alarm<'_, H>, impl Future<Output = ()> + use<H>) {
        let (hold, gone) = H::wait();
        let key = (end, self.set.get());
        self.set.set(key.1 + 1);
        self.alarms.borrow_mut().insert(key, hold);
        (Alarm { clock: self, key }, gone)
    }

    /// Sets off what is due, and tells how long it is until the next alarm, if there is one.
    fn ring(&self) -> Option<Duration> {
        let now = Instant::now();
        let mut alarms = self.alarms.borrow_mut();
        while let Some(alarm) = alarms.first_entry() {
            let (end, _) = *alarm.key();
            if end > now {
                return Some(end - now);
            }
            alarm.remove();
        }
        None
    }
}

/// A time that is waited for, until it is dropped.
struct Alarm<'a, H: Host> {
    clock: &'a Clock<H>,
    key: (Instant, u64),
}

impl<H: Host> Drop for Alarm<'_, H> {
    fn drop(&mut self) {
        self.clock.alarms.borrow_mut().remove(&self.key);
    }
}

/// The task that looks after the alarms.
struct Ticking<H: Host>(Rc<Clock<H>>);

impl<H: Host + 'static> Ticking<H> {
    fn begin(clock: Rc<Clock<H>>) -> Self {
        clock.ticks.set(true);
        Self(clock)
    }

    async fn run(self) {
        while let Some(next) = self.0.ring() {
            H::sleep(next.min(TICK)).await;
        }
    }
}

impl<H: Host> Drop for Ticking<H> {
    fn drop(&mut self) {
        self.0.ticks.set(false);
        // Where the host has given it up: they look at the time, and one of those that wait on spawns another.
        drop(self.0.alarms.take());
    }
}

#[cfg(test)]
mod tests;
