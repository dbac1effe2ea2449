//! A record that is missing or cannot be read harms no other email, and becomes a dead letter with its raw text.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod support;

use std::time::Duration;

use email_queue::{
    EmailId, Lane, State,
    query::read,
    query::{Cursor, Page, list},
    transition::{self, ByteBudget, Changed, Claim, Outcome, cancel, reschedule},
};
use jiff::Timestamp;
use support::{EMAIL, LONG, TestQueue, delayed, eager, failed, postponed, returned};

/// What may be found where a record should be.
const BROKEN: [&str; 5] = [
    "",
    "x",
    // Cut off, and overwritten by one column too many.
    "queued    5000000000001 000",
    "queued    50000000000010 00000 0000 00 normal 1764000000000\n{}",
    "waiting   5000000000001 00000 0000 00 normal 1764000000000\n{}",
];

fn key(id: EmailId) -> String {
    format!("emails:email:{id}")
}

/// Puts `raw` in the place of a record; '' for none at all.
fn replace(q: &TestQueue, id: EmailId, raw: &str) {
    q.redis::<()>(&format!("DEL {}", key(id)));
    if !raw.is_empty() {
        q.set(&key(id), raw);
    }
}

fn assert_unreadable(q: &TestQueue, id: EmailId, raw: &str) {
    let record = q.record(id).unwrap();
    assert_eq!((record.state, record.json.as_slice()), (State::Failed, raw.as_bytes()), "{raw}");
    assert!(record.error.unwrap().contains("its record"), "{raw}");
    assert_eq!(q.redis::<String>(&format!("HGET emails:failure:{id} class")), "unreadable");
    assert_eq!(q.ids("failed"), [id]);
}

fn page(q: &TestQueue, state: Option<State>) -> Vec<EmailId> {
    let page = Page { limit: 100, cursor: Cursor::Newest, state };
    q.run(&list(&q.queue, page)).emails.into_iter().map(|(id, _)| id).collect()
}

#[test]
fn the_others_of_a_claim_are_claimed() {
    for raw in BROKEN {
        let q = TestQueue::start();
        let ids = q.enqueue_many(5);
        replace(&q, ids[2], raw);
        let mut others = ids.clone();
        let broken = others.remove(2);
        assert_eq!(q.claim_ids(10), others, "{raw}");
        // Of a missing one only its place is left, by which maintenance finds it.
        q.maintain(eager());
        q.maintain(eager());
        assert_unreadable(&q, broken, raw);
        assert_eq!(q.depth().waiting, [0; 3]);
        assert_eq!(q.maintain(eager()).requeued, 0);
    }
}

#[test]
fn a_record_that_is_a_key_of_another_type_is_a_dead_letter_too() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(2);
    replace(&q, ids[0], "");
    q.push(&key(ids[0]), "something else");
    assert_eq!(page(&q, None).len(), 2);
    assert_eq!(q.claim_ids(10), ids[1..]);
    assert_unreadable(&q, ids[0], "");
}

#[test]
fn a_page_of_emails_shows_a_broken_one_as_failed_and_leaves_a_missing_one_out() {
    for raw in BROKEN {
        let q = TestQueue::start();
        let ids = q.enqueue_many(3);
        replace(&q, ids[1], raw);
        let mut shown = vec![ids[2], ids[1], ids[0]];
        if raw.is_empty() {
            shown.remove(1);
        }
        assert_eq!(page(&q, None), shown, "{raw}");
        assert_eq!(page(&q, Some(State::Queued)), [ids[2], ids[0]], "{raw}");
        let record = q.record(ids[1]);
        assert_eq!(
            record.map(|record| (record.state, record.json)),
            match raw {
                "" => None,
                raw => Some((State::Failed, raw.into())),
            }
        );
        assert_eq!(q.run(&cancel(&q.queue, ids[1], LONG)), Changed::Unknown);
    }
}

#[test]
fn what_is_due_and_cannot_be_read_does_not_keep_the_others() {
    for raw in BROKEN {
        let q = TestQueue::start();
        let soon = Some(Timestamp::now() + Duration::from_millis(20));
        let ids = [(); 3].map(|()| q.enqueue_due(Lane::Normal, soon));
        replace(&q, ids[0], raw);
        testkit::wait::eventually_blocking(testkit::DEADLINE, "the others to be listed", || {
            q.maintain(eager());
            q.depth().waiting[1] == 2
        });
        assert_unreadable(&q, ids[0], raw);
    }
}

