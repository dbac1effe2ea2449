use std::{
    pin::{Pin, pin},
    task::{Context, Waker},
};

use super::*;
use crate::runtime::testing::{Notify, Polled};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A host whose tasks run when a test says so.
#[derive(Debug)]
struct ByHand;

thread_local! {
    static SPAWNED: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
}

impl Runtime for ByHand {
    type Notify = Notify;

    fn notify() -> (Notify, impl Future<Output = ()>) {
        Polled::notify()
    }

    fn yield_now() -> impl Future<Output = ()> {
        Polled::yield_now()
    }

    fn sleep(time: Duration) -> impl Future<Output = ()> {
        Polled::sleep(time)
    }
}

impl ClockHost for ByHand {
    fn host_sleep(time: Duration) -> impl Future<Output = ()> {
        Polled::sleep(time)
    }

    fn spawn(future: impl Future<Output = ()> + 'static) {
        SPAWNED.with_borrow_mut(|spawned| spawned.push(Box::pin(future)));
    }
}

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(5);

fn clock() -> Rc<Clock<ByHand>> {
    Rc::default()
}

fn is_over(future: Pin<&mut (impl Future<Output = ()> + ?Sized)>) -> bool {
    future.poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Lets a request wait; it is not over.
fn begin(mut sleep: Pin<&mut impl Future<Output = ()>>) {
    // The second time it has let the spawned task begin.
    assert!(!is_over(sleep.as_mut()) && !is_over(sleep));
}

/// Runs the spawned tasks once. Returns how many continue.
fn run_tasks() -> usize {
    let mut tasks = SPAWNED.take();
    tasks.retain_mut(|task| !is_over(task.as_mut()));
    SPAWNED.with_borrow_mut(|spawned| {
        spawned.extend(tasks);
        spawned.len()
    })
}

fn run_until(mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        run_tasks();
        std::thread::yield_now();
        assert!(began.elapsed() < Duration::from_secs(60), "it never comes");
    }
}

#[test]
fn a_sleep_is_over_when_it_is_time_and_not_before() {
    let began = Instant::now();
    let mut sleep = pin!(clock().sleep(SHORT));
    run_until(|| is_over(sleep.as_mut()));
    assert!(began.elapsed() >= SHORT);
}

#[test]
fn all_sleeps_have_one_task_and_a_short_one_does_not_wait_for_a_long_one() {
    let clock = clock();
    let mut long = pin!(Rc::clone(&clock).sleep(LONG));
    begin(long.as_mut());
    run_tasks();
    let mut short = pin!(Rc::clone(&clock).sleep(SHORT));
    let mut equal = pin!(Rc::clone(&clock).sleep(LONG));
    begin(short.as_mut());
    begin(equal.as_mut());
    assert_eq!(run_tasks(), 1);
    run_until(|| is_over(short.as_mut()));
    assert!(!is_over(long) && !is_over(equal));
}

#[test]
fn the_task_ends_when_nobody_waits_and_begins_anew() {
    let clock = clock();
    for _ in 0..2 {
        let mut dropped = Box::pin(Rc::clone(&clock).sleep(LONG));
        begin(dropped.as_mut());
        assert_eq!(run_tasks(), 1);
        drop(dropped);
        assert!(clock.alarms.borrow().is_empty());
        run_until(|| run_tasks() == 0);
        assert!(!clock.is_ticking.get());
    }
}

#[test]
fn sleeps_outlive_a_task_that_the_host_drops() {
    let clock = clock();
    let began = Instant::now();
    let (mut first, mut second) = (pin!(Rc::clone(&clock).sleep(TICK)), pin!(Rc::clone(&clock).sleep(LONG)));
    begin(first.as_mut());
    begin(second.as_mut());
    run_tasks();
    drop(SPAWNED.take());
    begin(second.as_mut());
    assert_eq!(run_tasks(), 1);
    run_until(|| is_over(first.as_mut()));
    assert!(began.elapsed() >= TICK);
    assert!(!is_over(second));
}
