//! The bytes of all records are counted exactly, and where they are limited what has ended gives way first.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use email_queue::{
    EmailId, Lane, State,
    email::{Mailbox, Outline},
    maintenance::Maintenance,
    transition::{
        ClaimRef, Enqueue, Enqueued, Finish, NewEmail, Next, Outcome, Periods, Progress, Room, RoomFor, cancel,
        enqueue, finish, make_room, set_sender,
    },
};
use jiff::Timestamp;
use proptest::prelude::*;
use support::{EMAIL, LONG, TestQueue, delayed, eager, failed};

/// How long a header is, without a retention.
const HEADER: usize = 59;

fn email(subject: &str, text: &str) -> NewEmail {
    let json = format!(r#"{{"from":"a@example.com","to":["b@example.com"],"subject":"{subject}","text":"{text}"}}"#);
    NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: json.into() }
}

/// Enqueues with a limit in bytes. Where there is no room, some is made by as many calls as that takes.
fn enqueue_within(q: &TestQueue, backlog_bytes: usize, emails: &[NewEmail]) -> Enqueued {
    let call = enqueue(&q.queue, Enqueue { emails, backlog_bytes: Some(backlog_bytes as u64), ..Enqueue::default() });
    loop {
        match q.run(&call) {
            Enqueued::NoBytesLeft { stored, asked } if asked <= backlog_bytes as u64 => {
                let room_for = RoomFor::Bytes { limit: backlog_bytes as u64, asked };
                if q.run(&make_room(&q.queue, room_for)) == (Room { freed: 0, enough: false, more: false }) {
                    return Enqueued::NoBytesLeft { stored, asked };
                }
            }
            outcome => return outcome,
        }
    }
}

/// Claims what waits and finishes it.
fn send(q: &TestQueue, count: usize) -> Vec<EmailId> {
    let claimed = q.claim(count, LONG);
    claimed.iter().for_each(|claimed| assert!(q.finish(claimed.claim, Outcome::Sent)));
    claimed.iter().map(|claimed| claimed.claim.id).collect()
}

fn has_text(q: &TestQueue, id: EmailId) -> bool {
    let record = q.record(id).unwrap();
    let email = record.submission(&Mailbox::built_in_sender()).unwrap().email;
    assert_eq!(email.text.is_none(), record.removed.is_some());
    email.text.is_some()
}

#[test]
fn no_more_bytes_are_stored_than_the_limit_allows_and_one_less_is_refused() {
    let q = TestQueue::start();
    q.enqueue(Lane::High);
    let [one, two] = [email("one", "x"), email("two", "y")];
    let both = one.json.len() + two.json.len() + 2 * HEADER;
    let limit = q.stored() + both;
    let refused = enqueue_within(&q, limit - 1, &[one.clone(), two.clone()]);
    assert_eq!(refused, Enqueued::NoBytesLeft { stored: q.stored() as u64, asked: both as u64 });
    assert_eq!((q.depth().waiting, q.depth().entries), ([1, 0, 0], 1));
    assert_eq!(enqueue_within(&q, limit, &[one.clone(), two]), Enqueued::Accepted);
    assert_eq!(q.stored(), limit);
    assert_eq!(enqueue_within(&q, limit, std::slice::from_ref(&one)), Enqueued::Accepted, "it is there already");
    assert!(matches!(enqueue_within(&q, limit, &[email("three", "z")]), Enqueued::NoBytesLeft { .. }));
}

