//! What each transition does to an email, on a real Redis.

mod support;

use std::{sync::Arc, time::Duration};

use email_queue::{
    EmailId, Lane, State,
    maintenance::Maintenance,
    query::ready,
    transition::{
        ByteBudget, Claimed, Enqueue, Enqueued, Finish, NewEmail, Next, Outcome, Periods, PoppedEntry, Progress,
        enqueue, finish,
    },
};
use jiff::Timestamp;
use support::{EMAIL, LONG, PERIODS, TestQueue, delayed, eager, failed};

/// Sent emails are deleted at once.
const FORGOTTEN: Periods = Periods { retention: Duration::ZERO, ..PERIODS };

fn new_email() -> NewEmail {
    NewEmail { id: EmailId::new(), lane: Lane::Normal, due: None, json: EMAIL.into() }
}

#[test]
fn an_enqueued_email_is_on_the_list_by_its_id_and_in_its_record() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    assert_eq!(q.redis::<Vec<String>>("LRANGE emails 0 -1"), [id.to_string()]);
    let record = q.record(id).unwrap();
    assert_eq!(
        (record.state, record.lane, record.attempts, record.json.as_slice()),
        (State::Queued, Lane::Normal, 0, EMAIL.as_bytes())
    );
}

#[test]
fn a_lane_is_first_in_first_out_and_high_comes_before_normal_before_low() {
    let q = TestQueue::start();
    let low = [q.enqueue(Lane::Low), q.enqueue(Lane::Low)];
    let normal = [q.enqueue(Lane::Normal), q.enqueue(Lane::Normal)];
    let high = [q.enqueue(Lane::High), q.enqueue(Lane::High)];
    assert_eq!(q.claim_ids(3), [high[0], high[1], normal[0]]);
    assert_eq!(q.claim_ids(10), [normal[1], low[0], low[1]]);
}

#[test]
fn a_million_emails_would_cost_little_more_than_their_json() {
    let q = TestQueue::start();
    let used = || q.memory("used_memory") as f64;
    q.enqueue_batch(Lane::Normal, 100);
    let (before, count) = (used(), 20_000);
    (0..count / 100).for_each(|_| drop(q.enqueue_batch(Lane::Normal, 100)));
    let each = (used() - before) / f64::from(count) - EMAIL.len() as f64;
    assert!(each < 400.0, "{each} bytes beyond the JSON");
}

#[test]
fn a_large_batch_waits_in_order() {
    let q = TestQueue::start();
    let ids = q.enqueue_batch(Lane::Low, 2500);
    assert_eq!(q.waiting(Lane::Low), ids);
    assert_eq!(q.claim_ids(1200), ids[..1200]);
    assert_eq!(q.waiting(Lane::Low), ids[1200..]);
    assert_eq!(q.claim_ids(3000), ids[1200..]);
}

#[test]
fn enqueueing_the_same_id_again_changes_nothing() {
    let q = TestQueue::start();
    let email = new_email();
    let call = enqueue(&q.queue, Enqueue { emails: std::slice::from_ref(&email), ..Enqueue::default() });
    assert_eq!((q.run(&call), q.run(&call)), (Enqueued::Accepted, Enqueued::Accepted));
    assert_eq!(q.depth().entries, 1);
    let claimed = q.claim(1, LONG).remove(0);
    q.finish(claimed.claim, Outcome::Sent);
    assert_eq!(q.run(&call), Enqueued::Accepted);
    assert_eq!((q.state(email.id), q.depth().entries), (State::Sent, 0));
}

#[test]
fn a_full_backlog_refuses_all_and_changes_nothing() {
    let q = TestQueue::start();
    q.enqueue(Lane::High);
    q.enqueue_due(Lane::Low, Some(Timestamp::now() + LONG));
    let before: i64 = q.redis("DBSIZE");
    let emails = [new_email(), new_email()];
    let call = |limit| enqueue(&q.queue, Enqueue { emails: &emails, backlog_limit: Some(limit), ..Enqueue::default() });
    assert_eq!(q.run(&call(3)), Enqueued::BacklogFull);
    assert_eq!(q.redis::<i64>("DBSIZE"), before);
    assert_eq!(q.run(&call(4)), Enqueued::Accepted);
}

