use std::{
    cell::Cell,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, Waker},
};

use email_queue::{
    EmailId, Lane,
    call::{Command, Value},
    transition::Idempotency,
};

use super::*;
use crate::runtime::testing::Polled;

/// How many arguments stand before the first email, and how many each email has.
const BEFORE: usize = 7;
const EACH: usize = 4;

/// A Redis whose answers are the test's to decide.
#[derive(Default)]
struct Scripted {
    /// How many emails each call had.
    calls: RefCell<Vec<usize>>,
    /// How many emails a call may have before the backlog is full; 0 for any number.
    room: Cell<usize>,
    /// How many calls are lost on the way.
    lost: Cell<usize>,
    /// What Redis answers to everything, if it is an error.
    refusal: Cell<Option<&'static str>>,
    /// Whether answers are held back.
    slow: Cell<bool>,
}

impl Redis for Scripted {
    type Error = &'static str;

    async fn execute(&self, command: Command<'_>) -> Result<Vec<Value>, &'static str> {
        let emails = (command.arguments.len() - BEFORE) / EACH;
        self.calls.borrow_mut().push(emails);
        poll_fn(|_| if self.slow.get() { Poll::Pending } else { Poll::Ready(()) }).await;
        if self.calls.borrow().len() <= self.lost.get() {
            return Err("broken pipe");
        }
        if let Some(refusal) = self.refusal.get() {
            return Err(refusal);
        }
        let fits = self.room.get() == 0 || emails <= self.room.get();
        Ok(vec![Value::Int(fits.into())])
    }

    fn is_unknown_script(_: &&'static str) -> bool {
        false
    }
}

/// The emails of a request.
struct Given {
    queue: Queue,
    emails: Vec<NewEmail>,
    backlog_limit: Option<u64>,
    retention: Option<Duration>,
    idempotency: Option<Idempotency>,
}

impl Given {
    fn emails(number: usize) -> Self {
        let email = || NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: b"{}".to_vec() };
        let emails = std::iter::repeat_with(email).take(number).collect();
        Self { queue: Queue::default(), emails, backlog_limit: None, retention: None, idempotency: None }
    }
}

type Commit = GroupCommit<Polled, &'static str>;
type Request<'a> = Pin<Box<dyn Future<Output = Outcome<&'static str>> + 'a>>;

fn request<'a>(commit: &'a Commit, redis: &'a Scripted, given: &'a Given) -> Request<'a> {
    let Given { queue, emails, backlog_limit, retention, idempotency } = given;
    let (backlog_limit, retention, idempotency) = (*backlog_limit, *retention, idempotency.as_ref());
    let backlog_bytes = None;
    Box::pin(commit.enqueue(
        redis,
        queue,
        Enqueue { emails, backlog_limit, backlog_bytes, retention, idempotency, ..Enqueue::default() },
    ))
}