#[test]
fn the_bodies_of_what_was_sent_go_first_and_the_oldest_of_them() {
    let q = TestQueue::start();
    let text = "x".repeat(10_000);
    let emails: Vec<_> = (0..6).map(|nth| email(&format!("subject {nth}"), &text)).collect();
    emails.iter().for_each(|email| {
        assert_eq!(enqueue_within(&q, usize::MAX >> 12, std::slice::from_ref(email)), Enqueued::Accepted)
    });
    let mut sent = Vec::new();
    for _ in 0..4 {
        // At different times, and not together.
        sent.extend(send(&q, 1));
        std::thread::sleep(Duration::from_millis(2));
    }
    let limit = q.stored() + 1000;
    assert_eq!(enqueue_within(&q, limit, &[email("new", &"y".repeat(15_000))]), Enqueued::Accepted);
    assert_eq!(sent.iter().map(|id| has_text(&q, *id)).collect::<Vec<_>>(), [false, false, true, true]);
    let record = q.record(sent[0]).unwrap();
    assert_eq!((record.state, record.removed), (State::Sent, Some(10_000 + r#","text":"""#.len() as u64)));
    assert_eq!(Outline::read(&record.json).0.subject.as_deref(), Some("subject 0"));
    // What is left are two that were sent, and three that wait and are not touched.
    let refused = enqueue_within(&q, limit, &[email("large", &"z".repeat(30_000))]);
    assert!(matches!(refused, Enqueued::NoBytesLeft { .. }), "{refused:?}");
    assert_eq!(sent.iter().filter(|id| has_text(&q, **id)).count(), 0);
    assert_eq!(q.claim(10, LONG).iter().filter(|claimed| claimed.json.len() > 10_000).count(), 3);
    assert!(q.stored() <= limit);
}

#[test]
fn an_email_that_is_larger_than_the_limit_removes_nothing() {
    let q = TestQueue::start();
    q.enqueue(Lane::Normal);
    let sent = send(&q, 1);
    let refused = enqueue_within(&q, 1000, &[email("large", &"z".repeat(1000))]);
    assert!(matches!(refused, Enqueued::NoBytesLeft { .. }), "{refused:?}");
    assert!(has_text(&q, sent[0]));
}

#[test]
fn room_for_a_large_email_is_made_of_many_small_ones_in_steps_that_are_bounded() {
    let q = TestQueue::start();
    let text = "x".repeat(300);
    let emails: Vec<_> = (0..1500).map(|nth| email(&format!("{nth}"), &text)).collect();
    assert_eq!(enqueue_within(&q, usize::MAX >> 12, &emails), Enqueued::Accepted);
    for _ in 0..15 {
        let claims: Vec<_> = q.claim(100, LONG).into_iter().map(|claimed| claimed.claim).collect();
        let finished: Vec<_> =
            claims.into_iter().map(|claim| Finish::new(claim, Outcome::Sent, Progress::default())).collect();
        q.run(&finish(&q.queue, q.worker, support::PERIODS, &finished, None));
    }
    let one = q.run(&make_room(&q.queue, support::memory(u64::MAX >> 12)));
    assert!(one.more && one.freed > 0);
    let stripped = emails.iter().filter(|email| !has_text(&q, email.id)).count();
    assert!((200..300).contains(&stripped), "{stripped}");
    let limit = q.stored() + 10;
    assert_eq!(enqueue_within(&q, limit, &[email("large", &"y".repeat(300_000))]), Enqueued::Accepted);
    assert!(q.stored() <= limit);
    while q.run(&make_room(&q.queue, support::memory(u64::MAX >> 12))).more {}
    assert_eq!(q.run(&make_room(&q.queue, support::memory(1))), Room { freed: 0, enough: false, more: false });
    assert!(emails.iter().all(|email| !has_text(&q, email.id)));
}

#[test]
fn all_but_the_bodies_stays_in_whatever_order_and_spelling_it_was_written() {
    let q = TestQueue::start();
    let long = "\\\" \\\\".repeat(3000);
    let entries = [
        (r#"{"from":"A <a@b.c>","to":["b@b.c"],"cc":["c@b.c"],"subject":"a,\"text\":\\","headers":{"text":"x","X-A":"{[\"]}"},"tags":[{"name":"n","value":"v"}],"text":"t","html":"h","attachments":[{"content":"YQ=="}]}"#.to_owned(),
         r#"{"from":"A <a@b.c>","to":["b@b.c"],"cc":["c@b.c"],"subject":"a,\"text\":\\","headers":{"text":"x","X-A":"{[\"]}"},"tags":[{"name":"n","value":"v"}]}"#),
        (format!(r#"{{"from":"a@b.c","to":["b@b.c"],"subject":"s","text":"{long}"}}"#), r#"{"from":"a@b.c","to":["b@b.c"],"subject":"s"}"#),
        (format!("\u{feff} {{ \"html\" : \"{long}\" ,\n\"attachments\": [{{\"content\": \"YQ==\"}}], \"from\": \"a@b.c\" , \"subject\": \"s\", \"to\": \"b@b.c\"\n}}"),
         "{\"from\": \"a@b.c\" ,\"subject\": \"s\",\"to\": \"b@b.c\"\n}"),
        (r#"{"to":"b@b.c","message":"hi","priority":"low"}"#.to_owned(), r#"{"to":"b@b.c","priority":"low"}"#),
    ];
    for (entry, kept) in entries {
        q.push("emails", &entry);
        let id = send(&q, 1)[0];
        let before = q.record(id).unwrap().submission(&Mailbox::built_in_sender()).unwrap();
        while q.run(&make_room(&q.queue, support::memory(u64::MAX >> 12))).more {}
        let record = q.record(id).unwrap();
        assert_eq!(std::str::from_utf8(&record.json).unwrap(), kept);
        assert_eq!(record.removed, Some((entry.len() - kept.len()) as u64));
        let after = record.submission(&Mailbox::built_in_sender()).unwrap();
        assert_eq!(
            (&after.email.to, &after.email.headers, &after.email.tags),
            (&before.email.to, &before.email.headers, &before.email.tags)
        );
        assert_eq!((after.email.text, after.email.html, after.email.attachments), (None, None, vec![]));
        q.check_bytes();
    }
}

#[test]
fn what_another_program_pushed_is_taken_beyond_the_limit_and_counts() {
    let q = TestQueue::start();
    q.enqueue(Lane::Normal);
    let limit = q.stored();
    q.push("emails", EMAIL);
    assert_eq!(q.claim(2, LONG).len(), 2);
    assert_eq!(q.stored(), limit + EMAIL.len() + HEADER);
    assert!(matches!(enqueue_within(&q, limit, &[email("new", "x")]), Enqueued::NoBytesLeft { .. }));
}

#[test]
fn an_email_without_its_body_is_forgotten_when_its_retention_is_over() {
    let q = TestQueue::start();
    let retention = Some(Duration::from_millis(300));
    let emails = [email("s", "t")];
    let call = Enqueue { emails: &emails, retention, ..Enqueue::default() };
    assert_eq!(q.run(&enqueue(&q.queue, call)), Enqueued::Accepted);
    let id = send(&q, 1)[0];
    assert!(q.run(&make_room(&q.queue, support::memory(1))).freed > 0);
    assert_eq!(q.record(id).unwrap().removed, Some(r#","text":"t""#.len() as u64));
    testkit::wait::eventually_blocking(testkit::DEADLINE, "the email to be forgotten", || {
        q.maintain(eager());
        q.record(id).is_none()
    });
    assert_eq!((q.stored(), q.ids("emptied")), (0, vec![]));
}

#[test]
fn records_that_an_earlier_version_left_uncounted_are_counted_by_maintenance() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(700);
    q.claim(3, LONG);
    q.redis::<()>("HDEL emails:waiting bytes counted");
    let mut more = Vec::new();
    for batch in [100, 100, 1000, 1000, 1000] {
        // Emails come and go meanwhile.
        more.extend(q.enqueue_many(3));
        q.run(&cancel(&q.queue, ids[10], LONG));
        q.run(&make_room(&q.queue, support::memory(1)));
        q.maintain(Maintenance { batch, ..eager() });
    }
    q.check_bytes();
    assert!(!q.redis::<bool>("HEXISTS emails:waiting recount"));
}

#[test]
fn what_somebody_deleted_by_hand_is_not_counted_for_ever() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(3);
    q.maintain(eager());
    q.redis::<()>(&format!("DEL emails:email:{}", ids[1]));
    assert_eq!(q.claim_ids(3), [ids[0], ids[2]]);
    // Maintenance finds that it is popped and has no record, and then counts again.
    testkit::wait::eventually_blocking(testkit::DEADLINE, "the missing email to be found", || {
        q.maintain(eager());
        q.record(ids[1]).is_some_and(|record| record.state == State::Failed)
    });
    q.maintain(eager());
    q.check_bytes();
}

#[derive(Debug, Clone)]
enum Step {
    Enqueue {
        text: usize,
        limit: Option<usize>,
    },
    Batch(usize),
    Schedule,
    Push(usize),
    Claim(usize),
    Finish(usize, End),
    Cancel(usize),
    NameSender(usize),
    MakeRoom(u64),
    /// A record that another program wrote or deleted, followed by a complete recount.
    Overwrite(usize),
    /// Does maintenance with this batch.
    Maintain(usize),
    CountAnew,
    PassRetention,
}

#[derive(Debug, Clone, Copy)]
enum End {
    Sent,
    SentAndForgotten,
    Failed,
    Delayed,
}

fn step() -> impl Strategy<Value = Step> {
    let end = prop::sample::select(vec![End::Sent, End::SentAndForgotten, End::Failed, End::Delayed]);
    prop_oneof![
        4 => (0..3000_usize, prop::option::of(500..20_000_usize)).prop_map(|(text, limit)| Step::Enqueue { text, limit }),
        1 => (1..20_usize).prop_map(Step::Batch),
        1 => Just(Step::Schedule),
        2 => (0..3000_usize).prop_map(Step::Push),
        4 => (1..5_usize).prop_map(Step::Claim),
        6 => (any::<usize>(), end).prop_map(|(nth, end)| Step::Finish(nth, end)),
        1 => any::<usize>().prop_map(Step::Cancel),
        1 => any::<usize>().prop_map(Step::NameSender),
        1 => (1..5000_u64).prop_map(Step::MakeRoom),
        1 => any::<usize>().prop_map(Step::Overwrite),
        3 => (2..10_usize).prop_map(Step::Maintain),
        1 => Just(Step::CountAnew),
        1 => Just(Step::PassRetention),
    ]
}

thread_local! {
    static QUEUE: TestQueue = TestQueue::start();
}
static CASE: AtomicUsize = AtomicUsize::new(0);

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn the_number_of_bytes_is_that_of_all_records_whatever_happens(steps in prop::collection::vec(step(), 1..60)) {
        QUEUE.with(|q| {
            let q = TestQueue::on(q, &format!("case{}", CASE.fetch_add(1, Ordering::Relaxed)));
            let (mut accepted, mut claims) = (Vec::<EmailId>::new(), Vec::<ClaimRef>::new());
            let mut is_touched = false;
            for step in &steps {
                take(&q, step, &mut accepted, &mut claims);
                is_touched |= matches!(step, Step::Overwrite(_));
                // A script that finds another program's change cannot know the earlier size.
                if is_touched && !q.is_counted() {
                    q.count_anew();
                }
                q.check_bytes();
            }
            q.count_anew();
            q.check_bytes();
        });
    }
}

fn take(q: &TestQueue, step: &Step, accepted: &mut Vec<EmailId>, claims: &mut Vec<ClaimRef>) {
    let nth_of = |nth: usize, all: &[EmailId]| (!all.is_empty()).then(|| all[nth % all.len()]);
    match step {
        Step::Enqueue { text, limit } => {
            let email = email("s", &"x".repeat(*text));
            match (enqueue_within(q, limit.unwrap_or(usize::MAX >> 12), std::slice::from_ref(&email)), limit) {
                (Enqueued::Accepted, limit) => {
                    accepted.push(email.id);
                    assert!(limit.is_none_or(|limit| q.stored() <= limit));
                }
                (outcome, limit) => assert!(limit.is_some(), "{outcome:?}"),
            }
        }
        Step::Batch(count) => accepted.extend(q.enqueue_batch(Lane::Low, *count)),
        Step::Schedule => accepted.push(q.enqueue_due(Lane::Normal, Some(Timestamp::now() + Duration::from_millis(3)))),
        Step::Push(length) => {
            q.push(q.queue.name(), &format!(r#"{{"to":"a@b.c","message":"{}"}}"#, "m".repeat(*length)))
        }
        Step::Claim(max) => claims.extend(q.claim(*max, LONG).iter().map(|claimed| claimed.claim)),
        Step::Finish(nth, end) => {
            if claims.is_empty() {
                return;
            }
            let claim = claims.swap_remove(nth % claims.len());
            let (outcome, retention) = match end {
                End::Sent => (Outcome::Sent, LONG),
                End::SentAndForgotten => (Outcome::Sent, Duration::ZERO),
                End::Failed => (failed("x"), LONG),
                End::Delayed => (delayed(Duration::from_millis(2)), LONG),
            };
            let finished = [Finish::new(claim, outcome, Progress::default())];
            let next = Next { lease: LONG, max: 0, max_bytes: 0 };
            q.run(&finish(&q.queue, q.worker, Periods { retention, retry_for: LONG }, &finished, Some(next)));
        }
        Step::Cancel(nth) => drop(nth_of(*nth, accepted).map(|id| q.run(&cancel(&q.queue, id, LONG)))),
        Step::NameSender(nth) => {
            if let Some(claim) = (!claims.is_empty()).then(|| claims[nth % claims.len()]) {
                q.run(&set_sender(&q.queue, claim, br#"{"from":"x@b.c","to":"a@b.c","message":"m"}"#.to_vec()));
            }
        }
        Step::MakeRoom(wanted) => drop(q.run(&make_room(&q.queue, support::memory(*wanted)))),
        Step::Overwrite(nth) => {
            if let Some(id) = nth_of(*nth, accepted).filter(|id| q.record(*id).is_some()) {
                let key = format!("{}:email:{id}", q.queue.name());
                if nth % 2 == 0 {
                    q.redis::<()>(&format!("DEL {key}"))
                } else {
                    q.set(&key, "overwritten")
                }
                q.count_anew();
            }
        }
        Step::Maintain(batch) => drop(q.maintain(Maintenance { batch: *batch, ..eager() })),
        Step::CountAnew => q.redis::<()>(&format!("HDEL {}:waiting counted", q.queue.name())),
        Step::PassRetention => drop(q.maintain(eager())),
    }
}
