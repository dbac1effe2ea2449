//! What is known of an email: all that has happened to it, and nothing is stored of one that is sent at its first attempt.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod support;

use std::time::Duration;

use email_queue::{
    Class, EmailId, Lane,
    maintenance::Maintenance,
    query::{Entry, Event, timeline},
    transition::{Attempt, Claimed, Finish, Outcome, Progress, cancel, discard, finish, retry},
};
use support::{LONG, PERIODS, TestQueue, delayed, eager, failed, postponed, returned};

fn read(q: &TestQueue, id: EmailId) -> Vec<Entry> {
    q.run(&timeline(&q.queue, id)).unwrap()
}

fn events(q: &TestQueue, id: EmailId) -> Vec<Event> {
    read(q, id).iter().map(|entry| entry.event).collect()
}

fn is_stored(q: &TestQueue, id: EmailId) -> bool {
    q.redis(&format!("EXISTS emails:timeline:{id}"))
}

/// Records an outcome of a delivery to a relay that has taken 1.5 s.
fn record(q: &TestQueue, claimed: &Claimed, outcome: Outcome) {
    let attempt = Attempt { took: Duration::from_millis(1500), relay: "smtp://relay.example:25".into() };
    let finished = Finish { attempt, ..Finish::new(claimed.claim, outcome, Progress::default()) };
    assert_eq!(q.run(&finish(&q.queue, q.worker, PERIODS, &[finished], None)).recorded, [true]);
}

/// Claims the only email, which may have to become due.
fn claim_again(q: &TestQueue) -> Claimed {
    testkit::wait::eventually_blocking(testkit::DEADLINE, "the email to be due", || {
        q.maintain(eager());
        q.claim(1, LONG).pop()
    })
}

#[test]
fn of_an_email_that_is_sent_at_its_first_attempt_nothing_is_stored_and_its_record_tells_all() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    assert_eq!(events(&q, id), [Event::Accepted]);
    let claimed = q.claim(1, LONG);
    let in_flight = read(&q, id);
    assert_eq!((in_flight[1].event, in_flight[1].worker.as_deref()), (Event::Claimed, Some("w")));
    // Released by a worker that stops, which is no failure.
    q.release(&[claimed[0].claim]);
    record(&q, &claim_again(&q), Outcome::Sent);
    let told = read(&q, id);
    assert_eq!(told.iter().map(|entry| entry.event).collect::<Vec<_>>(), [Event::Accepted, Event::Sent]);
    assert_eq!(told[1].attempt, Some(1));
    assert!(!is_stored(&q, id));
    let canceled = q.enqueue_due(Lane::Normal, support::breaking::later());
    assert_eq!(events(&q, canceled), [Event::Accepted, Event::Scheduled]);
    q.run(&cancel(&q.queue, canceled, LONG));
    assert_eq!(events(&q, canceled), [Event::Accepted, Event::Scheduled, Event::Canceled]);
    assert!(!is_stored(&q, canceled));
    assert_eq!(q.run(&timeline(&q.queue, EmailId::new())), None);
}

#[test]
fn each_attempt_is_told_with_its_worker_relay_class_answer_and_time() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    for outcome in [delayed(Duration::ZERO), postponed(Duration::ZERO), returned(), failed("550 no")] {
        record(&q, &claim_again(&q), outcome);
    }
    q.run(&retry(&q.queue, id));
    record(&q, &claim_again(&q), Outcome::Sent);
    let told = read(&q, id);
    let of_attempts: Vec<_> = told.iter().filter(|entry| entry.took.is_some()).collect();
    let summary = |entry: &Entry| (entry.event, entry.attempt, entry.class);
    assert_eq!(
        of_attempts.iter().map(|entry| summary(entry)).collect::<Vec<_>>(),
        [
            (Event::Delayed, Some(1), Some(Class::Deferred)),
            (Event::Postponed, None, Some(Class::Connection)),
            (Event::Returned, None, Some(Class::Connection)),
            (Event::Failed, Some(2), Some(Class::Recipient)),
            (Event::Sent, Some(1), None),
        ]
    );
    assert_eq!(of_attempts[0].answer.as_deref(), Some("450 later"));
    for entry in of_attempts {
        assert_eq!((entry.worker.as_deref(), entry.took), (Some("w"), Some(Duration::from_millis(1500))));
        assert_eq!(entry.relay.as_deref(), Some("smtp://relay.example:25"));
    }
    use Event::{Accepted, Claimed, Delayed, Failed, Postponed, Retried, Returned, Sent};
    assert_eq!(
        events(&q, id),
        [Accepted, Claimed, Delayed, Claimed, Postponed, Claimed, Returned, Claimed, Failed, Retried, Claimed, Sent]
    );
    let claimed = &told[1];
    assert_eq!(told[2].at.duration_since(claimed.at).as_millis(), 1500, "its claim is told as well");
    // Whichever version has ended it: maintenance deletes both.
    q.redis::<()>("ZADD emails:finished XX 1 ID".replace("ID", &id.to_string()).as_str());
    assert_eq!((q.maintain(eager()).expired, is_stored(&q, id)), (1, false));
}

