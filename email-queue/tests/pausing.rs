//! Lanes that an operator has paused: emails are accepted and none is handed out.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::{sync::Arc, time::Duration};

use email_queue::{
    EmailId, Lane, State, query,
    transition::{Claims, Outcome, PoppedEntry, claim, pause, resume},
};
use support::{ANY, LONG, TestQueue, delayed, eager};

fn paused(q: &TestQueue) -> Vec<Lane> {
    q.run(&query::paused(&q.queue)).into_iter().map(|(lane, _)| lane).collect()
}

fn entries(q: &TestQueue, lane: Lane) -> Vec<String> {
    let mut entries: Vec<String> = q.redis(&format!("LRANGE {} 0 -1", q.queue.list(lane)));
    entries.reverse();
    entries
}

#[test]
fn nothing_of_a_paused_lane_is_claimed_until_it_is_resumed() {
    let q = TestQueue::start();
    let ids = Lane::ALL.map(|lane| q.enqueue(lane));
    assert_eq!(q.run(&pause(&q.queue, &[Lane::High, Lane::Low])).len(), 2);
    let claims = q.claim_bytes(10, LONG, ANY, None);
    let claimed: Vec<_> = claims.emails.iter().map(|email| email.claim.id).collect();
    assert_eq!((claimed, claims.paused), (vec![ids[1]], vec![Lane::High, Lane::Low]));
    // Nor with outcomes.
    let finished = q.finish_and_claim(claims.emails[0].claim, Outcome::Sent, 10, LONG);
    assert_eq!((finished.recorded, finished.next.emails.len(), finished.next.paused.len()), (vec![true], 0, 2));
    let more = q.enqueue(Lane::High);
    q.run(&resume(&q.queue, &[Lane::High]));
    assert_eq!((q.claim_ids(10), paused(&q)), (vec![ids[0], more], vec![Lane::Low]));
    assert!(q.run(&resume(&q.queue, &[])).is_empty());
    let claims = q.claim_bytes(10, LONG, ANY, None);
    assert_eq!((claims.emails[0].claim.id, claims.paused), (ids[2], vec![]));
}

#[test]
fn a_lane_that_is_paused_keeps_its_time() {
    let q = TestQueue::start();
    let first = q.run(&pause(&q.queue, &[Lane::Low]));
    testkit::wait::eventually_blocking(testkit::DEADLINE, "another millisecond", || {
        let both = q.run(&pause(&q.queue, &[]));
        q.run(&resume(&q.queue, &[Lane::High]));
        both.iter().find(|(lane, _)| *lane == Lane::High).unwrap().1 > first[0].1
    });
    let lanes = q.run(&query::paused(&q.queue));
    assert_eq!(lanes.iter().map(|(lane, _)| *lane).collect::<Vec<_>>(), [Lane::Normal, Lane::Low]);
    assert_eq!(lanes[1], first[0]);
}

#[test]
fn what_several_workers_had_popped_goes_back_in_order() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(6);
    let popped: Vec<_> = (0..4).map(|_| q.pop().unwrap()).collect();
    q.run(&pause(&q.queue, &[]));
    for nth in [2, 0, 3, 1, 2] {
        assert!(q.claim_popped(10, LONG, Some(popped[nth].clone())).is_empty());
    }
    let expected: Vec<_> = ids.iter().map(EmailId::to_string).collect();
    assert_eq!(entries(&q, Lane::Normal), expected, "and none of them twice");
    q.run(&resume(&q.queue, &[]));
    assert_eq!(q.claim_ids(10), ids);
}

#[test]
fn what_other_programs_pushed_goes_back_as_emails_in_the_order_in_which_they_were_popped() {
    let q = TestQueue::start();
    let last = q.enqueue(Lane::Normal);
    for n in [2, 1] {
        // At the front, before the email.
        let () = q.redis(&format!(r#"RPUSH emails {{"to":"{n}@b.example","message":"{n}"}}"#));
    }
    let popped: Vec<_> = (0..3).map(|_| q.pop().unwrap()).collect();
    q.run(&pause(&q.queue, &[]));
    for entry in [&popped[2], &popped[0], &popped[1]] {
        for _ in 0..2 {
            // The second time because the answer was lost.
            assert!(q.claim_popped(10, LONG, Some(entry.clone())).is_empty());
        }
    }
    q.run(&resume(&q.queue, &[]));
    let claimed = q.claim(10, LONG);
    let json = |nth: usize| String::from_utf8(claimed[nth].json.to_vec()).unwrap();
    assert!(json(0).contains("1@b.example") && json(1).contains("2@b.example"), "{claimed:?}");
    assert_eq!((claimed[2].claim.id, claimed.len()), (last, 3));
}

#[test]
fn what_was_popped_and_ended_meanwhile_does_not_come_back() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Low);
    let popped = q.pop();
    q.run(&pause(&q.queue, &[]));
    q.run(&email_queue::transition::cancel(&q.queue, id, LONG));
    q.claim_popped(10, LONG, popped);
    assert!(entries(&q, Lane::Low).is_empty());
}