#[test]
fn an_outcome_without_a_record_leaves_no_half_of_one() {
    let q = TestQueue::start();
    q.enqueue_many(2);
    let claimed = q.claim(2, LONG);
    for claimed in &claimed {
        replace(&q, claimed.claim.id, "");
    }
    assert!(q.finish(claimed[0].claim, Outcome::Sent));
    assert!(q.finish(claimed[1].claim, delayed(Duration::ZERO)));
    let sent = q.record(claimed[0].claim.id).unwrap();
    assert_eq!((sent.state, sent.attempts, sent.json.len()), (State::Sent, 1, 0));
    let apart = sent.created.duration_since(claimed[0].created).abs();
    assert!(apart < jiff::SignedDuration::from_secs(1), "an id says when its email was accepted");
    assert_eq!(q.state(claimed[1].claim.id), State::Delayed);
}

#[test]
fn what_a_dead_worker_held_and_cannot_be_read_does_not_keep_the_others() {
    for raw in BROKEN {
        let q = TestQueue::start();
        let ids = q.enqueue_many(3);
        q.claim(3, Duration::ZERO);
        replace(&q, ids[1], raw);
        q.redis::<()>(&format!("HSET emails:sending:w {} nonsense", ids[2]));
        let maintained = q.maintain(eager());
        assert_eq!((maintained.recovered, maintained.dead_lettered), (2, 1), "{raw}");
        assert_unreadable(&q, ids[1], raw);
        assert_eq!(q.claim_ids(10), [ids[0], ids[2]]);
    }
}

#[test]
fn a_time_that_is_too_far_away_still_fits_its_column() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, LONG).remove(0);
    let due: Timestamp = "2999-12-31T00:00:00Z".parse().unwrap();
    q.finish(claimed.claim, Outcome::Scheduled { due });
    let record = q.record(id).unwrap();
    assert_eq!((record.state, record.lane, record.attempts), (State::Scheduled, Lane::Normal, 0));
    assert_eq!(record.due.unwrap().as_millisecond(), 9_999_999_999_999);
}

#[test]
fn what_stands_in_the_way_of_an_emails_failure_keeps_no_email_from_its_outcome() {
    let outcomes: [(fn() -> Outcome, u32); 4] = [
        (|| delayed(Duration::ZERO), 2),
        (|| postponed(Duration::ZERO), 2),
        (returned, 2),
        (|| failed("no such user"), 1),
    ];
    for (outcome, attempts) in outcomes {
        let q = TestQueue::start();
        let ids = q.enqueue_many(3);
        for attempt in 1..=attempts {
            q.set(&format!("emails:failure:{}", ids[1]), "something else");
            assert_eq!(page(&q, None).len(), 3, "{:?}", outcome());
            for claimed in q.claim(10, LONG) {
                assert!(q.finish(claimed.claim, outcome()), "{:?}, attempt {attempt}", outcome());
            }
            q.maintain(eager());
        }
        let error = |id| q.record(id).unwrap().error;
        assert_eq!((error(ids[0]).is_some(), error(ids[1])), (true, error(ids[0])), "{:?}", outcome());
    }
}

#[test]
fn what_a_program_may_not_read_or_write_is_an_error_and_no_broken_record() {
    for forbidden in ["-getrange", "-getrange -get", "-setrange"] {
        let q = TestQueue::start();
        let ids = q.enqueue_many(3);
        let due = Timestamp::now() + Duration::from_secs(3600);
        let scheduled = q.enqueue_due(Lane::Low, Some(due));
        q.redis::<()>(&format!("ACL SETUSER default {forbidden}"));
        let refused = |what: &str, refused: bool| assert!(refused, "{what} with {forbidden}");
        refused("cancel", q.try_run(&cancel(&q.queue, ids[0], LONG)).is_err());
        refused("reschedule", q.try_run(&reschedule(&q.queue, scheduled, due)).is_err());
        if forbidden != "-setrange" {
            refused("read", q.try_run(&read(&q.queue, ids[0])).is_err());
            refused(
                "list",
                q.try_run(&list(&q.queue, Page { limit: 9, cursor: Cursor::Newest, state: None })).is_err(),
            );
        }
        let budget = ByteBudget { all: 1000, first: 1000 };
        let claim = Claim { worker: q.worker, lease: Duration::from_millis(1), max: 10, bytes: budget, popped: None };
        refused("claim", q.try_run(&transition::claim(&q.queue, claim)).is_err());
        let _ = q.try_maintain(eager());

        q.redis::<()>("ACL SETUSER default +@all");
        for id in ids.iter().chain([&scheduled]) {
            let record = q.record(*id).unwrap();
            // Behind the fields of an email that was scheduled stands its time.
            assert!(record.json.starts_with(EMAIL.trim_end_matches('}').as_bytes()), "{forbidden}");
            assert_eq!(record.error, None, "{forbidden}");
            assert_ne!(record.state, State::Failed, "{forbidden}");
        }
        // They are sent as soon as it may be done, whatever the calls that failed have left behind.
        let mut claimed = Vec::new();
        testkit::wait::eventually_blocking(testkit::DEADLINE, "all to be claimed", || {
            q.maintain(eager());
            claimed.extend(q.claim_ids(10));
            claimed.len() == ids.len()
        });
    }
}
