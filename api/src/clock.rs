//! Timers for a host whose own are expensive: one timer of the host for all that the requests of an instance wait for.
//!
//! Nearly every request gets what it waits for long before its time-out. Under WASI 0.3, to start and cancel a timer of the host for
//! that takes a twelfth of the time of a request. So a request only adds an alarm here, and one task of the host waits for all of
//! them. A request that finds no such task spawns it. It may outlive the answer to that request. It ends when no alarm is left, so
//! that it does not keep an idle instance alive.
//!
//! A host with cheap timers, such as tokio, needs none of this.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    rc::Rc,
    time::{Duration, Instant},
};

use crate::runtime::Runtime;

/// The longest time that the task waits at once. It may live on so long without an alarm, and an alarm that is set for an earlier
/// time may be so late.
const TICK: Duration = Duration::from_millis(100);

/// A runtime that sleeps by a [`Clock`], and what the clock needs for that.
pub trait ClockHost: Runtime {
    /// Ready after this time, by a timer of the host.
    fn host_sleep(time: Duration) -> impl Future<Output = ()>;

    /// Runs a future beside the request that is being polled, and to its end also after the answer.
    fn spawn(future: impl Future<Output = ()> + 'static);
}

/// The clock of an instance.
pub struct Clock<H: ClockHost> {
    /// By their times, and then in the order in which they were set. Dropped when they are due.
    alarms: RefCell<BTreeMap<(Instant, u64), H::Notify>>,
    /// How many were ever set.
    set: Cell<u64>,
    /// Whether the task runs.
    is_ticking: Cell<bool>,
}

impl<H: ClockHost> Default for Clock<H> {
    fn default() -> Self {
        Self { alarms: RefCell::default(), set: Cell::new(0), is_ticking: Cell::new(false) }
    }
}

impl<H: ClockHost + 'static> Clock<H> {
    /// Ready after this time, or slightly later. Dropping the future removes the alarm.
    pub async fn sleep(self: Rc<Self>, time: Duration) {
        let end = Instant::now() + time;
        loop {
            let (alarm, due) = self.set(end);
            if !self.is_ticking.get() {
                H::spawn(Ticker::start(Rc::clone(&self)).run());
                // Otherwise a host may not start it before something else happens.
                H::yield_now().await;
            }
            due.await;
            drop(alarm);
            // Otherwise the host has dropped the task, together with the request that had spawned it.
            if Instant::now() >= end {
                return;
            }
        }
    }

    fn set(&self, end: Instant) -> (Alarm<'_, H>, impl Future<Output = ()> + use<H>) {
        let (notify, due) = H::notify();
        let key = (end, self.set.get());
        self.set.set(key.1 + 1);
        self.alarms.borrow_mut().insert(key, notify);
        (Alarm { clock: self, key }, due)
    }

    /// Fires the alarms that are due, and returns the time until the next one, if there is one.
    fn fire_due(&self) -> Option<Duration> {
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

/// A time that a request waits for, removed when this is dropped.
struct Alarm<'a, H: ClockHost> {
    clock: &'a Clock<H>,
    key: (Instant, u64),
}

impl<H: ClockHost> Drop for Alarm<'_, H> {
    fn drop(&mut self) {
        self.clock.alarms.borrow_mut().remove(&self.key);
    }
}

/// The task that waits for the alarms.
struct Ticker<H: ClockHost>(Rc<Clock<H>>);

impl<H: ClockHost + 'static> Ticker<H> {
    fn start(clock: Rc<Clock<H>>) -> Self {
        clock.is_ticking.set(true);
        Self(clock)
    }

    async fn run(self) {
        while let Some(next) = self.0.fire_due() {
            H::host_sleep(next.min(TICK)).await;
        }
    }
}

impl<H: ClockHost> Drop for Ticker<H> {
    fn drop(&mut self) {
        self.0.is_ticking.set(false);
        // If the host has dropped the task: the requests look at the time, and one that waits on spawns another.
        drop(self.0.alarms.take());
    }
}

#[cfg(test)]
mod tests;
