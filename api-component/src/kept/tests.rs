use std::{
    cell::{Cell, RefCell},
    pin::pin,
    task::{Context, Poll, Waker},
};

use super::*;
use crate::tasks::testing::Polled;

/// A Redis whose connections and answers are the test's to decide.
#[derive(Default)]
struct Scripted {
    /// The URLs of connections, in the order of their opening.
    opened: RefCell<Vec<String>>,
    /// Whether opening waits.
    slow: Cell<bool>,
    unreachable: Cell<bool>,
    /// Connections up to and with this number are broken.
    broken: Cell<usize>,
    sent: Cell<usize>,
}

impl Connect for &Scripted {
    type Tasks = Polled;
    type Connection = usize;
    type Error = &'static str;

    async fn open(&self, url: &str) -> Result<usize, &'static str> {
        self.opened.borrow_mut().push(url.to_owned());
        let number = self.opened.borrow().len();
        std::future::poll_fn(|_| if self.slow.get() { Poll::Pending } else { Poll::Ready(()) }).await;
        if self.unreachable.get() { Err("unreachable") } else { Ok(number) }
    }

    async fn execute(&self, connection: &usize, _command: &Command<'_>) -> Result<Vec<Value>, &'static str> {
        self.sent.set(self.sent.get() + 1);
        if *connection <= self.broken.get() { Err("broken pipe") } else { Ok(vec![Value::Nil]) }
    }

    fn is_answer(error: &&'static str) -> bool {
        *error == "NOSCRIPT"
    }
}

static PING: Command<'static> = Command { name: "PING", arguments: Vec::new() };

fn ask(kept: &KeptConnection<&Scripted>, url: &str) -> Result<Vec<Value>, &'static str> {
    pollster::block_on(kept.execute(url, &PING))
}

#[test]
fn requests_share_one_connection() {
    let redis = Scripted::default();
    let kept = KeptConnection::new(&redis);
    for _ in 0..3 {
        ask(&kept, "a").unwrap();
    }
    assert_eq!((redis.opened.borrow().as_slice(), redis.sent.get()), (["a".to_owned()].as_slice(), 3));
}

#[test]
fn another_url_gets_another_connection() {
    let redis = Scripted::default();
    let kept = KeptConnection::new(&redis);
    ask(&kept, "a").unwrap();
    ask(&kept, "b").unwrap();
    ask(&kept, "b").unwrap();
    assert_eq!(*redis.opened.borrow(), ["a", "b"]);
}

#[test]
fn a_command_on_a_kept_connection_that_broke_is_sent_once_more_on_a_new_one() {
    let redis = Scripted::default();
    let kept = KeptConnection::new(&redis);
    ask(&kept, "a").unwrap();
    redis.broken.set(1);
    ask(&kept, "a").unwrap();
    assert_eq!((redis.opened.borrow().len(), redis.sent.get()), (2, 3));

    // Once more, and not for ever.
    redis.broken.set(9);
    assert_eq!(ask(&kept, "a"), Err("broken pipe"));
    assert_eq!((redis.opened.borrow().len(), redis.sent.get()), (3, 5));
}

#[test]
fn a_command_that_fails_on_a_new_connection_is_not_repeated_and_the_connection_not_kept() {
    let redis = Scripted::default();
    redis.broken.set(1);
    let kept = KeptConnection::new(&redis);
    assert_eq!(ask(&kept, "a"), Err("broken pipe"));
    assert_eq!(redis.sent.get(), 1);
    ask(&kept, "a").unwrap();
    assert_eq!(redis.opened.borrow().len(), 2);
}

#[test]
fn requests_that_wait_for_the_same_connection_open_it_once_and_fail_together() {
    for unreachable in [false, true] {
        let redis = Scripted::default();
        redis.slow.set(true);
        redis.unreachable.set(unreachable);
        let kept = KeptConnection::new(&redis);
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = pin!(kept.execute("a", &PING));
        let mut second = pin!(kept.execute("a", &PING));
        assert!(first.as_mut().poll(&mut cx).is_pending());
        assert!(second.as_mut().poll(&mut cx).is_pending());
        redis.slow.set(false);
        for request in [first, second] {
            let Poll::Ready(answer) = request.poll(&mut cx) else { panic!("it still waits") };
            assert_eq!(answer.is_err(), unreachable);
        }
        assert_eq!(redis.opened.borrow().len(), 1);
    }
}

#[test]
fn a_request_that_is_given_up_while_it_opens_leaves_that_to_the_next() {
    let redis = Scripted::default();
    redis.slow.set(true);
    let kept = KeptConnection::new(&redis);
    {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(kept.execute("a", &PING)).poll(&mut cx).is_pending());
    }
    redis.slow.set(false);
    ask(&kept, "a").unwrap();
    assert_eq!(redis.opened.borrow().len(), 2);
}
