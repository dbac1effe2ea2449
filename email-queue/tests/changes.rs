//! What clients can ask for after an email was accepted, and requests that come twice.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::time::Duration;

use email_queue::{
    Class, EmailId, Lane, State, Submission,
    email::{Mailbox, due_of},
    query,
    query::{Cursor, Event, Listed, Page, SECRET_BYTES, default_sender, list, secret, timeline},
    rate_limit::{Allowance, throttle},
    setup::set_default_sender,
    transition::{
        Changed, ClaimRef, Enqueue, Enqueued, Idempotency, NewEmail, Outcome, cancel, enqueue, reschedule, set_sender,
    },
};
use jiff::Timestamp;
use support::{EMAIL, LONG, TestQueue, eager};

fn request(key: &str, body: u8) -> Idempotency {
    Idempotency::new("client", key, &[[body; 32]])
}

fn enqueue_once(q: &TestQueue, id: EmailId, idempotency: &Idempotency) -> Enqueued {
    let email = NewEmail { id, lane: Lane::Normal, due: None, json: EMAIL.into() };
    let enqueue =
        Enqueue { emails: &[email], backlog_limit: Some(2), idempotency: Some(idempotency), ..Enqueue::default() };
    q.run(&email_queue::transition::enqueue(&q.queue, enqueue))
}

fn later(seconds: i64) -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap()
}

#[test]
fn a_request_that_comes_twice_gets_the_first_ids_and_lists_nothing() {
    let q = TestQueue::start();
    let first = EmailId::new();
    assert_eq!(enqueue_once(&q, first, &request("k", 1)), Enqueued::Accepted);
    assert_eq!(enqueue_once(&q, EmailId::new(), &request("k", 1)), Enqueued::Repeated(vec![first]));
    assert_eq!((q.depth().entries, q.redis::<i64>("ZCARD emails:index")), (1, 1));
}

#[test]
fn another_request_under_the_same_key_is_a_conflict_and_the_first_stays_as_it_was() {
    let q = TestQueue::start();
    let first = EmailId::new();
    enqueue_once(&q, first, &request("k", 1));
    assert_eq!(enqueue_once(&q, EmailId::new(), &request("k", 2)), Enqueued::Conflict);
    assert_eq!(enqueue_once(&q, EmailId::new(), &request("k", 1)), Enqueued::Repeated(vec![first]));
}

#[test]
fn another_key_or_another_clients_key_is_another_request() {
    let q = TestQueue::start();
    enqueue_once(&q, EmailId::new(), &request("k", 1));
    let other_client = Idempotency::new("somebody else", "k", &[[1; 32]]);
    assert_eq!(enqueue_once(&q, EmailId::new(), &other_client), Enqueued::Accepted);
    assert_eq!(q.depth().entries, 2);
}

#[test]
fn a_request_that_was_refused_is_not_remembered_and_a_remembered_one_needs_no_room() {
    let q = TestQueue::start();
    let kept = EmailId::new();
    enqueue_once(&q, kept, &request("kept", 1));
    q.enqueue(Lane::Normal);
    assert_eq!(enqueue_once(&q, EmailId::new(), &request("refused", 1)), Enqueued::BacklogFull);
    assert_eq!(enqueue_once(&q, EmailId::new(), &request("kept", 1)), Enqueued::Repeated(vec![kept]));
    q.claim(1, LONG);
    assert_eq!(enqueue_once(&q, EmailId::new(), &request("refused", 1)), Enqueued::Accepted);
}

#[test]
fn a_request_is_remembered_for_a_day_and_its_key_is_nowhere_in_redis() {
    let q = TestQueue::start();
    enqueue_once(&q, EmailId::new(), &Idempotency::new("client", "secret-order-7", &[[1; 32]]));
    let keys: Vec<String> = q.redis("KEYS emails:idempotency:*");
    let [key] = keys.as_slice() else { panic!("{keys:?}") };
    assert!(!key.contains("secret-order-7"));
    let hours = q.redis::<i64>(&format!("TTL {key}")) as f64 / 3600.0;
    assert!((23.9..=24.0).contains(&hours), "{hours}");
}

#[test]
fn a_repeated_batch_gets_all_its_ids_in_order() {
    let q = TestQueue::start();
    let ids = [EmailId::new(), EmailId::new(), EmailId::new()];
    let batch = |ids: &[EmailId]| {
        let emails: Vec<_> =
            ids.iter().map(|id| NewEmail { id: *id, lane: Lane::Low, due: None, json: EMAIL.into() }).collect();
        let enqueue = Enqueue { emails: &emails, idempotency: Some(&request("batch", 1)), ..Enqueue::default() };
        q.run(&email_queue::transition::enqueue(&q.queue, enqueue))
    };
    assert_eq!(batch(&ids), Enqueued::Accepted);
    assert_eq!(batch(&[EmailId::new(), EmailId::new(), EmailId::new()]), Enqueued::Repeated(ids.to_vec()));
}