#[test]
fn where_a_lane_is_no_list_nothing_is_accepted_however_often_it_is_tried() {
    let q = TestQueue::start();
    q.redis::<()>("SET emails:high x");
    let emails = [Lane::High, Lane::Normal].map(|lane| NewEmail { lane, ..new_email() });
    let request = Enqueue { emails: &emails, ..Enqueue::default() };
    let call = enqueue(&q.queue, request);
    for _ in 0..2 {
        assert!(q.try_run(&call).is_err());
    }
    assert_eq!(q.redis::<Vec<String>>("KEYS *"), ["emails:high"]);
}

#[test]
fn a_lane_that_is_no_list_does_not_keep_emails_of_the_others_from_being_claimed() {
    for lane in ["emails:high", "emails:low"] {
        let q = TestQueue::start();
        q.redis::<()>(&format!("SET {lane} x"));
        let ids = q.enqueue_many(2);
        assert_eq!(q.claim_ids(10), ids);
        assert_eq!(q.sending().len(), 2);
    }
}

#[test]
fn a_claimed_email_is_claimed_by_nobody_else() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    // A duplicate on the list, as a requeue can leave it.
    q.push("emails", &id.to_string());
    assert_eq!(q.claim_ids(10), [id]);
    assert_eq!(q.claim_ids(10), []);
    assert_eq!((q.state(id), q.depth().entries), (State::Sending, 0));
}

#[test]
fn what_brpop_returned_is_claimed_first() {
    let q = TestQueue::start();
    let popped_id = q.enqueue(Lane::Low);
    let popped = q.pop();
    let later = q.enqueue(Lane::High);
    let claimed = q.claim_popped(2, LONG, popped);
    assert_eq!(claimed.iter().map(|claimed| claimed.claim.id).collect::<Vec<_>>(), [popped_id, later]);
}

#[test]
fn a_claim_stops_at_its_number_of_bytes_and_says_what_it_left() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(5);
    let claim = |all, first| q.claim_bytes(5, LONG, ByteBudget { all, first }, None);
    let one = claim(1, EMAIL.len());
    assert_eq!((one.emails.len(), one.left.is_some()), (1, true));
    assert_eq!(claim(2 * EMAIL.len(), 1).emails.len(), 2);
    let none = claim(EMAIL.len() - 1, EMAIL.len() - 1);
    assert!(none.emails.is_empty() && none.left.is_some_and(|left| left >= EMAIL.len()));
    assert_eq!((q.depth().waiting, q.depth().entries), ([0, 2, 0], 2));
    assert_eq!(q.claim_ids(5), ids[3..]);
}

