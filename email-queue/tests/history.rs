//! What is known of the last hour, and of the workers: counters by class, samples, latencies.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use email_queue::{
    Class, Lane, Relay,
    call::Call,
    maintenance::sample,
    query::{Series, minutes, sent_per_minute, series},
    setup::{StartedWith, describe_worker},
    transition::{Outcome, extend, retry},
};
use support::{LONG, TestQueue, delayed, eager, failed, postponed, returned};

fn read(q: &TestQueue) -> Call<Series> {
    series(&q.queue, LONG)
}

fn take_sample(q: &TestQueue) {
    q.run(&sample(&q.queue, Duration::ZERO, &BTreeMap::new()));
}

#[test]
fn failures_and_delays_are_counted_by_class_wherever_they_come_from() {
    let q = TestQueue::start();
    q.enqueue_many(6);
    let outcomes = [Outcome::Sent, delayed(LONG), postponed(LONG), returned(), failed("550 no"), failed("550 no")];
    for (claimed, outcome) in q.claim(6, LONG).into_iter().zip(outcomes) {
        q.finish(claimed.claim, outcome);
    }
    // An unreadable record, and an email that its worker has died with too often.
    let unreadable = q.enqueue(Lane::High);
    q.set(&format!("emails:email:{unreadable}"), "no email");
    q.claim(10, Duration::ZERO);
    q.maintain(email_queue::maintenance::Maintenance { max_recoveries: 0, ..eager() });
    let totals: BTreeMap<String, u64> = q.redis("HGETALL emails:totals");
    let of = |kind: &str| {
        let of_kind = totals.iter().filter_map(|(name, count)| Some((name.strip_prefix(kind)?, *count)));
        of_kind.collect::<Vec<_>>()
    };
    assert_eq!(of("failed:"), [("recipient", 2), ("recovered", 1), ("unreadable", 1)]);
    assert_eq!(of("delayed:"), [("connection", 1), ("deferred", 1)]);
    assert_eq!((totals["failed"], totals["delayed"], totals["retried"], totals["sent"]), (4, 2, 1, 1));
    assert!(totals.keys().filter_map(|name| name.split_once(':')).all(|(_, class)| class.parse::<Class>().is_ok()));
}

#[test]
fn the_last_hour_tells_what_was_accepted_sent_failed_and_delayed_and_how_long_it_took() {
    let q = TestQueue::start();
    take_sample(&q);
    let ids = q.enqueue_batch(Lane::Normal, 5);
    q.push("emails", r#"{"to":"a@b.example","message":"pushed"}"#);
    let outcomes = [Outcome::Sent, Outcome::Sent, failed("550 no"), delayed(LONG), returned(), Outcome::Sent];
    for (claimed, outcome) in q.claim(6, LONG).into_iter().zip(outcomes) {
        q.finish(claimed.claim, outcome);
    }
    q.run(&retry(&q.queue, ids[2]));
    let now: i64 = jiff::Timestamp::now().as_second() / 60;
    let latencies = BTreeMap::from([(now, "0:2".parse().unwrap()), (now - 61, "50:9".parse().unwrap())]);
    q.run(&sample(&q.queue, Duration::ZERO, &latencies));
    q.run(&sample(&q.queue, Duration::ZERO, &BTreeMap::from([(now, "40:1".parse().unwrap())])));
    let all = minutes(&[q.run(&read(&q))]);
    let sum = |of: fn(&email_queue::query::Minute) -> u64| all.iter().map(of).sum::<u64>();
    assert_eq!(sum(|minute| minute.accepted), 6);
    assert_eq!((sum(|minute| minute.sent), sum(|minute| minute.failed), sum(|minute| minute.delayed)), (3, 1, 1));
    let latencies: Vec<_> = all.iter().filter(|minute| !minute.latencies.is_empty()).collect();
    assert_eq!(latencies.len(), 1, "that of an hour ago was replaced");
    assert_eq!(latencies[0].latencies.to_string(), "0:2 40:1");
    assert!(sent_per_minute(&[q.run(&read(&q))])[Lane::Normal as usize].unwrap() > 0.0);
}

#[test]
fn no_more_samples_are_taken_or_kept_than_an_hour_has() {
    let q = TestQueue::start();
    let count = || q.redis::<usize>("LLEN emails:series");
    for _ in 0..3 {
        q.run(&sample(&q.queue, LONG, &BTreeMap::new()));
        q.run(&read(&q));
    }
    assert_eq!(count(), 1);
    // By a clock that was put back since.
    q.redis::<()>("LPUSH emails:series 9999999999999_0_0_0_0_0_0_0_0_0_0");
    q.run(&sample(&q.queue, LONG, &BTreeMap::new()));
    assert_eq!(count(), 3);
    for _ in 0..400 {
        take_sample(&q);
    }
    assert_eq!(count(), 370);
    assert_eq!(minutes(&[q.run(&read(&q))]).len(), 60);
}

#[test]
fn the_history_is_told_where_nothing_can_be_written_or_its_keys_hold_something_else() {
    let q = TestQueue::start();
    q.enqueue(Lane::Normal);
    q.redis::<()>("CONFIG SET maxmemory 1");
    assert_eq!(minutes(&[q.run(&read(&q))]).len(), 60);
    q.redis::<()>("CONFIG SET maxmemory 0");
    q.set("emails:series", "x");
    q.set("emails:latencies", "x");
    assert_eq!(minutes(&[q.run(&read(&q))]).len(), 60);
}

#[test]
fn what_a_worker_was_started_with_is_known_as_long_as_its_lease() {
    let q = TestQueue::start();
    let with = StartedWith {
        host: "mail-1",
        pid: 7,
        version: "1.2.3",
        age: Duration::from_secs(5),
        concurrency: 50,
        shards: 1,
        relays: &[&Relay::new("smtp://relay.example:25", Some("user")), &Relay::new("null:", None)],
    };
    let call = describe_worker(&q.queue, q.worker, Duration::from_secs(1), with);
    let renew = extend(&q.queue, q.worker, LONG, LONG, &[]);
    assert!(!q.run(&renew).is_described);
    q.run(&call);
    let first: BTreeMap<String, String> = q.redis("HGETALL emails:worker:w");
    q.run(&call);
    let stored: BTreeMap<String, String> = q.redis("HGETALL emails:worker:w");
    assert_eq!(stored, first, "it was started once");
    let fields = ["host", "pid", "version", "concurrency", "shards", "relays"].map(|field| stored[field].as_str());
    assert_eq!(fields, ["mail-1", "7", "1.2.3", "50", "1", "smtp://relay.example:25\nnull:"]);
    assert!(q.run(&renew).is_described);
    let lives: u64 = q.redis("PTTL emails:worker:w");
    assert!(lives <= 60_000 && lives > 50_000, "{lives}");
    let age = jiff::Timestamp::now().as_millisecond() - stored["started"].parse::<i64>().unwrap();
    assert!((5_000..60_000).contains(&age), "{age}");
    q.release(&[]);
    assert!(!q.redis::<bool>("EXISTS emails:worker:w"), "a worker that has stopped is none");
}