#[test]
fn an_email_taken_back_from_dead_workers_tells_from_which_and_why_it_is_given_up() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let settings = Maintenance { max_recoveries: 1, ..eager() };
    q.claim(1, Duration::ZERO);
    q.maintain(settings);
    q.other_worker().claim(1, Duration::ZERO);
    q.maintain(settings);
    let told = read(&q, id);
    let summary = |entry: &Entry| (entry.event, entry.worker.clone(), entry.class);
    assert_eq!(
        told[1..].iter().map(summary).collect::<Vec<_>>(),
        [
            (Event::Claimed, Some("w".into()), None),
            (Event::Recovered, Some("w".into()), None),
            (Event::Claimed, Some("other".into()), None),
            (Event::Failed, Some("other".into()), Some(Class::Recovered)),
        ]
    );
    assert!(told[4].answer.as_ref().unwrap().starts_with("given up: 2 workers died"));
}

#[test]
fn the_newest_25_are_kept_and_those_of_what_is_discarded_are_gone() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    for nth in 0..30 {
        record(&q, &claim_again(&q), failed(&format!("550 {nth}")));
        if nth < 29 {
            q.run(&retry(&q.queue, id));
        }
    }
    assert_eq!(q.redis::<usize>(&format!("LLEN emails:timeline:{id}")), 25);
    let told = read(&q, id);
    assert_eq!(told[0].event, Event::Accepted);
    assert_eq!(told.last().unwrap().answer.as_deref(), Some("550 29"));
    q.run(&discard(&q.queue, id));
    assert_eq!(events(&q, id).last(), Some(&Event::Discarded));
    testkit::wait::eventually_blocking(testkit::DEADLINE, "maintenance to delete it", || {
        q.maintain(eager());
        !is_stored(&q, id) && q.record(id).is_none()
    });
}

#[test]
fn what_an_earlier_version_leaves_of_an_email_that_has_ended_ends_by_itself() {
    const DAY_MS: u64 = 24 * 60 * 60 * 1000;
    let q = TestQueue::start();
    let delay = || {
        let id = q.enqueue(Lane::Normal);
        record(&q, &claim_again(&q), delayed(LONG));
        assert_eq!(q.redis::<i64>(&format!("PTTL emails:timeline:{id}")), -1);
        id
    };
    let (sent, canceled, discarded) = (delay(), delay(), delay());
    q.run(&retry(&q.queue, sent));
    record(&q, &claim_again(&q), Outcome::Sent);
    q.run(&cancel(&q.queue, canceled, LONG));
    // Without maintenance, which deletes it at once.
    q.run(&discard(&q.queue, discarded));
    let never_tried = q.enqueue(Lane::Normal);
    q.run(&discard(&q.queue, never_tried));
    for (id, kept) in [(sent, LONG), (canceled, LONG), (discarded, Duration::ZERO), (never_tried, Duration::ZERO)] {
        let left: u64 = q.redis(&format!("PTTL emails:timeline:{id}"));
        let until = kept.as_millis() as u64 + DAY_MS;
        assert!((until - 60_000..=until).contains(&left), "{left} of {until}");
    }
}

/// The timeline tells of what happens and never keeps it from happening.
#[test]
fn a_timeline_that_cannot_be_written_fails_nothing() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    q.set(&format!("emails:timeline:{id}"), "x");
    record(&q, &claim_again(&q), failed("550 no"));
    assert_eq!(events(&q, id), [Event::Accepted, Event::Failed], "the record tells");
    q.run(&retry(&q.queue, id));
    record(&q, &claim_again(&q), delayed(LONG));
    q.run(&cancel(&q.queue, id, LONG));
    assert_eq!(events(&q, id), [Event::Accepted, Event::Canceled]);
}
