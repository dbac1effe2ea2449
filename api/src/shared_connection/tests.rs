use std::{
    cell::{Cell, RefCell},
    pin::pin,
    task::{Context, Poll, Waker},
};

use email_queue::Redirect;

use super::*;
use crate::runtime::testing::Polled;

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

impl RedisClient for &Scripted {
    type Connection = usize;
    type Error = &'static str;

    async fn open(&self, url: &str, node: Option<&str>) -> Result<usize, &'static str> {
        self.opened.borrow_mut().push(node.unwrap_or(url).to_owned());
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

    fn fault(error: &&'static str) -> Option<Fault> {
        match *error {
            "OOM" => None,
            "READONLY" => Some(Fault::WrongServer),
            _ => Some(Fault::Broken),
        }
    }

    fn redirect(_: &&'static str) -> Option<Redirect> {
        None
    }

    fn is_unknown_script(_: &&'static str) -> bool {
        false
    }

    fn timed_out(_command: &Command<'_>, was_sent: bool) -> &'static str {
        if was_sent { "silent" } else { "not sent" }
    }
}

type Shared<'a> = SharedConnection<Polled, &'a Scripted>;

/// Later than any test takes.
const FAR: Duration = Duration::from_secs(600);

const SOON: Duration = Duration::from_millis(20);

static PING: Command<'static> =
    Command { name: "PING", arguments: Vec::new(), marked_when_resent: true, replication: None };

fn ask(shared: &Shared<'_>, url: &str) -> Result<Vec<Value>, &'static str> {
    pollster::block_on(shared.execute(url, &PING, Deadline::at(Instant::now() + FAR)))
}

/// Asks until the answer is there, as a host does whose clock is the only thing that is waited for.
fn ask_for(shared: &Shared<'_>, time: Duration) -> Result<Vec<Value>, &'static str> {
    let mut asked = pin!(shared.execute("a", &PING, Deadline::at(Instant::now() + time)));
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
    let shared = Shared::new(&redis, None);
    for _ in 0..3 {
        ask(&shared, "a").unwrap();
    }
    assert_eq!((redis.opened.borrow().as_slice(), redis.sent.borrow().len()), (["a".to_owned()].as_slice(), 3));
}

#[test]
fn another_url_gets_another_connection() {
    let redis = Scripted::default();
    let shared = Shared::new(&redis, None);
    ask(&shared, "a").unwrap();
    ask(&shared, "b").unwrap();
    ask(&shared, "b").unwrap();
    assert_eq!(*redis.opened.borrow(), ["a", "b"]);
}

#[test]
fn a_command_on_an_open_connection_that_broke_is_sent_once_more_on_a_new_one() {
    let redis = Scripted::default();
    let shared = Shared::new(&redis, None);
    ask(&shared, "a").unwrap();
    redis.broken.set(1);
    ask(&shared, "a").unwrap();
    // The second time the command is marked as resent.
    assert_eq!((redis.opened.borrow().len(), redis.sent.borrow().as_slice()), (2, [0, 0, 1].as_slice()));

    // Sent again once only.
    redis.broken.set(9);
    assert_eq!(ask(&shared, "a"), Err("broken pipe"));
    assert_eq!((redis.opened.borrow().len(), redis.sent.borrow().len()), (3, 5));
}

#[test]
fn a_command_that_fails_on_a_new_connection_is_not_repeated_and_the_connection_not_used_again() {
    let redis = Scripted::default();
    redis.broken.set(1);
    let shared = Shared::new(&redis, None);
    assert_eq!(ask(&shared, "a"), Err("broken pipe"));
    assert_eq!(redis.sent.borrow().len(), 1);
    ask(&shared, "a").unwrap();
    assert_eq!(redis.opened.borrow().len(), 2);
}

#[test]
fn requests_that_wait_for_the_same_connection_open_it_once_and_fail_together() {
    for unreachable in [false, true] {
        let redis = Scripted::default();
        redis.slow.set(true);
        redis.unreachable.set(unreachable);
        let shared = Shared::new(&redis, None);
        let mut cx = Context::from_waker(Waker::noop());
        let mut first = pin!(shared.execute("a", &PING, Deadline::at(Instant::now() + FAR)));
        let mut second = pin!(shared.execute("a", &PING, Deadline::at(Instant::now() + FAR)));
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
    let shared = Shared::new(&redis, None);
    {
        let mut cx = Context::from_waker(Waker::noop());
        assert!(pin!(shared.execute("a", &PING, Deadline::at(Instant::now() + FAR))).poll(&mut cx).is_pending());
    }
    redis.slow.set(false);
    ask(&shared, "a").unwrap();
    assert_eq!(redis.opened.borrow().len(), 2);
}

#[test]
fn what_redis_answers_keeps_the_connection_unless_it_is_no_longer_the_one_to_ask() {
    for (refusal, opened) in [("OOM", 1), ("READONLY", 2)] {
        let redis = Scripted::default();
        let shared = Shared::new(&redis, None);
        ask(&shared, "a").unwrap();
        redis.refusal.set(Some(refusal));
        assert_eq!(ask(&shared, "a"), Err(refusal));
        assert_eq!(redis.sent.borrow().len(), 2, "it is not asked again in vain");
        redis.refusal.set(None);
        ask(&shared, "a").unwrap();
        assert_eq!(redis.opened.borrow().len(), opened, "{refusal}");
    }
}

#[test]
fn a_connection_gone_silent_is_given_up_at_the_deadline_and_the_next_request_opens_another() {
    let redis = Scripted::default();
    let shared = Shared::new(&redis, None);
    ask(&shared, "a").unwrap();
    redis.silent.set(1);
    assert_eq!(ask_for(&shared, SOON), Err("silent"));
    assert_eq!(redis.sent.borrow().len(), 2, "the client has waited long enough");
    ask(&shared, "a").unwrap();
    assert_eq!(redis.opened.borrow().len(), 2);
}

#[test]
fn a_connection_that_does_not_open_is_given_up_at_the_deadline_by_all_who_wait_for_it() {
    let redis = Scripted::default();
    redis.slow.set(true);
    let shared = Shared::new(&redis, None);
    let mut cx = Context::from_waker(Waker::noop());
    let mut opens = pin!(shared.execute("a", &PING, Deadline::at(Instant::now() + FAR)));
    assert!(opens.as_mut().poll(&mut cx).is_pending());
    assert_eq!(ask_for(&shared, SOON), Err("not sent"));
    assert_eq!(redis.opened.borrow().len(), 1);
    redis.slow.set(false);
    assert!(opens.poll(&mut cx).is_ready());

    let shared = Shared::new(&redis, None);
    redis.slow.set(true);
    assert_eq!(ask_for(&shared, SOON), Err("not sent"));
    redis.slow.set(false);
    ask(&shared, "a").unwrap();
}

#[test]
fn what_comes_after_a_lost_answer_does_not_hide_the_loss() {
    let lost = |change: fn(&Scripted)| {
        let redis = Scripted::default();
        let shared = Shared::new(&redis, None);
        ask(&shared, "a").unwrap();
        redis.broken.set(1);
        change(&redis);
        ask_for(&shared, SOON)
    };
    assert_eq!(lost(|redis| redis.refusal.set(Some("OOM"))), Err("OOM after a loss"));
    assert_eq!(lost(|redis| redis.unreachable.set(true)), Err("unreachable after a loss"));
    assert_eq!(lost(|redis| redis.slow.set(true)), Err("silent"));
}

#[test]
fn a_connection_to_another_node_is_opened_at_its_address() {
    let redis = Scripted::default();
    let shared = Shared::new(&redis, Some("b:1".to_owned()));
    ask(&shared, "a").unwrap();
    assert_eq!((redis.opened.borrow().as_slice(), shared.node()), (["b:1".to_owned()].as_slice(), Some("b:1")));
}

#[test]
fn where_something_else_can_be_done_a_connection_is_waited_for_for_less_long() {
    let redis = Scripted::default();
    redis.slow.set(true);
    let shared = Shared::new(&redis, None);
    let deadline = Deadline { connected: Instant::now() + SOON, answered: Instant::now() + FAR };
    let mut asked = pin!(shared.execute("a", &PING, deadline));
    let answer = loop {
        if let Poll::Ready(answer) = asked.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break answer;
        }
        std::thread::yield_now();
    };
    assert_eq!(answer, Err("not sent"));
}
