//! Relays that fail are held off from by all workers, and probed by one.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::time::Duration;

use email_queue::{
    Class, EmailId, Lane, Relay, State,
    maintenance::watch,
    query::{Cursor, Page, list},
    transition::relay::{
        Access, HoldOffFor, RelayFailure, RelayState, Reported, end_hold_off, end_sender_hold_off, hold_off,
        hold_off_sender, relay_access, requeue_met, sender_access, set_connection_limit,
    },
};
use support::{LONG, TestQueue, delayed, postponed};
use testkit::wait::eventually_blocking;

const PROBE_TIME: Duration = Duration::from_secs(60);

fn relay() -> Relay {
    Relay::new("smtp://relay.example:25", None)
}

fn seconds(base: u64, max: u64) -> HoldOffFor {
    HoldOffFor { base: Duration::from_secs(base), max: Duration::from_secs(max) }
}

/// A back-off that is over at once.
const NONE: HoldOffFor = HoldOffFor { base: Duration::ZERO, max: Duration::ZERO };

fn fails_since(q: &TestQueue, email: EmailId, age: Duration, back_off: HoldOffFor) -> Reported {
    let (class, error) = (Class::Connection, "connection refused");
    let failure = RelayFailure { email, is_elsewhere: false, age, passed: None, class, error };
    q.run(&hold_off(&q.queue, q.worker, &relay(), failure, back_off))
}

fn fails(q: &TestQueue, email: EmailId, back_off: HoldOffFor) -> Reported {
    fails_since(q, email, Duration::ZERO, back_off)
}

fn ask(q: &TestQueue) -> RelayState {
    q.run(&relay_access(&q.queue, q.worker, &relay(), false, PROBE_TIME))
}

fn probes(q: &TestQueue) -> bool {
    matches!(ask(q).access, Access::Probe(_))
}

fn is_well(q: &TestQueue) -> bool {
    q.run(&end_hold_off(&q.queue, q.worker, &relay())).is_some()
}

fn is_held(q: &TestQueue) -> bool {
    matches!(ask(q).access, Access::HeldOff(_))
}

#[test]
fn a_relay_that_never_failed_is_free_and_leaves_nothing_in_redis() {
    let q = TestQueue::start();
    assert_eq!(ask(&q), RelayState { access: Access::Free, senders_held_off: false, limit: None, elsewhere: vec![] });
    assert!(!q.run(&watch(&q.queue)).any_held_off);
    assert_eq!(q.redis::<i64>("DBSIZE"), 0);
}

#[test]
fn the_first_of_many_failures_counts_and_all_workers_hold_off() {
    let q = TestQueue::start();
    let other = q.other_worker();
    let ids = q.enqueue_many(3);
    let wait = Duration::from_secs(30);
    assert_eq!(fails(&q, ids[0], seconds(30, 3600)), Reported::HeldOff(wait));
    for worker in [&q, &other] {
        let Reported::Known(left) = fails(worker, ids[1], seconds(30, 3600)) else { panic!() };
        assert!(left <= wait && left > Duration::ZERO);
        let Access::HeldOff(held) = ask(worker).access else { panic!() };
        assert!(held.wait <= wait);
        assert_eq!((held.class, held.error.as_str()), (Class::Connection, "connection refused"));
    }
    assert!(q.run(&watch(&q.queue)).any_held_off);
}

#[test]
fn when_the_back_off_is_over_one_worker_probes_and_its_success_frees_all() {
    let q = TestQueue::start();
    let other = q.other_worker();
    fails(&q, q.enqueue(Lane::Normal), NONE);
    assert!(probes(&other));
    assert!(is_held(&q));
    assert!(probes(&other), "the probe is kept by asking again");
    assert!(!is_well(&q), "only by the worker that probes");
    assert!(is_held(&q));
    assert!(is_well(&other));
    for worker in [&q, &other] {
        assert_eq!(ask(worker).access, Access::Free);
    }
    assert!(!q.run(&watch(&q.queue)).any_held_off);
}