#[test]
fn an_email_that_waits_in_any_way_can_be_canceled_and_is_never_claimed() {
    let q = TestQueue::start();
    let delayed = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, LONG).remove(0);
    q.finish(claimed.claim, support::delayed(Duration::ZERO));
    let queued = q.enqueue(Lane::High);
    let scheduled = q.enqueue_due(Lane::Normal, Some(Timestamp::now() + Duration::from_millis(20)));
    for id in [delayed, queued, scheduled] {
        assert_eq!(q.run(&cancel(&q.queue, id, LONG)), Changed::Done);
        assert_eq!((q.state(id), q.record(id).unwrap().due), (State::Canceled, None));
    }
    testkit::wait::eventually_blocking(testkit::DEADLINE, "the scheduled time", || {
        Timestamp::now() > q.record(scheduled).unwrap().created + Duration::from_millis(50)
    });
    q.maintain(eager());
    assert_eq!(q.claim_ids(10), []);
    assert_eq!((q.depth().waiting, q.depth().entries, q.depth().scheduled), ([0; 3], 0, 0));
}

#[test]
fn what_a_worker_has_claimed_or_finished_cannot_be_canceled_and_nothing_changes() {
    let q = TestQueue::start();
    let sending = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, LONG).remove(0);
    assert_eq!(q.run(&cancel(&q.queue, sending, LONG)), Changed::Refused(State::Sending));
    assert!(q.finish(claimed.claim, Outcome::Sent));
    assert_eq!(q.run(&cancel(&q.queue, sending, LONG)), Changed::Refused(State::Sent));
    assert_eq!(q.run(&cancel(&q.queue, EmailId::new(), LONG)), Changed::Unknown);
}

#[test]
fn a_canceled_email_is_forgotten_after_the_retention() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    q.run(&cancel(&q.queue, id, Duration::ZERO));
    assert_eq!(q.maintain(eager()).expired, 1);
    assert_eq!(q.record(id), None);
}

#[test]
fn a_worker_that_lost_its_lease_cannot_undo_a_cancellation() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, Duration::ZERO).remove(0);
    q.maintain(eager());
    assert_eq!(q.run(&cancel(&q.queue, id, LONG)), Changed::Done);
    assert!(!q.finish(claimed.claim, Outcome::Sent));
    assert_eq!(q.state(id), State::Canceled);
}

#[test]
fn a_scheduled_email_can_be_moved_and_others_cannot() {
    let q = TestQueue::start();
    let id = q.enqueue_due(Lane::Normal, Some(later(60)));
    let due = later(120);
    assert_eq!(q.run(&reschedule(&q.queue, id, due)), Changed::Done);
    assert_eq!(q.record(id).unwrap().due, Some(due));
    assert_eq!(q.run(&reschedule(&q.queue, id, later(-1))), Changed::Done);
    assert_eq!(q.maintain(eager()).due, 1);
    assert_eq!(q.run(&reschedule(&q.queue, id, due)), Changed::Refused(State::Queued));
    assert_eq!(q.run(&reschedule(&q.queue, EmailId::new(), due)), Changed::Unknown);
    assert_eq!((q.state(id), q.depth().scheduled), (State::Queued, 0));
}

#[test]
fn an_email_of_another_program_that_is_rescheduled_gets_a_time_that_goes_before_its_own() {
    let q = TestQueue::start();
    for end in ["}", "} ", "}\r\n"] {
        let own = format!(
            r#"{{"to":["b@x.example"],"subject":"s","text":"t","due":1764000000000,"scheduled_at":"2030-01-01T00:00:00Z"{end}"#
        );
        q.push("emails", &own);
        let popped = q.pop();
        let claimed = q.claim_popped(1, LONG, popped).remove(0);
        let id = claimed.claim.id;
        q.finish(claimed.claim, Outcome::Scheduled { due: later(600) });
        assert_eq!(due_of(&q.record(id).unwrap().json), None, "a field of its own is not it");
        for due in [later(60), later(-1)] {
            assert_eq!(q.run(&reschedule(&q.queue, id, due)), Changed::Done);
            let json = q.record(id).unwrap().json;
            assert_eq!(due_of(&json), Some(due), "{end:?}");
            q.check_bytes();
            let sender: Mailbox = "a@x.example".parse().unwrap();
            let read = Submission::from_list(&json[..], Some(&sender), Timestamp::now()).unwrap();
            assert_eq!((read.email.to.len(), read.unknown_fields.as_slice()), (1, &["due".to_owned()][..]), "{end:?}");
        }
        assert_eq!(q.maintain(eager()).due, 1);
        let claimed = q.claim(1, LONG).remove(0);
        assert!(due_of(&claimed.json).is_some());
    }
}

