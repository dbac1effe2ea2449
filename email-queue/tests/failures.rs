//! Failures: what is stored, how long an email is retried, and what is shown.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::time::Duration;

use email_queue::{
    Class, EmailId, Lane, State,
    query::{Cursor, Page, list},
    transition::{Claimed, Finish, Outcome, Periods, Progress, RecipientRefusal, finish, mark_slow},
};
use support::{LONG, PERIODS, TestQueue, delayed, eager, failed, postponed, returned};

fn end(q: &TestQueue, claimed: &Claimed, outcome: Outcome, progress: Progress) {
    assert!(q.finish_with(claimed.claim, outcome, progress));
}

fn claim_again(q: &TestQueue) -> Claimed {
    testkit::wait::eventually_blocking(testkit::DEADLINE, "an email to be due", || {
        q.maintain(eager());
        q.claim(1, LONG).pop()
    })
}

/// All emails, as a list shows them: their class and their last error.
fn listed(q: &TestQueue) -> Vec<(EmailId, Option<Class>, Option<String>)> {
    let page = Page { limit: 10, cursor: Cursor::Newest, state: None };
    let emails = q.run(&list(&q.queue, page)).emails;
    emails.into_iter().map(|(id, record)| (id, record.class, record.error)).collect()
}

#[test]
fn an_email_that_waits_through_no_fault_of_its_own_uses_up_no_attempt_and_says_why() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    for _ in 0..3 {
        let claimed = claim_again(&q);
        assert_eq!(claimed.attempts, 0);
        q.finish(claimed.claim, postponed(Duration::ZERO));
        let record = q.record(id).unwrap();
        assert_eq!((record.state, record.attempts, record.due.is_some()), (State::Delayed, 0, true));
        assert_eq!((record.class, record.error.as_deref()), (Some(Class::Connection), Some("connection refused")));
        assert_eq!(listed(&q), [(id, record.class, record.error)]);
    }
    q.finish(claim_again(&q).claim, delayed(LONG));
    let record = q.record(id).unwrap();
    assert_eq!((record.attempts, record.class), (1, Some(Class::Deferred)));
}

#[test]
fn what_an_attempt_came_to_is_there_for_the_next_one_and_gone_when_the_email_is_sent() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let refusal = RecipientRefusal { class: Class::Recipient, error: "550 \"no\" such user".to_owned() };
    let progress = Progress {
        accepted: vec!["a@x.example".to_owned()],
        refused: [("b@x.example".to_owned(), refusal)].into(),
        timeouts: 2,
    };
    let first = claim_again(&q);
    assert_eq!(first.progress, Progress::default());
    end(&q, &first, postponed(Duration::ZERO), progress.clone());
    let second = claim_again(&q);
    assert_eq!(second.progress, progress);
    // Lists that are empty leave those before as they are; time-outs are in a row or not.
    end(&q, &second, returned(), Progress::default());
    let third = claim_again(&q);
    assert_eq!(third.progress, Progress { timeouts: 0, ..progress });
    assert!(q.finish(third.claim, Outcome::Sent));
    assert_eq!(q.redis::<i64>(&format!("EXISTS emails:failure:{id}")), 0);
    let record = q.record(id).unwrap();
    assert_eq!((record.attempts, record.error, record.class), (1, None, None));
}

