use std::{
    pin::{Pin, pin},
    task::{Context, Waker},
};

use super::*;
use crate::tasks::testing::{Hold, Polled};

type Task = Pin<Box<dyn Future<Output = ()>>>;

/// A host whose tasks run when a test says so.
#[derive(Debug)]
struct ByHand;

thread_local! {
    static SPAWNED: RefCell<Vec<Task>> = const { RefCell::new(Vec::new()) };
}

impl Tasks for ByHand {
    type Hold = Hold;

    fn wait() -> (Hold, impl Future<Output = ()>) {
        Polled::wait()
    }

    fn turn() -> impl Future<Output = ()> {
        Polled::turn()
    }

    fn pause(time: Duration) -> impl Future<Output = ()> {
        Polled::pause(time)
    }
}

impl Host for ByHand {
    fn sleep(time: Duration) -> impl Future<Output = ()> {
        Polled::pause(time)
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
fn begin(mut pause: Pin<&mut impl Future<Output = ()>>) {
    // The second time it has let the spawned task begin.
    assert!(!is_over(pause.as_mut()) && !is_over(pause));
}

/// Runs the spawned tasks once. Tells how many go on.
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
fn a_pause_is_over_when_it_is_time_and_not_before() {
    let began = Instant::now();
    let mut pause = pin!(clock().pause(SHORT));
    run_until(|| is_over(pause.as_mut()));
    assert!(began.elapsed() >= SHORT);
}

#[test]
fn all_pauses_have_one_task_and_a_short_one_does_not_wait_for_a_long_one() {
    let clock = clock();
    let mut long = pin!(Rc::clone(&clock).pause(LONG));
    begin(long.as_mut());
    run_tasks();
    let mut short = pin!(Rc::clone(&clock).pause(SHORT));
    let mut equal = pin!(Rc::clone(&clock).pause(LONG));
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
        let mut given_up = Box::pin(Rc::clone(&clock).pause(LONG));
        begin(given_up.as_mut());
        assert_eq!(run_tasks(), 1);
        drop(given_up);
        assert!(clock.alarms.borrow().is_empty());
        run_until(|| run_tasks() == 0);
        assert!(!clock.ticks.get());
    }
}

#[test]
fn pauses_outlive_a_task_that_the_host_gives_up() {
    let clock = clock();
    let began = Instant::now();
    let (mut first, mut second) = (pin!(Rc::clone(&clock).pause(TICK)), pin!(Rc::clone(&clock).pause(LONG)));
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