#[test]
fn the_timeline_of_a_sent_email_tells_that_it_was_scheduled() {
    let q = TestQueue::start();
    let id = q.enqueue_due(Lane::Normal, Some(Timestamp::now() + Duration::from_millis(20)));
    testkit::wait::eventually_blocking(testkit::DEADLINE, "it to be due", || q.maintain(eager()).due == 1);
    let claimed = q.claim(1, LONG).remove(0);
    q.finish(claimed.claim, Outcome::Sent);
    let events: Vec<_> = q.run(&timeline(&q.queue, id)).unwrap().into_iter().map(|entry| entry.event).collect();
    assert_eq!(events, [Event::Accepted, Event::Scheduled, Event::Sent]);
}

#[test]
fn the_time_in_a_record_follows_the_email_and_is_not_a_field_of_it() {
    let q = TestQueue::start();
    let due = later(60);
    let id = q.enqueue_due(Lane::Normal, Some(due));
    let json = || q.record(id).unwrap().json;
    assert_eq!(due_of(&json()), Some(due));
    let due = later(3600);
    assert_eq!(q.run(&reschedule(&q.queue, id, due)), Changed::Done);
    assert_eq!(due_of(&json()), Some(due));
    // Long ago, or in a time with more digits: the JSON stays readable.
    for (far, expected) in [(5, 1_000_000_000), (99_999_999_999, 9_999_999_999)] {
        assert_eq!(q.run(&reschedule(&q.queue, id, Timestamp::from_second(far).unwrap())), Changed::Done);
        assert_eq!(due_of(&json()).map(Timestamp::as_second), Some(expected));
        let read = Submission::from_list(json().as_slice(), None, Timestamp::now()).unwrap();
        assert_eq!(read.email, Submission::from_list(EMAIL.as_bytes(), None, Timestamp::now()).unwrap().email);
    }
    assert_eq!(due_of(&q.record(q.enqueue(Lane::Normal)).unwrap().json), None);
}

fn page(q: &TestQueue, limit: usize, cursor: Cursor, state: Option<State>) -> (Vec<EmailId>, bool) {
    let Listed { emails, has_more, .. } = q.run(&list(&q.queue, Page { limit, cursor, state }));
    (emails.into_iter().map(|(id, _)| id).collect(), has_more)
}

#[test]
fn emails_are_listed_newest_first_page_by_page_in_both_directions() {
    let q = TestQueue::start();
    let mut ids = q.enqueue_many(5);
    ids.reverse();
    assert_eq!(page(&q, 2, Cursor::Newest, None), (ids[..2].to_vec(), true));
    assert_eq!(page(&q, 2, Cursor::After(ids[1]), None), (ids[2..4].to_vec(), true));
    assert_eq!(page(&q, 2, Cursor::After(ids[3]), None), (ids[4..].to_vec(), false));
    assert_eq!(page(&q, 5, Cursor::Newest, None), (ids.clone(), false));
    assert_eq!(page(&q, 2, Cursor::Before(ids[4]), None), (ids[2..4].to_vec(), true));
    assert_eq!(page(&q, 2, Cursor::Before(ids[2]), None), (ids[..2].to_vec(), false));
    assert_eq!(page(&q, 2, Cursor::Before(ids[0]), None), (vec![], false));
}

#[test]
fn a_cursor_need_not_exist() {
    let q = TestQueue::start();
    let older = q.enqueue(Lane::Normal);
    let cursor = EmailId::new();
    let newer = q.enqueue(Lane::Normal);
    assert_eq!(page(&q, 9, Cursor::After(cursor), None).0, [older]);
    assert_eq!(page(&q, 9, Cursor::Before(cursor), None).0, [newer]);
}