#[test]
fn each_failed_probe_doubles_the_back_off_up_to_the_longest() {
    let q = TestQueue::start();
    let probe_fails = || {
        let answer = fails(&q, q.enqueue(Lane::Normal), seconds(30, 100));
        // The back-off is over.
        let key: Vec<String> = q.redis("KEYS emails:relay:*");
        q.redis::<()>(&format!("HSET {} until 0", key[0]));
        assert!(probes(&q));
        answer
    };
    for expected in [30, 60, 100, 100] {
        assert_eq!(probe_fails(), Reported::HeldOff(Duration::from_secs(expected)));
    }
    assert!(is_well(&q));
    assert_eq!(probe_fails(), Reported::HeldOff(Duration::from_secs(30)), "from the beginning again");
}

#[test]
fn a_worker_that_has_just_begun_need_not_wait_but_probes_alone_as_well() {
    let q = TestQueue::start();
    let other = q.other_worker();
    fails(&q, q.enqueue(Lane::Normal), seconds(3600, 3600));
    let begin = |q: &TestQueue| q.run(&relay_access(&q.queue, q.worker, &relay(), true, PROBE_TIME)).access;
    assert!(is_held(&q));
    assert!(matches!(begin(&other), Access::Probe(_)));
    assert!(matches!(begin(&q), Access::HeldOff(_)), "one probe at a time");
    assert!(is_well(&other));
    assert_eq!(ask(&q).access, Access::Free);
}

#[test]
fn a_worker_that_has_just_begun_probes_with_those_that_met_the_failure_where_there_is_nothing_else() {
    let q = TestQueue::start();
    let met = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, LONG).remove(0);
    fails(&q, met, seconds(3600, 3600));
    q.finish(claimed.claim, postponed(Duration::from_secs(3600)));
    assert_eq!((q.claim_ids(1), q.state(met)), (vec![], State::Delayed));
    let begun = q.run(&relay_access(&q.queue, q.worker, &relay(), true, PROBE_TIME));
    assert!(matches!(begun.access, Access::Probe(_)));
    assert_eq!(q.claim_ids(1), [met]);
}

#[test]
fn the_probe_of_a_worker_that_died_goes_to_another() {
    let q = TestQueue::start();
    let other = q.other_worker();
    fails(&q, q.enqueue(Lane::Normal), NONE);
    let short = relay_access(&other.queue, other.worker, &relay(), false, Duration::from_millis(20));
    assert!(matches!(other.run(&short).access, Access::Probe(_)));
    eventually_blocking(testkit::DEADLINE, "the probe to be free", || probes(&q));
    assert!(!is_well(&other));
}

#[test]
fn a_failure_of_before_the_relay_worked_again_does_not_count() {
    let q = TestQueue::start();
    fails(&q, q.enqueue(Lane::Normal), NONE);
    assert!(probes(&q) && is_well(&q));
    assert_eq!(fails_since(&q, q.enqueue(Lane::Normal), LONG, NONE), Reported::Known(Duration::ZERO));
    assert_eq!(ask(&q).access, Access::Free);
}

/// Another email passes, in the probe of this worker.
fn passes(q: &TestQueue) {
    tick();
    assert!(probes(q) && is_well(q));
    tick();
}

/// What happens in one ms has no order.
fn tick() {
    std::thread::sleep(Duration::from_millis(2));
}

#[test]
fn what_the_same_email_causes_three_times_while_others_pass_is_its_own() {
    let q = TestQueue::start();
    let email = q.enqueue(Lane::Normal);
    for _ in 0..2 {
        assert_eq!(fails(&q, email, NONE), Reported::HeldOff(Duration::ZERO));
        passes(&q);
    }
    assert_eq!(fails(&q, email, NONE), Reported::EmailsOwn);
    assert_eq!(ask(&q).access, Access::Free);
    // It stays so for as long as others pass.
    assert_eq!(fails(&q, email, NONE), Reported::HeldOff(Duration::ZERO));
    passes(&q);
    assert_eq!(fails(&q, email, NONE), Reported::EmailsOwn);
}