fn poll(request: &mut Request<'_>) -> Poll<Outcome<&'static str>> {
    request.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

/// Serves requests that come at the same time, and gives their answers, in their order, with the calls that it took.
fn serve(redis: &Scripted, given: &[Given]) -> (Vec<Outcome<&'static str>>, Vec<usize>) {
    let commit = Commit::default();
    let mut requests: Vec<_> = given.iter().map(|given| (request(&commit, redis, given), None)).collect();
    for _ in 0..100 {
        for (request, answer) in requests.iter_mut().filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(outcome) = poll(request) {
                *answer = Some(outcome);
            }
        }
    }
    let answers = requests.into_iter().map(|(_, answer)| answer.expect("it is still served")).collect();
    (answers, redis.calls.take())
}

fn accepted(answers: &[Outcome<&'static str>]) -> usize {
    answers.iter().filter(|answer| matches!(answer, Ok(Enqueued::Accepted))).count()
}

#[test]
fn requests_at_the_same_time_share_one_call() {
    let (answers, calls) = serve(&Scripted::default(), &[Given::emails(1), Given::emails(3), Given::emails(1)]);
    assert_eq!((accepted(&answers), calls), (3, vec![5]));
}

#[test]
fn a_request_that_is_alone_calls_after_a_few_yields() {
    let (commit, redis, given) = (Commit::default(), Scripted::default(), Given::emails(1));
    let mut alone = request(&commit, &redis, &given);
    let yields = std::iter::repeat_with(|| poll(&mut alone)).take_while(Poll::is_pending).count();
    assert_eq!((yields, redis.calls.take()), (Polled::YIELDS_BEFORE_COMMIT as usize, vec![1]));
}

#[test]
fn a_request_that_comes_while_a_call_is_on_its_way_begins_another_group() {
    let (commit, redis) = (Commit::default(), Scripted::default());
    let (first, second) = (Given::emails(1), Given::emails(1));
    redis.slow.set(true);
    let mut first = request(&commit, &redis, &first);
    while redis.calls.borrow().is_empty() {
        assert!(poll(&mut first).is_pending());
    }
    let mut second = request(&commit, &redis, &second);
    while redis.calls.borrow().len() < 2 {
        assert!(poll(&mut second).is_pending());
    }
    redis.slow.set(false);
    for request in [&mut first, &mut second] {
        assert!(matches!(poll(request), Poll::Ready(Ok(Enqueued::Accepted))));
    }
    assert_eq!(redis.calls.take(), [1, 1]);
}

#[test]
fn what_does_not_belong_together_is_not_called_together() {
    let key = Idempotency::new("scope", "key", []);
    let large = NewEmail { json: vec![b' '; MAX_BYTES + 1], ..Given::emails(1).emails.remove(0) };
    let others = [
        Given { queue: "others".parse().unwrap(), ..Given::emails(1) },
        Given { backlog_limit: Some(9), ..Given::emails(1) },
        Given { retention: Some(Duration::from_secs(1)), ..Given::emails(1) },
        Given { idempotency: Some(key), ..Given::emails(1) },
        Given { emails: vec![large], ..Given::emails(0) },
        Given::emails(MAX_EMAILS),
    ];
    for other in others {
        let (answers, calls) = serve(&Scripted::default(), &[Given::emails(1), other]);
        assert_eq!((accepted(&answers), calls.len()), (2, 2));
    }
}

#[test]
fn a_backlog_without_room_for_all_takes_those_for_whom_it_has_room() {
    let redis = Scripted::default();
    redis.room.set(2);
    let (answers, calls) = serve(&redis, &[Given::emails(1), Given::emails(3), Given::emails(2)]);
    assert!(matches!(answers[..], [Ok(Enqueued::Accepted), Ok(Enqueued::BacklogFull), Ok(Enqueued::Accepted)]));
    assert_eq!(calls, [6, 1, 3, 2]);
}

#[test]
fn a_full_backlog_is_asked_once_by_a_request_that_is_alone() {
    let redis = Scripted::default();
    redis.room.set(1);
    let (answers, calls) = serve(&redis, &[Given::emails(2)]);
    assert!(matches!(answers[..], [Ok(Enqueued::BacklogFull)]));
    assert_eq!(calls, [2]);
}

#[test]
fn what_is_refused_together_is_tried_alone() {
    for (lost, told) in [(0, "OOM"), (1, "OOM after a loss")] {
        let redis = Scripted::default();
        redis.refusal.set(Some("OOM"));
        redis.lost.set(lost);
        let (answers, calls) = serve(&redis, &[Given::emails(1), Given::emails(1)]);
        assert_eq!(calls, [2, 1, 1]);
        for answer in answers {
            assert!(matches!(answer, Err(CallError::Redis(error)) if error == told), "{answer:?}");
        }
    }
}

#[test]
fn a_silent_redis_is_not_asked_again() {
    let silent: Outcome<&str> = Err(CallError::Redis("silent"));
    assert!(!holds_for_each(&silent, RESEND_WITHIN - Duration::from_millis(1)));
    assert!(holds_for_each(&silent, RESEND_WITHIN));
}

#[test]
fn when_the_first_request_is_given_up_the_others_go_on_alone() {
    for on_its_way in [false, true] {
        let (commit, redis) = (Commit::default(), Scripted::default());
        let given = [Given::emails(1), Given::emails(1)];
        redis.slow.set(true);
        let [mut first, mut second] = [0, 1].map(|nth| request(&commit, &redis, &given[nth]));
        for _ in 0..if on_its_way { 10 } else { 1 } {
            assert!(poll(&mut first).is_pending() && poll(&mut second).is_pending());
        }
        drop(first);
        redis.slow.set(false);
        assert!(matches!(poll(&mut second), Poll::Ready(Ok(Enqueued::Accepted))));
        assert_eq!(redis.calls.take(), if on_its_way { vec![2, 1] } else { vec![1] });
    }
}

#[test]
fn a_request_that_may_be_in_any_shard_takes_that_of_the_group_that_it_can_join() {
    let shards = Shards::new("{emails}".parse().unwrap(), 6).unwrap();
    let shard = shards.random(u32::MAX);
    let mut leading = Given { queue: shards.queue(shard), ..Given::emails(1) };
    leading.emails[0].id = leading.emails[0].id.in_shard(shard);
    let (commit, redis) = (Commit::default(), Scripted::default());
    let proposed = |given: &Given| {
        let Given { emails, backlog_limit, idempotency, .. } = given;
        let (backlog_limit, idempotency) = (*backlog_limit, idempotency.as_ref());
        commit.shard_for(&shards, &Enqueue { emails, backlog_limit, idempotency, ..Enqueue::default() })
    };
    assert_eq!(proposed(&Given::emails(1)), None, "no group is open");
    let mut leader = request(&commit, &redis, &leading);
    assert!(poll(&mut leader).is_pending());
    assert_eq!(proposed(&Given::emails(1)), Some(shard));
    let idempotency = Some(Idempotency::new("client", "key", &[[0; 32]]));
    for alone in [
        Given::emails(MAX_EMAILS),
        Given { backlog_limit: Some(1), ..Given::emails(1) },
        Given { idempotency, ..Given::emails(1) },
    ] {
        assert_eq!(proposed(&alone), None);
    }
    while poll(&mut leader).is_pending() {}
    assert_eq!(proposed(&Given::emails(1)), None, "the group has made its call");
}
