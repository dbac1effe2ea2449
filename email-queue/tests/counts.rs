//! What is said of a queue at a glance is true: what waits and has no record, for how long the next email has waited, what is paused.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::{collections::BTreeMap, time::Duration};

use email_queue::{
    EmailId, Lane, Shards,
    maintenance::sample,
    query::{self, LaneStats, PausedLanes, QueueView, Reason, Stats},
    transition::{Changed, cancel, discard, extend, move_to_lane, pause, resume, retry},
};
use jiff::Timestamp;
use support::{LONG, TestQueue, delayed, eager, failed, returned};

fn stats(q: &TestQueue) -> Stats {
    q.run(&query::stats(&q.queue))
}

fn lane(q: &TestQueue, lane: Lane) -> LaneStats {
    stats(q).lanes[lane as usize]
}

fn take_sample(q: &TestQueue) {
    q.run(&sample(&q.queue, Duration::ZERO, &BTreeMap::new()));
}

/// For how long the next email of the lane normal has waited.
fn waited(q: &TestQueue) -> Duration {
    let stats = stats(q);
    stats.time.duration_since(stats.lanes[Lane::Normal as usize].oldest.unwrap()).try_into().unwrap()
}

const WEEK: Duration = Duration::from_secs(7 * 86400);

/// Has an email be accepted a week ago.
fn accepted_a_week_ago(q: &TestQueue, id: EmailId) {
    let created = q.record(id).unwrap().created - WEEK;
    q.redis::<()>(&format!("SETRANGE {}:email:{id} 45 {}", q.queue.name(), created.as_millisecond()));
    assert_eq!(q.record(id).unwrap().created, created);
}

fn due(q: &TestQueue) {
    testkit::wait::eventually_blocking(testkit::DEADLINE, "an email to be due", || {
        q.maintain(eager());
        stats(q).queued() > 0
    });
}

#[test]
fn what_other_programs_have_pushed_is_counted_before_a_worker_claims_it() {
    let q = TestQueue::start();
    q.enqueue(Lane::Normal);
    (0..10).for_each(|_| q.push("emails", support::EMAIL));
    q.push("emails:low", "no JSON");
    q.run(&pause(&q.queue, &[]));
    let now = stats(&q);
    assert_eq!(now.lanes.map(|lane| (lane.queued, lane.other_entries)), [(0, 0), (1, 10), (0, 1)]);
    assert_eq!((now.queued(), now.other_entries()), (1, 11));
    assert_eq!(now.lanes[2].oldest, None, "nobody knows when it came");
    assert_eq!(q.depth().waiting_paused(), 12, "as a worker counts that drains the queue");
    q.run(&resume(&q.queue, &[]));
    assert_eq!(q.claim(20, LONG).len(), 12);
    assert_eq!((stats(&q).other_entries(), stats(&q).sending), (0, 12));
    // A key of another type has no entries.
    q.set("emails:high", "x");
    assert_eq!(lane(&q, Lane::High).other_entries, 0);
}

#[test]
fn what_canceled_discarded_and_moved_emails_leave_on_a_list_is_counted_until_a_claim_drops_it() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(4);
    q.run(&cancel(&q.queue, ids[0], LONG));
    q.run(&discard(&q.queue, ids[1]));
    q.run(&move_to_lane(&q.queue, ids[2], Lane::High));
    let counted = |lane: LaneStats| (lane.queued, lane.other_entries);
    assert_eq!((counted(lane(&q, Lane::Normal)), counted(lane(&q, Lane::High))), ((1, 3), (1, 0)));
    assert_eq!(q.claim_ids(10), [ids[2], ids[3]]);
    assert_eq!(stats(&q).other_entries(), 0);
}

#[test]
fn an_email_says_that_other_entries_may_be_before_it() {
    let q = TestQueue::start();
    q.extend(LONG, &[]);
    q.push("emails:high", support::EMAIL);
    (0..3).for_each(|_| q.push("emails:low", support::EMAIL));
    let (normal, low) = (q.enqueue(Lane::Normal), q.enqueue(Lane::Low));
    let sentence = q.why(normal).sentence;
    assert!(sentence.contains("Another entry on the list is not counted"), "{sentence}");
    let sentence = q.why(low).sentence;
    assert!(sentence.contains("4 other entries on the lists are not counted"), "{sentence}");
    q.claim(10, LONG);
    let last = q.enqueue(Lane::Low);
    assert!(!q.why(last).sentence.contains("counted"));
}