#[test]
fn ids_that_come_out_of_order_are_listed_in_order() {
    let q = TestQueue::start();
    let mut ids: Vec<_> = (0..1000).map(|_| EmailId::new()).collect();
    // As from two hosts, one of them behind, and each a little out of order.
    let (early, late) = ids.split_at(500);
    for (early, late) in early.chunks(7).zip(late.chunks(7)) {
        q.enqueue_as(&late.iter().rev().copied().collect::<Vec<_>>(), Lane::Normal, None);
        early.iter().for_each(|id| q.enqueue_as(&[*id], Lane::Normal, None));
    }
    assert_eq!(q.index(), ids);
    ids.reverse();
    let mut cursor = Cursor::Newest;
    for expected in ids.chunks(90) {
        let (listed, more) = page(&q, 90, cursor, None);
        assert_eq!((listed.as_slice(), more), (expected, expected.last() != ids.last()));
        cursor = Cursor::After(*expected.last().unwrap());
    }
    let (newer, more) = page(&q, 90, Cursor::Before(ids[500]), None);
    assert_eq!((newer.as_slice(), more), (&ids[410..500], true));
}

#[test]
fn emails_can_be_listed_by_state_over_others() {
    let q = TestQueue::start();
    let wanted = [q.enqueue_due(Lane::Normal, Some(later(60))), {
        q.enqueue_many(100);
        q.enqueue_due(Lane::Normal, Some(later(60)))
    }];
    q.enqueue_many(50);
    assert_eq!(page(&q, 9, Cursor::Newest, Some(State::Scheduled)), (vec![wanted[1], wanted[0]], false));
    assert_eq!(page(&q, 1, Cursor::Newest, Some(State::Scheduled)), (vec![wanted[1]], true));
    assert_eq!(page(&q, 1, Cursor::After(wanted[1]), Some(State::Scheduled)), (vec![wanted[0]], false));
    assert_eq!(page(&q, 9, Cursor::Newest, Some(State::Failed)), (vec![], false));
}

#[test]
fn a_page_of_large_emails_is_full_and_holds_the_beginning_of_each() {
    let q = TestQueue::start();
    let json = "x".repeat(1024 * 1024);
    for _ in 0..8 {
        let email = NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: json.clone().into() };
        let enqueue = Enqueue { emails: &[email], ..Enqueue::default() };
        q.run(&email_queue::transition::enqueue(&q.queue, enqueue));
    }
    let page = |limit| q.run(&list(&q.queue, Page { limit, cursor: Cursor::Newest, state: None }));
    assert!(page(7).has_more && !page(8).has_more);
    let emails = page(8).emails;
    assert_eq!(emails.len(), 8);
    assert!(emails.iter().all(|(_, record)| (32_000..32_768).contains(&record.json.len())));
    let beginning = q.run(&query::read_beginning(&q.queue, emails[0].0)).unwrap();
    assert!((1_048_000..1_048_576).contains(&beginning.json.len()));
}

#[test]
fn a_page_of_one_state_says_how_far_it_looked() {
    let q = TestQueue::start();
    let first = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, LONG);
    q.finish(claimed[0].claim, Outcome::Failed { class: Class::Recipient, error: "x".into() });
    for _ in 0..12 {
        let emails: Vec<_> = (0..100)
            .map(|_| NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: b"{}".into() })
            .collect();
        let enqueue = Enqueue { emails: &emails, ..Enqueue::default() };
        q.run(&email_queue::transition::enqueue(&q.queue, enqueue));
    }
    let failed = |cursor| q.run(&list(&q.queue, Page { limit: 1, cursor, state: Some(State::Failed) }));
    let (mut listed, mut calls) = (failed(Cursor::Newest), 1);
    while let (true, Some(looked_up_to)) = (listed.emails.is_empty(), listed.next) {
        (listed, calls) = (failed(Cursor::After(looked_up_to)), calls + 1);
    }
    assert_eq!(listed.emails.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [first]);
    // 1,201 emails, 200 a call.
    assert_eq!(calls, 7);
}

#[test]
fn a_sender_is_named_by_whoever_has_the_email_in_flight() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let claim = q.claim(1, LONG)[0].claim;
    let named = |number, json: &str| q.run(&set_sender(&q.queue, ClaimRef { id, number }, json.into()));
    let before = q.record(id).unwrap();
    assert!(!named(claim.number + 1, "other"));
    assert!(named(claim.number, "{}"));
    assert_eq!(q.record(id).unwrap(), email_queue::Record { json: b"{}".into(), ..before });
    q.finish(claim, Outcome::Sent);
    assert!(!named(claim.number, "other"));
    assert_eq!(q.run(&default_sender(&q.queue)), None);
    let sender: Mailbox = "Shop <shop@example.com>".parse().unwrap();
    q.run(&set_default_sender(&q.queue, &sender));
    assert_eq!(q.run(&default_sender(&q.queue)), Some(sender));
}