#[test]
fn others_that_the_worker_has_seen_pass_count_as_well() {
    let q = TestQueue::start();
    let email = q.enqueue(Lane::Normal);
    let fails_after = |passed| {
        std::thread::sleep(Duration::from_millis(5));
        let (class, error) = (Class::Throttled, "421 4.3.0 closing");
        let failure = RelayFailure { email, is_elsewhere: false, age: Duration::ZERO, passed, class, error };
        q.run(&hold_off(&q.queue, q.worker, &relay(), failure, NONE))
    };
    for passed in [None, Some(Duration::from_millis(1)), Some(LONG)] {
        assert_eq!(fails_after(passed), Reported::HeldOff(Duration::ZERO));
        assert!(probes(&q));
    }
    assert_eq!(fails_after(Some(Duration::from_millis(1))), Reported::EmailsOwn);
}

#[test]
fn what_an_email_causes_while_no_other_passes_is_the_relays_however_often() {
    let q = TestQueue::start();
    let email = q.enqueue(Lane::Normal);
    for _ in 0..10 {
        assert_eq!(fails(&q, email, NONE), Reported::HeldOff(Duration::ZERO));
        assert!(probes(&q));
    }
}

#[test]
fn those_that_met_the_failure_go_on_as_soon_as_another_has_passed() {
    let q = TestQueue::start();
    let (met, own) = (q.enqueue(Lane::High), q.enqueue(Lane::High));
    let claimed = q.claim(2, LONG);
    fails(&q, met, NONE);
    q.finish(claimed[0].claim, postponed(LONG));
    // Emails that wait for another reason still wait.
    q.finish(claimed[1].claim, delayed(LONG));
    passes(&q);
    assert_eq!((q.state(met), q.state(own)), (State::Queued, State::Delayed));
    assert_eq!(q.claim_ids(10), [met]);
    assert_eq!(q.depth().scheduled, 1);
}

#[test]
fn emails_of_another_shard_meet_failures_and_go_on_as_those_of_the_first() {
    let q = TestQueue::start();
    let email = EmailId::new();
    let fails = |back_off| {
        tick();
        let (class, error) = (Class::Connection, "refused");
        let failure = RelayFailure { email, is_elsewhere: true, age: Duration::ZERO, passed: None, class, error };
        q.run(&hold_off(&q.queue, q.worker, &relay(), failure, back_off))
    };
    let probe_passes = || {
        tick();
        q.run(&end_hold_off(&q.queue, q.worker, &relay())).unwrap()
    };
    for _ in 0..2 {
        assert_eq!(fails(NONE), Reported::HeldOff(Duration::ZERO));
        assert!(probes(&q));
        assert_eq!(probe_passes(), [email], "the worker requeues it where it is");
    }
    assert_eq!(fails(NONE), Reported::EmailsOwn, "the third time while others passed");
    assert!(q.redis::<i64>(&format!("PTTL emails:failure:{email}")) > 0, "nobody else deletes it");

    let other = q.enqueue(Lane::Normal);
    fails_since(&q, other, Duration::ZERO, seconds(3600, 3600));
    q.redis::<()>(&format!("DEL emails:email:{other}"));
    let begun = q.run(&relay_access(&q.queue, q.worker, &relay(), true, PROBE_TIME));
    assert_eq!(begun.elsewhere, [other], "or it is gone");
}

#[test]
fn what_met_the_failure_in_another_shard_is_requeued_there() {
    let q = TestQueue::start();
    let (met, own) = (q.enqueue(Lane::High), q.enqueue(Lane::High));
    let claimed = q.claim(2, LONG);
    for claimed in claimed {
        q.finish(claimed.claim, postponed(LONG));
    }
    q.run(&requeue_met(&q.queue, &[EmailId::new(), met]));
    assert_eq!((q.state(met), q.state(own)), (State::Queued, State::Delayed));
    assert_eq!(q.claim_ids(10), [met]);
}