#[test]
fn json_that_another_program_pushed_gets_a_record_when_it_is_claimed() {
    let q = TestQueue::start();
    q.push("emails", r#"{"to":"a@b.c","message":"hi"}"#);
    q.push("emails:high", "no json at all");
    let claimed = q.claim(10, LONG);
    let lanes: Vec<_> = claimed.iter().map(|claimed| q.record(claimed.claim.id).unwrap().lane).collect();
    assert_eq!(lanes, [Lane::High, Lane::Normal]);
    assert_eq!(claimed[0].json, "no json at all");
    assert_eq!(claimed[1].json, r#"{"to":"a@b.c","message":"hi"}"#);
    q.finish(claimed[0].claim, failed("not JSON"));
    let dead_letter = q.record(claimed[0].claim.id).unwrap();
    assert_eq!((dead_letter.state, dead_letter.json.as_slice()), (State::Failed, &b"no json at all"[..]));
}

#[test]
fn pushed_entries_that_are_alike_are_emails_of_their_own() {
    let q = TestQueue::start();
    (0..50).for_each(|_| q.push("emails", r#"{"to":"a@b.c","message":"hi"}"#));
    let mut ids: Vec<_> = q.claim_ids(100);
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 50);
    assert!(ids.iter().all(|id| id.to_string().as_bytes()[14] == b'7'), "{ids:?}");
}

#[test]
fn an_entry_too_large_to_be_an_email_becomes_a_dead_letter_unread() {
    let q = TestQueue::start();
    q.push("emails", &"x".repeat(40 * 1024 * 1024 + 1));
    assert_eq!(q.claim_ids(1), []);
    assert_eq!(q.depth().failed, 1);
}

#[test]
fn a_sent_email_is_kept_for_its_retention_and_then_forgotten() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, LONG).remove(0);
    let sent = Finish::new(claimed.claim, Outcome::Sent, Progress::default());
    assert_eq!(q.run(&finish(&q.queue, q.worker, FORGOTTEN, &[sent], None)).recorded, [true]);
    let record = q.record(id).unwrap();
    assert_eq!((record.state, record.attempts, record.finished.is_some()), (State::Sent, 1, true));
    assert_eq!(q.maintain(eager()).expired, 1);
    assert_eq!(q.record(id), None);
    let mut left: Vec<String> = q.redis("KEYS emails*");
    left.retain(|key| key != "emails:sweep");
    left.sort();
    assert_eq!(left, ["emails:totals", "emails:waiting", "emails:workers"]);
}

#[test]
fn an_emails_own_retention_comes_before_the_workers() {
    let q = TestQueue::start();
    let email = new_email();
    let enqueue = enqueue(
        &q.queue,
        Enqueue { emails: std::slice::from_ref(&email), retention: Some(LONG), ..Enqueue::default() },
    );
    q.run(&enqueue);
    let claimed = q.claim(1, LONG).remove(0);
    q.run(&finish(
        &q.queue,
        q.worker,
        FORGOTTEN,
        &[Finish::new(claimed.claim, Outcome::Sent, Progress::default())],
        None,
    ));
    assert_eq!(q.maintain(eager()).expired, 0);
    assert_eq!(q.state(email.id), State::Sent);
}

#[test]
fn a_delayed_email_comes_back_when_its_back_off_is_over_and_remembers_who_has_it() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::High);
    let claimed = q.claim(1, LONG).remove(0);
    let progress = Progress { accepted: vec!["b@example.com".to_owned()], ..Progress::default() };
    let outcome = Finish::new(claimed.claim, delayed(Duration::ZERO), progress.clone());
    q.run(&finish(&q.queue, q.worker, PERIODS, &[outcome], None));
    let record = q.record(id).unwrap();
    assert_eq!((record.state, record.error.as_deref()), (State::Delayed, Some("450 later")));
    assert_eq!(q.maintain(eager()).due, 1);
    let again = q.claim(1, LONG).remove(0);
    assert_eq!((again.claim.id, again.attempts, again.progress), (id, 1, progress));
    assert_eq!(again.claim.number, 2);
}

#[test]
fn what_is_not_due_is_not_listed() {
    let q = TestQueue::start();
    let later = q.enqueue_due(Lane::Normal, Some(Timestamp::now() + LONG));
    let soon = q.enqueue_due(Lane::Normal, Some(Timestamp::now() + Duration::from_millis(50)));
    assert_eq!((q.state(later), q.state(soon)), (State::Scheduled, State::Scheduled));
    testkit::wait::eventually_blocking(testkit::DEADLINE, "the due email to be listed", || {
        q.maintain(eager()).due == 1
    });
    assert_eq!(q.claim_ids(10), [soon]);
}

#[test]
fn a_dead_letter_stays_until_a_person_decides() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, LONG).remove(0);
    q.finish(claimed.claim, failed("550 no such user"));
    q.maintain(eager());
    let record = q.record(id).unwrap();
    assert_eq!((record.state, record.error.as_deref(), record.attempts), (State::Failed, Some("550 no such user"), 1));
    assert_eq!(q.depth().failed, 1);
}

#[test]
fn an_email_not_yet_due_is_put_off_without_counting_an_attempt() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, LONG).remove(0);
    let due = Timestamp::from_millisecond(Timestamp::now().as_millisecond() + 60_000).unwrap();
    q.finish(claimed.claim, Outcome::Scheduled { due });
    let record = q.record(id).unwrap();
    assert_eq!((record.state, record.due, record.attempts), (State::Scheduled, Some(due), 0));
}

#[test]
fn a_dead_workers_email_is_listed_again_in_front_when_its_lease_is_over() {
    let q = TestQueue::start();
    let lost = q.other_worker().claim_after_enqueue(Duration::ZERO);
    let held = q.claim_after_enqueue(LONG);
    let waiting = q.enqueue(Lane::Normal);
    assert_eq!(q.maintain(eager()).recovered, 1);
    assert_eq!(q.state(held), State::Sending);
    assert_eq!(q.claim_ids(10), [lost, waiting]);
    assert_eq!(q.record(lost).unwrap().attempts, 0);
}

