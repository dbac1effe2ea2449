//! Calls that are sent once more because their answer was lost: they answer as they did, and do nothing twice.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::time::Duration;

use email_queue::{
    EmailId, Lane, State,
    call::Call,
    rate_limit::{Allowance, throttle},
    transition::{Changed, Enqueue, Enqueued, Idempotency, NewEmail, cancel, enqueue, reschedule},
};
use jiff::Timestamp;
use support::{EMAIL, LONG, TestQueue, eager};

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

fn enqueue_with_limit(q: &TestQueue, emails: &[NewEmail], idempotency: Option<&Idempotency>) -> Call<Enqueued> {
    enqueue(&q.queue, Enqueue { emails, backlog_limit: Some(2), idempotency, ..Enqueue::default() })
}

fn emails(number: usize) -> Vec<NewEmail> {
    let email = || NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: EMAIL.into() };
    std::iter::repeat_with(email).take(number).collect()
}

#[test]
fn a_cancel_is_done_again_and_one_that_is_asked_for_anew_is_too_late() {
    let q = TestQueue::start();
    let delayed = q.enqueue(Lane::Normal);
    let claim = q.claim(1, LONG)[0].claim;
    q.finish(claim, support::delayed(LONG));
    let ids = [delayed, q.enqueue(Lane::High), q.enqueue_due(Lane::Low, Some(later(60)))];
    for id in ids {
        let call = cancel(&q.queue, id, LONG);
        assert_eq!((q.run(&call), q.again(&call)), (Changed::Done, Changed::Done));
        assert_eq!(q.run(&call), Changed::Refused(State::Canceled));
    }
    assert_eq!((q.redis::<u64>("HGET emails:totals canceled"), q.depth().waiting), (3, [0; 3]));
}

#[test]
fn what_was_canceled_long_before_is_too_late_to_cancel_again_as_well() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let call = cancel(&q.queue, id, LONG);
    q.run(&call);
    let minute_ago = Timestamp::now() - Duration::from_secs(60);
    q.redis::<u64>(&format!("SETRANGE emails:email:{id} 10 {:013}", minute_ago.as_millisecond()));
    assert_eq!(q.again(&call), Changed::Refused(State::Canceled));
}

#[test]
fn a_cancel_that_has_not_come_to_redis_is_done_by_its_repetition() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    assert_eq!(q.again(&cancel(&q.queue, id, LONG)), Changed::Done);
    assert_eq!(q.state(id), State::Canceled);
    let sending = q.enqueue(Lane::Normal);
    q.claim(1, LONG);
    assert_eq!(q.again(&cancel(&q.queue, sending, LONG)), Changed::Refused(State::Sending));
    assert_eq!(q.again(&cancel(&q.queue, EmailId::new(), LONG)), Changed::Unknown);
}

#[test]
fn a_time_is_moved_again_also_where_the_email_has_become_due_by_it() {
    let q = TestQueue::start();
    let id = q.enqueue_due(Lane::Normal, Some(later(60)));
    let forward = reschedule(&q.queue, id, later(120));
    assert_eq!((q.run(&forward), q.again(&forward)), (Changed::Done, Changed::Done));
    let back = reschedule(&q.queue, id, later(-1));
    assert_eq!(q.run(&back), Changed::Done);
    q.maintain(eager());
    assert_eq!((q.state(id), q.again(&back)), (State::Queued, Changed::Done));
    assert_eq!(q.waiting(Lane::Normal), [id]);

    assert_eq!(q.again(&forward), Changed::Refused(State::Queued));
    q.run(&cancel(&q.queue, id, LONG));
    assert_eq!(q.again(&back), Changed::Refused(State::Canceled));
}

#[test]
fn emails_that_have_filled_the_backlog_are_accepted_again_and_others_are_not() {
    let q = TestQueue::start();
    let two = emails(2);
    let call = enqueue_with_limit(&q, &two, None);
    assert_eq!((q.run(&call), q.again(&call)), (Enqueued::Accepted, Enqueued::Accepted));
    let ids: Vec<_> = two.iter().map(|email| email.id).collect();
    assert_eq!((q.waiting(Lane::Normal), q.redis::<u64>("LLEN emails")), (ids, 2));
    assert_eq!(q.redis::<u64>("HGET emails:totals accepted"), 2);

    let one = emails(1);
    let call = enqueue_with_limit(&q, &one, None);
    assert_eq!((q.run(&call), q.again(&call)), (Enqueued::BacklogFull, Enqueued::BacklogFull));
    let none = enqueue_with_limit(&q, &[], None);
    assert_eq!(q.run(&none), Enqueued::Accepted);
}

#[test]
fn emails_with_an_idempotency_key_are_accepted_again_with_the_ids_that_they_have() {
    let q = TestQueue::start();
    let (two, key) = (emails(2), Idempotency::new("client", "k", []));
    let call = enqueue_with_limit(&q, &two, Some(&key));
    let ids = two.iter().map(|email| email.id).collect();
    assert_eq!((q.run(&call), q.again(&call)), (Enqueued::Accepted, Enqueued::Repeated(ids)));
}

const ONE_A_SECOND: Allowance = Allowance { requests: 1, within: Duration::from_secs(1) };

#[test]
fn a_request_is_counted_once_however_often_it_is_sent() {
    let q = TestQueue::start();
    let call = throttle(&q.queue, "client", ONE_A_SECOND, 1);
    let first = q.run(&call);
    // However long the test takes, it is one second.
    for key in q.redis::<Vec<String>>("KEYS emails:rate:*") {
        q.redis::<u64>(&format!("PERSIST {key}"));
    }
    let again = q.again(&call);
    assert_eq!((first.allowed, first.remaining), (true, 0));
    assert_eq!((again.allowed, again.remaining), (true, 0));
    assert!(!q.run(&call).allowed);
    assert!(!q.again(&call).allowed);
    let batch = throttle(&q.queue, "client", ONE_A_SECOND, 3);
    assert!(!q.run(&batch).allowed);
    assert!(!q.again(&batch).allowed, "what was refused is refused again");
    let unheard = q.again(&throttle(&q.queue, "other", ONE_A_SECOND, 1));
    assert_eq!((unheard.allowed, unheard.remaining), (true, 0));
}
