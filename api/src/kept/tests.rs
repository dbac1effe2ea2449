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
    /// Connections up to and with this number are silent.
    silent: Cell<usize>,
    /// What Redis answers to everything, if it is an error.
    refusal: Cell<Option<&'static str>>,
    /// How many arguments each command had.
    sent: RefCell<Vec<usize>>,
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

    async fn execute(&self, connection: &usize, command: &Command<'_>) -> Result<Vec<Value>, &'static str> {
        self.sent.borrow_mut().push(command.arguments.len());
        std::future::poll_fn(|_| if *connection <= self.silent.get() { Poll::Pending } else { Poll::Ready(()) }).await;
        if *connection <= self.broken.get() {
            return Err("broken pipe");
        }
        self.refusal.get().map_or(Ok(vec![Value::Nil]), Err)
    }

    fn fault(error: &&'static str) -> Fault {
        match *error {
            "OOM" => Fault::None,
            "READONLY" => Fault::WrongServer,
            _ => Fault::Broken,
        }
    }

    fn silent(_command: &Command<'_>, was_sent: bool) -> &'static str {
        if was_sent { "silent" } else { "not sent" }
    }
}

/// Later than any test takes.
const FAR: Duration = Duration::from_secs(600);

const SOON: Duration = Duration::from_millis(20);

static PING: Command<'static> = Command { name: "PING", arguments: Vec::new(), marked_when_resent: true };

fn ask(kept: &KeptConnection<&Scripted>, url: &str) -> Result<Vec<Value>, &'static str> {
    pollster::block_on(kept.execute(url, &PING, Instant::now() + FAR))
}

/// Asks until the answer is there, as a host does whose clock is the only thing that is waited for.
fn ask_for(kept: &KeptConnection<&Scripted>, patience: Duration) -> Result<Vec<Value>, &'static str> {
    let mut asked = pin!(kept.execute("a", &PING, Instant::now() + patience));
    loop {
        if let Poll::Ready(answer) = asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return answer;
        }
        std::thread::yield_now();
    }
}

#[test]
fn requests_share_one_connection() {
    let redis = Scripted::default();
    let kept = KeptConnection::new(&redis);
    for _ in 0..3 {
        ask(&kept, "a").unwrap();
    }
    assert_eq!((redis.opened.borrow().as_slice(), redis.sent.borrow().len()), (["a".to_owned()].as_slice(), 3));
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
    // The second time Redis is told that it is one.
    assert_eq!((redis.opened.borrow().len(), redis.sent.borrow().as_slice()), (2, [0, 0, 1].as_slice()));

    // Once more, and not for ever.
    redis.broken.set(9);
    assert_eq!(ask(&kept, "a"), Err("broken pipe"));
    assert_eq!((redis.opened.borrow().len(), redis.sent.borrow().len()), (3, 5));
}

#[test]
fn a_command_that_fails_on_a_new_connection_is_not_repeated_and_the_connection_not_kept() {
    let redis = Scripted::default();
    redis.broken.set(1);
    let kept = KeptConnection::new(&redis);
    assert_eq!(ask(&kept, "a"), Err("broken pipe"));
    assert_eq!(redis.sent.borrow().len(), 1);
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
        let mut first = pin!(kept.execute("a", &PING, Instant::now() + FAR));
        let mut second = pin!(kept.execute("a", &PING, Instant::now() + FAR));
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
        assert!(pin!(kept.execute("a", &PING, Instant::now() + FAR)).poll(&mut cx).is_pending());
    }
    redis.slow.set(false);
    ask(&kept, "a").unwrap();
    assert_eq!(redis.opened.borrow().len(), 2);
}

#[test]
fn what_redis_answers_keeps_the_connection_unless_it_is_no_longer_the_one_to_ask() {
    for (refusal, opened) in [("OOM", 1), ("READONLY", 2)] {
        let redis = Scripted::default();
        let kept = KeptConnection::new(&redis);
        ask(&kept, "a").unwrap();
        redis.refusal.set(Some(refusal));
        assert_eq!(ask(&kept, "a"), Err(refusal));
        assert_eq!(redis.sent.borrow().len(), 2, "it is not asked again in vain");
        redis.refusal.set(None);
        ask(&kept, "a").unwrap();
        assert_eq!(redis.opened.borrow().len(), opened, "{refusal}");
    }
}

#[test]
fn a_connection_gone_silent_is_given_up_at_the_deadline_and_the_next_request_opens_another() {
    let redis = Scripted::default();
    let kept = KeptConnection::new(&redis);
    ask(&kept, "a").unwrap();
    redis.silent.set(1);
    assert_eq!(ask_for(&kept, SOON), Err("silent"));
    assert_eq!(redis.sent.borrow().len(), 2, "the client has waited long enough");
    ask(&kept, "a").unwrap();
    assert_eq!(redis.opened.borrow().len(), 2);
}

#[test]
fn a_connection_that_does_not_open_is_given_up_at_the_deadline_by_all_who_wait_for_it() {
    let redis = Scripted::default();
    redis.slow.set(true);
    let kept = KeptConnection::new(&redis);
    let mut cx = Context::from_waker(Waker::noop());
    let mut opens = pin!(kept.execute("a", &PING, Instant::now() + FAR));
    assert!(opens.as_mut().poll(&mut cx).is_pending());
    assert_eq!(ask_for(&kept, SOON), Err("not sent"));
    assert_eq!(redis.opened.borrow().len(), 1);
    redis.slow.set(false);
    assert!(opens.poll(&mut cx).is_ready());

    let kept = KeptConnection::new(&redis);
    redis.slow.set(true);
    assert_eq!(ask_for(&kept, SOON), Err("not sent"));
    redis.slow.set(false);
    ask(&kept, "a").unwrap();
}

#[test]
fn what_comes_after_a_lost_answer_does_not_hide_the_loss() {
    let lost = |change: fn(&Scripted)| {
        let redis = Scripted::default();
        let kept = KeptConnection::new(&redis);
        ask(&kept, "a").unwrap();
        redis.broken.set(1);
        change(&redis);
        ask_for(&kept, SOON)
    };
    assert_eq!(lost(|redis| redis.refusal.set(Some("OOM"))), Err("OOM after a loss"));
    assert_eq!(lost(|redis| redis.unreachable.set(true)), Err("unreachable after a loss"));
    assert_eq!(lost(|redis| redis.slow.set(true)), Err("silent"));
}