#[test]
fn an_email_that_kills_its_workers_goes_to_the_back_and_ends_as_a_dead_letter() {
    let q = TestQueue::start();
    let poison = q.enqueue(Lane::Normal);
    let settings = Maintenance { max_recoveries: 2, ..eager() };
    q.claim(1, Duration::ZERO);
    assert_eq!(q.maintain(settings).recovered, 1);
    q.claim(1, Duration::ZERO);
    let other = q.enqueue(Lane::Normal);
    assert_eq!(q.maintain(settings).recovered, 1);
    assert_eq!(q.claim_ids(1), [other]);
    q.claim(1, Duration::ZERO);
    assert_eq!(q.maintain(settings).dead_lettered, 1);
    assert_eq!(q.state(poison), State::Failed);
}

#[test]
fn an_extended_lease_holds() {
    let q = TestQueue::start();
    q.enqueue(Lane::Normal);
    let claimed = q.claim(1, Duration::ZERO).remove(0);
    assert_eq!(q.extend(LONG, &[claimed.claim]), [true]);
    assert_eq!(q.maintain(eager()).recovered, 0);
}

#[test]
fn what_a_worker_does_not_know_it_has_is_taken_back_a_lease_later() {
    let q = TestQueue::start();
    let (known, unknown) = (q.enqueue(Lane::Normal), q.enqueue(Lane::Normal));
    let claims: Vec<_> = q.claim(2, LONG).iter().map(|claimed| claimed.claim).collect();
    assert_eq!(q.extend(LONG, &claims[..1]), [true]);
    assert_eq!(q.state(unknown), State::Sending, "the answer may be on its way");
    assert_eq!(q.extend(Duration::ZERO, &claims[..1]), [true]);
    assert_eq!((q.state(known), q.state(unknown)), (State::Sending, State::Queued));
    assert_eq!(q.claim_ids(10), [unknown]);
}

#[test]
fn the_next_emails_are_claimed_in_the_call_that_records_outcomes() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(5);
    let finished = |claimed: &[Claimed]| -> Vec<Finish> {
        let finish = |claimed: &Claimed| Finish::new(claimed.claim, Outcome::Sent, Progress::default());
        claimed.iter().map(finish).collect()
    };
    let next = Next { lease: LONG, max: 2, max_bytes: usize::MAX >> 12 };
    let first = q.claim(2, LONG);
    let answer = q.run(&finish(&q.queue, q.worker, PERIODS, &finished(&first), Some(next)));
    assert_eq!(answer.recorded, [true, true]);
    assert_eq!(answer.next.emails.iter().map(|claimed| claimed.claim.id).collect::<Vec<_>>(), ids[2..4]);
    let repeated = q.run(&finish(&q.queue, q.worker, PERIODS, &finished(&first), Some(next)));
    assert_eq!(repeated.recorded, [false, false]);
    assert_eq!(repeated.next.emails.iter().map(|claimed| claimed.claim.id).collect::<Vec<_>>(), ids[4..]);
    assert_eq!(q.depth().sending, 3);
}

#[test]
fn a_worker_that_stops_stays_known_until_the_lease_of_what_it_leaves_is_over() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(2);
    let leaving = q.other_worker();
    let claims: Vec<_> = leaving.claim(2, LONG).iter().map(|claimed| claimed.claim).collect();
    assert_eq!(leaving.release(&claims[..1]), 1);
    assert_eq!((q.state(ids[0]), q.state(ids[1]), q.depth().sending), (State::Queued, State::Sending, 1));
    leaving.extend(Duration::ZERO, &claims[1..]);
    assert_eq!(q.maintain(eager()).recovered, 1);
    assert_eq!((q.state(ids[1]), q.redis::<i64>("ZCARD emails:workers")), (State::Queued, 0));
}