#[test]
fn an_email_that_waits_in_line_for_a_relay_says_why() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    assert_eq!(q.record(id).unwrap().error, None);
    fails(&q, id, seconds(3600, 3600));
    let record = q.record(id).unwrap();
    assert_eq!((record.class, record.error.as_deref()), (Some(Class::Connection), Some("connection refused")));
    let page = Page { limit: 10, cursor: Cursor::Newest, state: None };
    assert_eq!(q.run(&list(&q.queue, page)).emails, [(id, record)]);
    q.run(&relay_access(&q.queue, q.worker, &relay(), true, PROBE_TIME));
    assert!(q.record(id).unwrap().error.is_some(), "while it is probed");
    assert!(is_well(&q));
    assert_eq!(q.record(id).unwrap().error, None);
}

#[test]
fn a_relay_is_known_by_its_user_too() {
    let q = TestQueue::start();
    fails(&q, q.enqueue(Lane::Normal), seconds(30, 30));
    let with_user = Relay::new(relay().name(), Some("sender"));
    assert_eq!(q.run(&relay_access(&q.queue, q.worker, &with_user, false, PROBE_TIME)).access, Access::Free);
}

#[test]
fn a_limit_of_connections_is_shared() {
    let q = TestQueue::start();
    q.run(&set_connection_limit(&q.queue, &relay(), Some(5)));
    assert_eq!(ask(&q.other_worker()).limit, Some(5));
    q.run(&set_connection_limit(&q.queue, &relay(), None));
    assert_eq!(ask(&q).limit, None);
}

#[test]
fn one_senders_emails_are_held_off_and_nobody_elses() {
    let q = TestQueue::start();
    let hold =
        |back_off| q.run(&hold_off_sender(&q.queue, &relay(), "a@x.example", Class::Sender, "550 not yours", back_off));
    let asked = |sender| q.run(&sender_access(&q.queue, &relay(), sender));
    assert_eq!(asked("a@x.example"), None);
    assert_eq!(hold(seconds(30, 3600)), (true, Duration::from_secs(30)));
    assert!(!hold(seconds(30, 3600)).0);
    let held = asked("a@x.example").unwrap();
    assert!(held.wait > Duration::ZERO && held.wait <= Duration::from_secs(30));
    assert_eq!((held.class, held.error.as_str()), (Class::Sender, "550 not yours"));
    assert_eq!(asked("b@x.example"), None);
    let state = ask(&q.other_worker());
    assert_eq!((state.access, state.senders_held_off), (Access::Free, true));
    assert!(q.run(&watch(&q.queue)).any_held_off);

    let key: Vec<String> = q.redis("KEYS emails:sender:*");
    q.redis::<()>(&format!("HSET {} until 0", key[0]));
    assert_eq!(asked("a@x.example").unwrap().wait, Duration::ZERO);
    assert_eq!(hold(seconds(30, 3600)), (true, Duration::from_secs(60)));
    q.run(&end_sender_hold_off(&q.queue, &relay(), "a@x.example"));
    assert_eq!(asked("a@x.example"), None);
}

#[test]
fn a_relay_that_works_again_leaves_the_hold_off_of_a_sender_as_it_is() {
    let q = TestQueue::start();
    q.run(&hold_off_sender(&q.queue, &relay(), "a@x.example", Class::Sender, "550 not yours", seconds(30, 3600)));
    fails(&q, q.enqueue(Lane::Normal), NONE);
    passes(&q);
    assert!(q.run(&watch(&q.queue)).any_held_off && ask(&q).senders_held_off);
}

#[test]
fn a_full_redis_keeps_no_worker_from_holding_off() {
    let q = TestQueue::start();
    let email = q.enqueue(Lane::Normal);
    q.redis::<()>("CONFIG SET maxmemory 1");
    assert_eq!(fails(&q, email, NONE), Reported::HeldOff(Duration::ZERO));
    assert!(probes(&q) && is_well(&q));
}