#[test]
fn a_record_shown_in_a_list_is_the_one_shown_alone() {
    let q = TestQueue::start();
    let id = q.enqueue_due(Lane::High, Some(later(60)));
    let listed = q.run(&list(&q.queue, Page { limit: 1, cursor: Cursor::Newest, state: None }));
    assert_eq!(listed.emails, [(id, q.record(id).unwrap())]);
}

#[test]
fn a_client_is_held_to_its_limit_and_no_other_client_is() {
    let q = TestQueue::start();
    let allowance = Allowance { requests: 2, within: Duration::from_secs(1) };
    let ask = |client| q.run(&throttle(&q.queue, client, allowance, 1));
    let remaining: Vec<_> = (0..4).map(|_| ask("a")).map(|status| (status.allowed, status.remaining)).collect();
    assert_eq!(remaining, [(true, 1), (true, 0), (false, 0), (false, 0)]);
    assert!(ask("b").allowed);
    testkit::wait::eventually_blocking(testkit::DEADLINE, "the next second", || ask("a").allowed);
}

#[test]
fn many_requests_at_once_count_as_many_and_pass_while_one_is_left() {
    let q = TestQueue::start();
    let allowance = Allowance { requests: 10, within: LONG };
    let ask = |client, requests| {
        let status = q.run(&throttle(&q.queue, client, allowance, requests));
        (status.allowed, status.remaining, status.reset.as_millis().div_ceil(LONG.as_millis()))
    };
    assert_eq!([ask("a", 6), ask("a", 4), ask("a", 1)], [(true, 4, 1), (true, 0, 1), (false, 0, 1)]);
    // A client that always makes some can make many: it pays with time.
    assert_eq!([ask("b", 9), ask("b", 10), ask("b", 1)], [(true, 1, 1), (true, 0, 2), (false, 0, 2)]);
    // More than ever fits: it takes the time of three.
    assert_eq!([ask("c", 21), ask("c", 1)], [(true, 0, 3), (false, 0, 3)]);
    // What is refused costs nothing.
    assert_eq!([ask("d", 10), ask("d", 500), ask("d", 500)], [(true, 0, 1), (false, 0, 1), (false, 0, 1)]);
}

#[test]
fn whoever_comes_first_makes_the_secret_and_all_others_get_it() {
    let q = TestQueue::start();
    let answers: Vec<_> = std::thread::scope(|scope| {
        let server = &q.server;
        let ask = |byte| {
            scope.spawn(move || {
                let q = TestQueue::beside(server);
                q.run(&secret(&q.queue, [byte; SECRET_BYTES]))
            })
        };
        // Bytes that are no UTF-8, so that none may be lost on the way.
        let racers: Vec<_> = (0xf0..0xf4).map(ask).collect();
        racers.into_iter().map(|racer| racer.join().unwrap()).collect()
    });
    let kept = q.run(&secret(&q.queue, [0; SECRET_BYTES]));
    assert_ne!(kept, [0; SECRET_BYTES]);
    assert_eq!(answers, [kept; 4]);
}

#[test]
fn each_queue_has_a_secret_of_its_own() {
    let q = TestQueue::start();
    let other = TestQueue::on(&q, "other");
    q.run(&secret(&q.queue, [1; SECRET_BYTES]));
    assert_eq!(other.run(&secret(&other.queue, [2; SECRET_BYTES])), [2; SECRET_BYTES]);
}

#[test]
fn of_many_clients_racing_with_one_key_one_is_accepted() {
    let q = TestQueue::start();
    for round in 0..20 {
        let request = request(&format!("round {round}"), 1);
        let answers: Vec<Enqueued> = std::thread::scope(|scope| {
            let server = &q.server;
            let request = &request;
            let racers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(move || {
                        let q = TestQueue::beside(server);
                        let email = NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: EMAIL.into() };
                        let call = enqueue(
                            &q.queue,
                            Enqueue { emails: &[email], idempotency: Some(request), ..Enqueue::default() },
                        );
                        q.run(&call)
                    })
                })
                .collect();
            racers.into_iter().map(|racer| racer.join().unwrap()).collect()
        });
        assert_eq!(answers.iter().filter(|answer| **answer == Enqueued::Accepted).count(), 1, "{answers:?}");
        let repeated =
            answers.iter().filter(|answer| matches!(answer, Enqueued::Repeated(ids) if ids.len() == 1)).count();
        assert_eq!(repeated, 3, "{answers:?}");
    }
    assert_eq!(q.depth().entries, 20);
}