#[test]
fn a_worker_whose_lease_was_taken_over_is_told_so_and_changes_nothing() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let slow = q.other_worker();
    let first = slow.claim(1, Duration::ZERO).remove(0).claim;
    q.maintain(eager());
    let second = q.claim(1, LONG).remove(0).claim;
    for outcome in [Outcome::Sent, delayed(LONG), failed("x")] {
        assert!(!slow.finish(first, outcome));
    }
    assert_eq!((slow.extend(LONG, &[first]), q.extend(LONG, &[second])), (vec![false], vec![true]));
    assert_eq!((slow.release(&[first]), q.release(&[first])), (0, 0));
    assert_eq!(q.state(id), State::Sending);
    assert!(q.finish(second, Outcome::Sent));
    assert!(!q.finish(second, Outcome::Sent), "an outcome counts once");
    assert_eq!(q.record(id).unwrap().attempts, 1);
}

#[test]
fn a_slow_worker_may_still_say_sent_while_nobody_else_has_the_email() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, Duration::ZERO).remove(0).claim;
    q.maintain(eager());
    assert_eq!(q.state(id), State::Queued);
    assert!(!q.finish(claimed, delayed(LONG)), "only for sent: anything else is for the next worker to find out");
    assert!(q.finish(claimed, Outcome::Sent));
    assert_eq!((q.state(id), q.claim_ids(10)), (State::Sent, vec![]));
}

#[test]
fn released_emails_are_in_front_in_their_old_order_and_count_no_attempt() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(3);
    let waiting = q.enqueue(Lane::Normal);
    let claims: Vec<_> = q.claim(3, LONG).iter().map(|claimed| claimed.claim).collect();
    assert_eq!(q.release(&claims), 3);
    let again = q.claim(10, LONG);
    let order: Vec<_> = again.iter().map(|claimed| claimed.claim.id).collect();
    assert_eq!(order, [ids[0], ids[1], ids[2], waiting]);
    assert!(again.iter().all(|claimed| claimed.attempts == 0));
}

#[test]
fn a_worker_with_the_largest_concurrency_can_give_all_of_it_back() {
    let q = TestQueue::start();
    let ids = q.enqueue_batch(Lane::Normal, 10_000);
    let claims: Vec<_> = q.claim(10_000, LONG).iter().map(|claimed| claimed.claim).collect();
    assert!(q.extend(LONG, &claims).iter().all(|ours| *ours));
    assert_eq!(q.release(&claims), 10_000);
    assert_eq!(q.waiting(Lane::Normal), ids);
}

#[test]
fn an_email_popped_and_never_claimed_is_listed_again_after_the_grace_and_in_front() {
    let q = TestQueue::start();
    let lost = q.enqueue(Lane::Normal);
    std::thread::sleep(Duration::from_millis(2)); // so that the next one is listed at another ms
    let waiting = q.enqueue(Lane::Normal);
    q.pop();
    let with_long_grace = Maintenance { grace: LONG, ..eager() };
    assert_eq!((q.maintain(with_long_grace).requeued, q.maintain(with_long_grace).requeued), (0, 0));
    assert_eq!(q.maintain(eager()).requeued, 1);
    assert_eq!(q.maintain(eager()).requeued, 0);
    assert_eq!(q.claim_ids(10), [lost, waiting]);
}

#[test]
fn the_last_email_popped_and_never_claimed_is_found_on_an_empty_list() {
    let q = TestQueue::start();
    let lost: Vec<_> = Lane::ALL.into_iter().map(|lane| q.enqueue(lane)).collect();
    (0..3).for_each(|_| drop(q.pop()));
    q.maintain(eager());
    assert_eq!(q.maintain(eager()).requeued, 3);
    assert_eq!(q.claim_ids(10), lost);
}

#[test]
fn a_popped_email_that_is_claimed_in_time_is_not_listed_again() {
    let q = TestQueue::start();
    q.enqueue(Lane::Normal);
    let popped = q.pop();
    q.maintain(eager());
    q.claim_popped(1, LONG, popped);
    assert_eq!(q.maintain(eager()).requeued, 0);
    assert_eq!(q.depth().entries, 0);
}

#[test]
fn pushed_entries_do_not_hide_a_popped_email() {
    let q = TestQueue::start();
    let lost = q.enqueue(Lane::Normal);
    q.pop();
    (0..20).for_each(|_| q.push("emails", "{}"));
    q.maintain(eager());
    assert_eq!(q.maintain(eager()).requeued, 1);
    assert_eq!(q.claim_ids(1), [lost]);
}