#[test]
fn an_email_waits_since_it_was_queued_and_not_since_it_was_accepted() {
    let q = TestQueue::start();
    let scheduled = q.enqueue_due(Lane::Normal, Some(Timestamp::now() + Duration::from_millis(50)));
    accepted_a_week_ago(&q, scheduled);
    due(&q);
    assert!(waited(&q) < LONG, "it was due a moment ago: {:?}", waited(&q));
    // The same after another attempt, and by hand.
    q.finish(q.claim(1, LONG)[0].claim, delayed(Duration::from_millis(1)));
    due(&q);
    assert!(waited(&q) < LONG);
    q.finish(q.claim(1, LONG)[0].claim, failed("550 no"));
    take_sample(&q);
    q.run(&retry(&q.queue, scheduled));
    assert!(waited(&q) < LONG);
    // It stays the first, and its time stays what it is.
    let since = lane(&q, Lane::Normal).oldest;
    for _ in 0..5 {
        q.enqueue(Lane::Normal);
        take_sample(&q);
    }
    assert_eq!(lane(&q, Lane::Normal).oldest, since);
}

#[test]
fn an_email_that_is_sent_at_once_waits_since_it_was_accepted_whatever_the_history_has() {
    let q = TestQueue::start();
    let check = |id| assert_eq!(lane(&q, Lane::Low).oldest, Some(q.record(id).unwrap().created));
    let first = q.enqueue(Lane::Low);
    check(first);
    for _ in 0..20 {
        take_sample(&q);
        q.enqueue(Lane::Low);
    }
    check(first);
    q.claim(1, LONG);
    let second = q.waiting(Lane::Low)[0];
    check(second);
    // What is no sample, and no list.
    q.redis::<()>("LPUSH emails:series x");
    check(second);
    q.set("emails:series", "x");
    check(second);
}

#[test]
fn an_email_that_has_waited_for_longer_than_the_history_waits_since_it_was_accepted() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    accepted_a_week_ago(&q, id);
    take_sample(&q);
    q.enqueue(Lane::Normal);
    take_sample(&q);
    assert!(waited(&q) >= WEEK, "{:?}", waited(&q));
    // By a clock that was put back since.
    q.redis::<()>("DEL emails:series");
    q.redis::<()>("LPUSH emails:series 9999999999999_0_0_0_0_0_0_0_0_0_0");
    assert!(waited(&q) >= WEEK, "{:?}", waited(&q));
}

#[test]
fn an_email_that_came_back_to_the_front_waits_since_it_met_the_fault() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    accepted_a_week_ago(&q, id);
    q.finish(q.claim(1, LONG)[0].claim, returned());
    let first = lane(&q, Lane::Normal).oldest;
    assert!(waited(&q) < LONG, "{:?}", waited(&q));
    // Each probe meets the same fault, which does not begin anew.
    q.finish(q.claim(1, LONG)[0].claim, returned());
    assert_eq!(lane(&q, Lane::Normal).oldest, first);
}

#[test]
fn a_lane_that_is_paused_in_some_shards_only_is_said_to_be_so() {
    let q = TestQueue::start();
    let shards = Shards::new("{emails}".parse().unwrap(), 3).unwrap();
    let queues: Vec<_> = shards.all().map(|shard| shards.queue(shard)).collect();
    let pauses = || queues.iter().map(|queue| q.run(&query::paused(queue))).collect::<Vec<_>>();
    // As if a program that was given one shard had paused it, or one was broken off.
    q.run(&pause(&queues[0], &[]));
    q.run(&pause(&queues[1], &[Lane::Low]));
    q.run(&pause(&queues[2], &[Lane::Low]));
    let all = support::now(query::stats_of_all(&q.client, &shards)).unwrap();
    assert_eq!((all.shards, all.lanes.map(|lane| lane.paused_shards)), (3, [1, 1, 3]));
    assert_eq!(all.lanes.map(|lane| all.is_partly_paused(&lane)), [true, true, false]);
    let of_all = PausedLanes::of(&pauses());
    assert_eq!((of_all.paused.len(), of_all.partly_paused), (3, vec![Lane::High, Lane::Normal]));
    let view = serde_json::to_value(QueueView::new(&queues[0], &all, &[])).unwrap();
    assert_eq!((&view["shards"], &view["partly_paused"]), (&3.into(), &serde_json::json!(["high", "normal"])));
    assert_eq!(view["lanes"][0]["paused_shards"], 1);
    // The way out.
    queues.iter().for_each(|queue| drop(q.run(&resume(queue, &[Lane::High, Lane::Normal]))));
    let of_all = PausedLanes::of(&pauses());
    assert_eq!((of_all.paused, of_all.partly_paused), (vec![Lane::Low], vec![]));
}

