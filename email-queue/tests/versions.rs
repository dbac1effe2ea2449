//! A queue says which version its keys have, and the API touches none that it would misread.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod support;

use std::time::Duration;

use email_queue::{
    EmailId, Lane, Refusal,
    call::Call,
    query::read,
    query::{Cursor, Page, list, ready, series, timeline},
    setup::{KNOWN_VERSION, mark_version},
    transition::{Enqueue, NewEmail, cancel, discard, enqueue, reschedule, retry},
};
use support::{
    TestQueue,
    breaking::{everything, later},
};

#[test]
fn a_queue_without_a_version_has_the_first_and_one_that_has_one_keeps_it() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    for _ in 0..2 {
        assert_eq!(q.run(&mark_version(&q.queue)), KNOWN_VERSION);
    }
    assert_eq!(q.claim_ids(1), [id]);
    q.set("emails:version", "2");
    assert_eq!(q.run(&mark_version(&q.queue)), "2");
    assert_eq!(q.redis::<String>("GET emails:version"), "2");
}

#[test]
fn a_full_redis_is_marked_all_the_same_so_that_a_worker_can_empty_it() {
    let q = TestQueue::start();
    q.enqueue(Lane::Normal);
    q.redis::<()>("CONFIG SET maxmemory 1");
    assert_eq!(q.run(&mark_version(&q.queue)), KNOWN_VERSION);
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(q: &TestQueue, call: Call<T>) {
    let before = everything(q);
    let refused = q.try_run(&call).unwrap_err().to_string();
    assert_eq!(Refusal::of(&refused), Some(Refusal::OtherVersion), "{refused}");
    assert!(refused.contains("version 2"), "{refused}");
    assert_eq!(everything(q), before);
}

#[test]
fn the_api_does_nothing_to_a_queue_of_another_version() {
    let q = TestQueue::start();
    let waits = q.enqueue(Lane::Normal);
    let scheduled = q.enqueue_due(Lane::Normal, later());
    q.set("emails:version", "2");
    let email = NewEmail { id: EmailId::new(), lane: Lane::High, due: None, json: b"{}".to_vec() };
    let emails = Enqueue { emails: &[email], ..Enqueue::default() };
    assert_refused(&q, enqueue(&q.queue, emails));
    assert_refused(&q, cancel(&q.queue, waits, Duration::from_secs(60)));
    assert_refused(&q, reschedule(&q.queue, scheduled, later().unwrap()));
    assert_refused(&q, retry(&q.queue, waits));
    assert_refused(&q, discard(&q.queue, waits));
    assert_refused(&q, read(&q.queue, waits));
    assert_refused(&q, list(&q.queue, Page { limit: 10, cursor: Cursor::Newest, state: None }));
    assert!(q.try_why(waits).unwrap_err().to_string().contains("version 2"));
    assert_refused(&q, timeline(&q.queue, waits));
    assert_refused(&q, series(&q.queue, Duration::ZERO));
    assert_refused(&q, ready(&q.queue));
}
