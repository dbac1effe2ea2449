//! After a time without Redis no lease is called over before its worker could come back.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod support;

use std::time::Duration;

use email_queue::State;
use support::{TestQueue, eager};

const LEASE: Duration = Duration::from_secs(4);

/// Ages all heartbeats as if Redis had been unreachable for so long.
fn pass(q: &TestQueue, ms: i64) {
    let workers: Vec<(String, f64)> = q.redis("ZRANGE emails:workers 0 -1 WITHSCORES");
    for (worker, end) in workers {
        q.redis::<()>(&format!("ZADD emails:workers {} {worker}", end as i64 - ms));
    }
    let alive: String = q.redis("GET emails:alive");
    let mut numbers = alive.split(' ').map(|number| number.parse::<i64>().unwrap());
    let (last, since, lease) = (numbers.next().unwrap(), numbers.next().unwrap(), numbers.next().unwrap());
    q.set("emails:alive", &format!("{} {since} {lease}", last - ms));
}

#[test]
fn a_lease_that_ended_while_redis_was_away_is_over_only_when_its_worker_does_not_come_back() {
    let q = TestQueue::start();
    let dead = q.other_worker();
    let ids = q.enqueue_many(2);
    q.extend(LEASE, &[]);
    dead.extend(LEASE, &[]);
    let held = q.claim(1, LEASE).remove(0).claim;
    dead.claim(1, LEASE);
    pass(&q, 60_000);
    // In either order: maintenance, and then the live worker.
    assert_eq!(q.maintain(eager()).recovered, 0);
    assert_eq!(q.extend(LEASE, &[held]), [true]);
    testkit::wait::eventually_blocking(testkit::DEADLINE, "the other to be taken for dead", || {
        q.extend(LEASE, &[held]);
        q.maintain(eager()).recovered == 1
    });
    assert_eq!((q.state(ids[0]), q.state(ids[1])), (State::Sending, State::Queued));
}

#[test]
fn a_worker_that_dies_beside_others_is_replaced_when_its_lease_is_over() {
    let q = TestQueue::start();
    let dead = q.other_worker();
    q.enqueue(email_queue::Lane::Normal);
    dead.extend(Duration::from_secs(1), &[]);
    dead.claim(1, Duration::ZERO);
    q.extend(LEASE, &[]);
    assert_eq!(q.maintain(eager()).recovered, 1);
}