#[test]
fn shards_that_no_worker_serves_are_counted() {
    let q = TestQueue::start();
    let shards = Shards::new("{emails}".parse().unwrap(), 3).unwrap();
    let unserved = || {
        let all = support::now(query::stats_of_all(&q.client, &shards)).unwrap();
        let view = serde_json::to_value(QueueView::new(shards.first(), &all, &[])).unwrap();
        assert_eq!(view["unserved_shards"], all.unserved_shards);
        (all.workers, all.unserved_shards)
    };
    assert_eq!(unserved(), (0, 3));
    for (number, shard) in shards.all().enumerate() {
        q.run(&extend(&shards.queue(shard), "w", LONG, LONG, &[]));
        assert_eq!(unserved(), (1, 2 - u16::try_from(number).unwrap()));
    }
}

#[test]
fn an_email_is_discarded_again_until_it_is_deleted_and_says_what_happened_to_it() {
    let q = TestQueue::start();
    let tried = q.enqueue(Lane::Normal);
    q.finish(q.claim(1, LONG)[0].claim, failed("550 no"));
    let queued = q.enqueue(Lane::Normal);
    let kept = q.enqueue(Lane::Normal);
    q.run(&cancel(&q.queue, kept, LONG));
    for id in [tried, queued] {
        for _ in 0..3 {
            assert_eq!(q.run(&discard(&q.queue, id)), Changed::Done);
        }
        let why = q.why(id);
        assert!(why.reason == Reason::Discarded && why.sentence.contains("was discarded"), "{why:?}");
    }
    let events = |id| {
        let told = q.run(&query::timeline(&q.queue, id)).unwrap();
        told.iter().map(|entry| entry.event.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(events(tried), ["accepted", "claimed", "failed", "discarded"]);
    assert_eq!(events(queued), ["accepted", "discarded"]);
    assert_eq!(stats(&q).total("discarded"), 2);
    // What a client has canceled is kept for its retention, also if its bodies are removed.
    assert_eq!(q.why(kept).reason, Reason::Canceled);
    assert!(matches!(q.run(&discard(&q.queue, kept)), Changed::Refused(_)));
    q.run(&email_queue::transition::make_room(&q.queue, support::memory(1 << 20)));
    assert_eq!(q.groups("emptied").len(), 3);
    assert_eq!(q.run(&discard(&q.queue, tried)), Changed::Done);
    assert!(matches!(q.run(&discard(&q.queue, kept)), Changed::Refused(_)));
    testkit::wait::eventually_blocking(testkit::DEADLINE, "maintenance to delete them", || {
        q.maintain(eager());
        q.record(tried).is_none() && q.record(queued).is_none()
    });
    assert_eq!(q.run(&discard(&q.queue, tried)), Changed::Unknown);
    assert!(q.redis::<Vec<String>>("KEYS emails:timeline:*").is_empty());
}

#[test]
fn retries_by_hand_are_counted_apart() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    q.finish(q.claim(1, LONG)[0].claim, delayed(Duration::from_millis(1)));
    due(&q);
    q.finish(q.claim(1, LONG)[0].claim, failed("550 no"));
    q.run(&retry(&q.queue, id));
    assert_eq!((stats(&q).total("retried"), stats(&q).total("retried_by_hand")), (2, 1));
}
