//! What other programs push as it is: how it gets a record, once, and how much of it is read in one go.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod support;

use std::sync::Arc;

use email_queue::{
    State,
    transition::{ByteBudget, Claims, LARGEST, PoppedEntry},
};
use support::{ANY, EMAIL, LONG, TestQueue};

fn popped(entry: &str, number: u64) -> Option<PoppedEntry> {
    Some(PoppedEntry { list: b"emails".to_vec(), entry: Arc::new(entry.into()), number })
}

fn claim(q: &TestQueue, entry: &str, number: u64) -> Claims {
    q.claim_bytes(1, LONG, ANY, popped(entry, number))
}

#[test]
fn a_claim_that_is_repeated_finds_the_entry_under_the_id_that_it_was_given() {
    let q = TestQueue::start();
    let first = claim(&q, EMAIL, 1);
    assert!(first.popped && first.emails[0].json.is_empty(), "the worker has it");
    assert_eq!(claim(&q, EMAIL, 1), first);
    let id = first.emails[0].claim.id;
    assert_eq!((q.state(id), q.index(), q.sending()), (State::Sending, vec![id], vec![id]));
    assert_eq!(q.record(id).unwrap().json, EMAIL.as_bytes());
}

#[test]
fn entries_that_are_alike_are_emails_of_their_own() {
    let q = TestQueue::start();
    let ids = [1, 2].map(|number| claim(&q, EMAIL, number).emails[0].claim.id);
    assert_ne!(ids[0], ids[1]);
    let of_another_worker = q.other_worker().claim_bytes(1, LONG, ANY, popped(EMAIL, 2));
    assert_eq!((of_another_worker.emails.len(), q.index().len()), (1, 3));
}

#[test]
fn what_was_given_back_since_is_not_claimed_by_the_repetition_but_in_its_turn() {
    let q = TestQueue::start();
    let id = claim(&q, EMAIL, 1).emails[0].claim.id;
    q.extend(std::time::Duration::ZERO, &[]);
    assert_eq!((q.state(id), q.record(id).unwrap().attempts), (State::Queued, 0));
    let again = q.claim_bytes(5, LONG, ANY, popped(EMAIL, 1));
    assert!(!again.popped);
    assert_eq!(again.emails.iter().map(|email| email.claim.id).collect::<Vec<_>>(), [id]);
    assert_eq!(again.emails[0].json, EMAIL.as_bytes());
}

#[test]
fn an_entry_without_room_goes_to_the_front_under_an_id() {
    let q = TestQueue::start();
    let waiting = q.enqueue_many(1);
    let room = EMAIL.len() - 1;
    let claims = q.claim_bytes(5, LONG, ByteBudget { all: room, first: room }, popped(EMAIL, 1));
    assert_eq!((claims.emails.len(), claims.left), (0, Some(EMAIL.len())));
    let ids = q.claim_ids(5);
    assert_eq!((ids.len(), &ids[1..]), (2, waiting.as_slice()));
    assert_eq!(q.index().len(), 2);
}

#[test]
fn an_id_without_room_goes_back_to_the_front() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(2);
    let entry = q.pop();
    let claims = q.claim_bytes(5, LONG, ByteBudget { all: 1, first: 1 }, entry);
    assert!(claims.emails.is_empty() && claims.left.is_some());
    assert_eq!(q.claim_ids(5), ids);
}

#[test]
fn an_empty_entry_is_an_email_that_cannot_be_read() {
    let q = TestQueue::start();
    let claims = claim(&q, "", 1);
    assert_eq!((claims.popped, claims.emails.len()), (true, 1));
    q.push("emails", "");
    let listed = q.claim(5, LONG);
    assert_eq!((listed.len(), listed[0].json.len()), (1, 0));
}

#[test]
fn a_claim_reads_no_more_than_its_bytes_whatever_lies_between_the_ids() {
    let q = TestQueue::start();
    let first = q.enqueue_many(3);
    let large = "x".repeat(LARGEST / 8);
    (0..20).for_each(|_| q.push("emails", &large));
    let last = q.enqueue_many(3);
    let before = q.memory("used_memory");
    let claims = q.claim_bytes(50, LONG, ByteBudget { all: large.len() + 10_000, first: LARGEST }, None);
    // What Redis takes off a list it holds until it is given on.
    let read = q.memory("used_memory_peak") - before;
    assert!(read < 8 * large.len(), "{read} bytes for a claim of {}", large.len());
    assert_eq!(claims.emails.iter().filter(|email| email.json == large.as_bytes()).count(), 1);
    assert_eq!(claims.emails[..3].iter().map(|email| email.claim.id).collect::<Vec<_>>(), first);
    assert_eq!(claims.left, Some(large.len()));
    // The rest is as it was.
    assert_eq!(q.depth().entries, 22);
    let rest: usize = std::iter::from_fn(|| Some(q.claim(50, LONG).len()).filter(|&claimed| claimed > 0)).sum();
    assert_eq!(rest, 22);
    assert!(last.iter().all(|id| q.state(*id) == State::Sending));
}