#[test]
fn an_email_is_given_up_when_it_has_been_tried_for_the_retry_period_whatever_for() {
    for (outcome, attempts, last) in [
        (delayed(Duration::ZERO), 2, "(deferred): 450 later"),
        (postponed(Duration::ZERO), 0, "(connection): connection refused"),
    ] {
        let q = TestQueue::start();
        let id = q.enqueue(Lane::Normal);
        let fail = |retry_for| {
            let finished = Finish::new(claim_again(&q).claim, outcome.clone(), Progress::default());
            let periods = Periods { retry_for, ..PERIODS };
            let answer = q.run(&finish(&q.queue, q.worker, periods, &[finished], None));
            assert_eq!(answer.recorded, [true]);
            (q.record(id).unwrap(), answer.given_up)
        };
        let (record, given_up) = fail(Duration::ZERO);
        assert_eq!((record.state, given_up), (State::Delayed, vec![false]), "the first failure begins the period");
        let (record, given_up) = fail(Duration::ZERO);
        assert_eq!(given_up, [true], "the worker is told");
        assert_eq!((record.state, record.attempts, record.class), (State::Failed, attempts, Some(Class::GivenUp)));
        let error = record.error.unwrap();
        assert!(error.starts_with("given up after 0 ms") && error.ends_with(last), "{error}");
        assert_eq!((q.depth().failed, q.depth().scheduled), (1, 0));
    }
}

#[test]
fn a_retry_period_that_is_not_over_gives_nothing_up_however_often_an_email_fails() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    for attempts in 1..=30 {
        assert!(q.finish(claim_again(&q).claim, delayed(Duration::ZERO)));
        assert_eq!((q.state(id), q.record(id).unwrap().attempts), (State::Delayed, attempts));
    }
    // Five days later.
    q.redis::<()>(&format!("HSET emails:failure:{id} since 0"));
    q.finish(claim_again(&q).claim, delayed(Duration::ZERO));
    assert_eq!(q.state(id), State::Failed);
}

#[test]
fn emails_that_are_returned_stand_in_front_in_their_old_order_whoever_returns_them_when() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(6);
    let claims: Vec<_> = q.claim(5, LONG).iter().map(|claimed| claimed.claim).collect();
    for nth in [3, 0, 4, 2, 1] {
        q.finish(claims[nth], returned());
    }
    assert_eq!(q.waiting(Lane::Normal), ids);
    let expected: Vec<_> = ids.iter().rev().map(ToString::to_string).collect();
    assert_eq!(q.redis::<Vec<String>>("LRANGE emails 0 -1"), expected);
    assert_eq!(q.maintain(eager()).requeued, 0);
    let again = q.claim(10, LONG);
    assert_eq!(again.iter().map(|claimed| claimed.claim.id).collect::<Vec<_>>(), ids);
    assert!(again.iter().all(|claimed| claimed.attempts == 0));
}

#[test]
fn emails_of_all_lanes_can_be_returned_in_one_call() {
    let q = TestQueue::start();
    let ids: Vec<_> = Lane::ALL.into_iter().flat_map(|lane| [q.enqueue(lane), q.enqueue(lane)]).collect();
    let returns: Vec<_> = q
        .claim(6, LONG)
        .into_iter()
        .map(|claimed| Finish::new(claimed.claim, returned(), Progress::default()))
        .collect();
    q.run(&finish(&q.queue, q.worker, PERIODS, &returns, None));
    assert_eq!(q.depth().waiting, [2, 2, 2]);
    assert_eq!(q.claim_ids(10), ids);
}

#[test]
fn a_delivery_that_takes_long_is_said_in_the_email_for_as_long_as_it_lasts() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let claimed = claim_again(&q);
    let other = q.other_worker();
    let note = |q: &TestQueue| q.run(&mark_slow(&q.queue, q.worker, &[claimed.claim], "takes long"));
    assert_eq!((note(&other), note(&q)), (0, 1));
    assert_eq!(q.record(id).unwrap().error.as_deref(), Some("takes long"));
    q.finish(claimed.claim, postponed(Duration::ZERO));
    assert_eq!(q.record(id).unwrap().error.as_deref(), Some("connection refused"));
    let again = claim_again(&q);
    assert_eq!(q.record(id).unwrap().error.as_deref(), Some("connection refused"), "another delivery");
    q.finish(again.claim, Outcome::Sent);
    assert_eq!(q.record(id).unwrap().error, None);
}

#[test]
fn a_dead_letter_has_a_class() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    q.finish(claim_again(&q).claim, failed("550 no such user"));
    assert_eq!(q.record(id).unwrap().class, Some(Class::Recipient));
}