#[test]
fn maintenance_of_a_paused_queue_leaves_its_emails_in_order() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(3);
    let lost = q.pop().unwrap();
    q.run(&pause(&q.queue, &[]));
    let claimed = q.claim(10, LONG);
    assert!(claimed.is_empty() && lost.is_id(), "its worker dies");
    testkit::wait::eventually_blocking(testkit::DEADLINE, "maintenance to requeue it", || {
        q.maintain(eager());
        entries(&q, Lane::Normal).len() == 3
    });
    q.run(&resume(&q.queue, &[]));
    assert_eq!(q.claim_ids(10), ids);
}

#[test]
fn a_queue_whose_emails_are_all_paused_counts_as_drained() {
    let q = TestQueue::start();
    q.enqueue(Lane::Low);
    assert!(!q.depth().is_drained());
    q.run(&pause(&q.queue, &[Lane::Low]));
    assert!(q.depth().is_drained() && q.depth().waiting_paused() == 1);
    q.enqueue(Lane::High);
    assert!(!q.depth().is_drained());
}

#[test]
fn the_counts_of_a_queue_are_those_of_its_emails() {
    let q = TestQueue::start();
    let ids = Lane::ALL.map(|lane| q.enqueue(lane));
    let claimed = q.claim(2, LONG);
    q.finish(claimed[0].claim, delayed(LONG));
    q.finish(claimed[1].claim, support::failed("550 no"));
    q.enqueue_due(Lane::Normal, support::breaking::later());
    q.run(&pause(&q.queue, &[Lane::Normal]));
    q.extend(LONG, &[]);
    let stats = q.run(&query::stats(&q.queue));
    assert_eq!((stats.queued(), stats.scheduled, stats.delayed, stats.sending, stats.failed), (1, 1, 1, 0, 1));
    let [high, normal, low] = stats.lanes;
    assert_eq!((high.queued, normal.queued, low.queued, stats.workers), (0, 0, 1, 1));
    assert_eq!((high.oldest, low.oldest), (None, q.record(ids[2]).map(|record| record.created)));
    assert!(high.paused.is_none() && normal.paused.is_some() && stats.relays.is_empty());
    assert_eq!((stats.total("accepted"), stats.total("failed"), stats.total("delayed")), (4, 1, 1));
    assert_eq!(stats.by_class("failed").collect::<Vec<_>>(), [("recipient", 1)]);
    assert_eq!(stats.by_class("delayed").collect::<Vec<_>>(), [("deferred", 1)]);
    let mut both = stats.clone();
    both.merge(stats);
    assert_eq!((both.queued(), both.delayed, both.workers, both.total("accepted")), (2, 2, 1, 8));
}

/// Whatever moves an email out of the state `delayed`.
#[test]
fn emails_that_are_delayed_are_counted_until_they_are_not() {
    let q = TestQueue::start();
    let delay = |retry_in| {
        let id = q.enqueue(Lane::Normal);
        q.finish(q.claim(1, LONG)[0].claim, delayed(retry_in));
        assert_eq!(q.run(&query::stats(&q.queue)).delayed, 1);
        id
    };
    let check = |id, state| {
        assert_eq!(q.state(id), state);
        assert_eq!(q.run(&query::stats(&q.queue)).delayed, 0, "{state}");
    };
    let id = delay(LONG);
    q.run(&email_queue::transition::retry(&q.queue, id));
    check(id, State::Queued);
    q.claim(1, LONG);
    let id = delay(LONG);
    q.run(&email_queue::transition::discard(&q.queue, id));
    check(id, State::Canceled);
    let id = delay(Duration::from_millis(1));
    testkit::wait::eventually_blocking(testkit::DEADLINE, "its time", || {
        q.maintain(eager());
        q.state(id) == State::Queued
    });
    check(id, State::Queued);
}

#[test]
fn workers_are_told_with_what_they_have_in_flight_for_longest() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(25);
    q.claim(25, LONG);
    q.other_worker().extend(LONG, &[]);
    let workers = q.run(&query::workers(&q.queue));
    let busy = workers.iter().find(|worker| worker.id == "w").unwrap();
    assert_eq!((workers.len(), busy.in_flight, busy.emails.len()), (2, 25, 20));
    assert!(busy.emails.iter().all(|(id, _)| ids.contains(id)) && busy.lease_until > busy.emails[0].1);
    let idle = workers.iter().find(|worker| worker.id == "other").unwrap();
    assert_eq!((idle.in_flight, &idle.emails, &idle.host), (0, &vec![], &None));
}

/// What was popped, with the claim that tells of the pause.
#[test]
fn the_claim_of_a_popped_entry_goes_on_with_the_lanes_that_are_not_paused() {
    let q = TestQueue::start();
    let (low, high) = (q.enqueue(Lane::Low), q.enqueue(Lane::High));
    let popped = PoppedEntry { list: "emails:low".into(), entry: Arc::new(low.to_string().into_bytes()), number: 1 };
    q.redis::<()>("RPOP emails:low");
    q.run(&pause(&q.queue, &[Lane::Low]));
    let claim =
        email_queue::transition::Claim { worker: q.worker, lease: LONG, max: 10, bytes: ANY, popped: Some(popped) };
    let Claims { emails, paused, .. } = q.run(&self::claim(&q.queue, claim));
    assert_eq!((emails[0].claim.id, emails.len(), paused), (high, 1, vec![Lane::Low]));
    assert_eq!(entries(&q, Lane::Low), [low.to_string()]);
}