#[test]
fn waiting_emails_are_never_taken_for_popped_ones() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(100);
    let claims: Vec<_> = q.claim(10, LONG).iter().map(|claimed| claimed.claim).collect();
    q.release(&claims[5..]);
    for _ in 0..3 {
        assert_eq!(q.maintain(eager()).requeued, 0);
    }
    assert_eq!(q.claim_ids(200), ids[5..]);
}

#[test]
fn maintenance_does_a_bounded_amount_and_says_when_there_is_more() {
    let q = TestQueue::start();
    q.enqueue_many(5);
    q.claim(5, Duration::ZERO);
    let maintained = q.maintain(Maintenance { batch: 3, lock: LONG, ..eager() });
    assert_eq!((maintained.recovered, maintained.more), (3, true));
    let maintained = q.maintain(Maintenance { batch: 3, lock: LONG, ..eager() });
    assert_eq!((maintained.recovered, maintained.more), (2, false));
}

#[test]
fn only_one_worker_has_the_lock_of_maintenance() {
    let q = TestQueue::start();
    let locked = || q.try_maintain(Maintenance { lock: LONG, ..eager() }).unwrap().locked;
    assert_eq!((locked(), locked()), (true, false));
}

#[test]
fn a_worker_is_alive_as_long_as_it_says_so() {
    let q = TestQueue::start();
    q.extend(LONG, &[]);
    assert_eq!(q.redis::<Vec<String>>("ZRANGE emails:workers 0 -1"), ["w"]);
    q.release(&[]);
    assert_eq!(q.redis::<i64>("ZCARD emails:workers"), 0);
    q.extend(Duration::ZERO, &[]);
    q.maintain(eager());
    assert_eq!(q.redis::<i64>("ZCARD emails:workers"), 0);
}

#[test]
fn totals_count_what_happened() {
    let q = TestQueue::start();
    q.enqueue_many(4);
    let claimed = q.claim(4, LONG);
    q.finish(claimed[0].claim, Outcome::Sent);
    q.finish(claimed[1].claim, delayed(LONG));
    q.finish(claimed[2].claim, failed("x"));
    for (total, expected) in [("accepted", 4), ("sent", 1), ("retried", 1), ("failed", 1)] {
        assert_eq!(q.redis::<i64>(&format!("HGET emails:totals {total}")), expected, "{total}");
    }
}

#[test]
fn a_queue_can_have_any_name_and_shares_nothing_with_another() {
    let mut q = TestQueue::start();
    q.enqueue(Lane::Normal);
    q.queue = "{mail}".parse().unwrap();
    assert_eq!(q.claim_ids(10), []);
    let id = q.enqueue(Lane::Low);
    assert_eq!(q.redis::<Vec<String>>("LRANGE {mail}:low 0 -1"), [id.to_string()]);
}

#[test]
fn an_entry_of_no_known_email_is_dropped() {
    let q = TestQueue::start();
    q.push("emails", &EmailId::new().to_string());
    let popped =
        PoppedEntry { list: b"emails".to_vec(), entry: Arc::new(EmailId::new().to_string().into()), number: 1 };
    assert_eq!(q.claim_popped(10, LONG, Some(popped)), []);
    assert_eq!(q.depth(), Default::default());
}

impl TestQueue {
    fn claim_after_enqueue(&self, lease: Duration) -> EmailId {
        let id = self.enqueue(Lane::Normal);
        assert_eq!(self.claim(1, lease)[0].claim.id, id);
        id
    }
}

#[test]
fn it_can_be_asked_whether_an_email_could_be_accepted() {
    let q = TestQueue::start();
    let is_ready = || q.try_run(&ready(&q.queue)).is_ok();
    assert!(is_ready());
    assert_eq!(q.redis::<i64>("DBSIZE"), 0, "asking writes nothing");
    q.redis::<()>("CONFIG SET maxmemory 1");
    assert!(!is_ready());
    q.redis::<()>("CONFIG SET maxmemory 0");
    q.redis::<()>("SET emails:low x");
    assert!(!is_ready());
    q.redis::<()>("DEL emails:low");
    q.redis::<()>("REPLICAOF 127.0.0.1 1");
    assert!(!is_ready());
}
