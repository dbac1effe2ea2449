//! What a person does with emails that have failed, or are not to be sent.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use email_queue::{
    Class, EmailId, Lane, State, query,
    transition::{
        Changed, Finish, Matching, Outcome, Progress, RecipientRefusal, What, change_matching, discard, finish,
        move_to_lane, retry,
    },
};
use jiff::Timestamp;
use support::{LONG, PERIODS, TestQueue, delayed, eager};

fn failed(q: &TestQueue, lane: Lane) -> EmailId {
    let id = q.enqueue(lane);
    let claim = q.claim(1, LONG).remove(0).claim;
    q.finish(claim, Outcome::Failed { class: Class::Recipient, error: "550 no such user".to_owned() });
    assert_eq!(q.state(id), State::Failed);
    id
}

fn later() -> Timestamp {
    Timestamp::now() + LONG
}

fn waits_for_another_attempt(q: &TestQueue) -> EmailId {
    let id = q.enqueue(Lane::Normal);
    let claim = q.claim(1, LONG).remove(0).claim;
    q.finish(claim, delayed(LONG));
    id
}

#[test]
fn an_email_that_has_failed_is_queued_again_behind_the_others_of_its_lane() {
    let q = TestQueue::start();
    let id = failed(&q, Lane::Low);
    let other = q.enqueue(Lane::Low);
    assert_eq!(q.run(&retry(&q.queue, id)), Changed::Done);
    assert_eq!(q.waiting(Lane::Low), [other, id]);
    assert_eq!(q.redis::<u64>("ZCARD emails:failed"), 0);
    assert_eq!(q.claim_ids(10), [other, id]);
    assert_eq!(q.redis::<u64>("HGET emails:totals retried"), 1);
}

#[test]
fn an_email_that_waits_for_another_attempt_is_queued_at_once_and_not_a_second_time_when_it_is_due() {
    let q = TestQueue::start();
    let id = waits_for_another_attempt(&q);
    assert_eq!(q.run(&retry(&q.queue, id)), Changed::Done);
    assert_eq!((q.state(id), q.depth().scheduled), (State::Queued, 0));
    q.maintain(eager());
    assert_eq!(q.claim_ids(10), [id]);
}

#[test]
fn a_retried_email_begins_anew_and_goes_to_nobody_twice() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal);
    let claim = q.claim(1, LONG).remove(0).claim;
    let refusal = RecipientRefusal { class: Class::Recipient, error: "550".to_owned() };
    let progress = Progress {
        accepted: vec!["a@b.example".to_owned()],
        refused: [("c@d.example".to_owned(), refusal)].into(),
        timeouts: 2,
    };
    let outcome = Outcome::Failed { class: Class::Recipient, error: "550".to_owned() };
    let finished = [Finish::new(claim, outcome, progress)];
    q.run(&finish(&q.queue, q.worker, PERIODS, &finished, None));
    assert_eq!(q.run(&retry(&q.queue, id)), Changed::Done);
    let claimed = q.claim(1, LONG).remove(0);
    assert_eq!((claimed.claim.number, claimed.attempts), (2, 0));
    assert_eq!(claimed.progress.accepted, ["a@b.example"]);
    assert!(claimed.progress.refused.is_empty() && claimed.progress.timeouts == 0);
    assert!(!q.redis::<bool>(&format!("HEXISTS emails:failure:{id} since")));
}

#[test]
fn an_email_that_has_failed_or_waits_is_discarded_and_nothing_of_it_stays() {
    let q = TestQueue::start();
    let ids = [failed(&q, Lane::Normal), waits_for_another_attempt(&q), q.enqueue(Lane::High)];
    for id in ids {
        assert_eq!(q.run(&discard(&q.queue, id)), Changed::Done);
        assert_eq!(q.state(id), State::Canceled);
    }
    assert_eq!(q.claim_ids(10), []);
    testkit::wait::eventually_blocking(testkit::DEADLINE, "maintenance to delete them", || {
        q.maintain(eager());
        ids.iter().all(|id| q.run(&query::read(&q.queue, *id)).is_none())
    });
    let left: Vec<String> = q.redis("KEYS emails:email:*");
    let failures: Vec<String> = q.redis("KEYS emails:failure:*");
    assert_eq!((left.len(), failures.len(), q.depth().failed), (0, 0, 0));
    assert_eq!(q.redis::<String>("HGET emails:waiting bytes"), "0");
    assert_eq!(q.redis::<u64>("ZCARD emails:index"), 0);
}

#[test]
fn what_is_on_its_way_or_sent_is_neither_retried_nor_discarded() {
    let q = TestQueue::start();
    let sent = q.enqueue(Lane::Normal);
    let claim = q.claim(1, LONG).remove(0).claim;
    q.finish(claim, Outcome::Sent);
    let sending = q.enqueue(Lane::Normal);
    q.claim(1, LONG);
    for (id, state) in [(sent, State::Sent), (sending, State::Sending)] {
        assert_eq!(q.run(&retry(&q.queue, id)), Changed::Refused(state));
        assert_eq!(q.run(&discard(&q.queue, id)), Changed::Refused(state));
    }
    let queued = q.enqueue(Lane::Normal);
    assert_eq!(q.run(&retry(&q.queue, queued)), Changed::Refused(State::Queued));
    for call in [retry, discard] {
        assert_eq!(q.run(&call(&q.queue, EmailId::new())), Changed::Unknown);
    }
}

#[test]
fn a_call_whose_answer_was_lost_succeeds_when_it_is_repeated() {
    let q = TestQueue::start();
    let id = failed(&q, Lane::Normal);
    let call = retry(&q.queue, id);
    assert_eq!((q.run(&call), q.again(&call)), (Changed::Done, Changed::Done));
    let claim = q.claim(1, LONG).remove(0).claim;
    assert_eq!(q.again(&call), Changed::Done);
    q.finish(claim, Outcome::Sent);
    assert_eq!(q.again(&call), Changed::Done);

    let id = failed(&q, Lane::Normal);
    let call = discard(&q.queue, id);
    assert_eq!((q.run(&call), q.again(&call)), (Changed::Done, Changed::Done));
    testkit::wait::eventually_blocking(testkit::DEADLINE, "maintenance to delete it", || {
        q.maintain(eager());
        q.run(&query::read(&q.queue, id)).is_none()
    });
    assert_eq!((q.again(&call), q.run(&call)), (Changed::Done, Changed::Unknown));
}

/// All steps of a bulk action: how many emails were changed.
fn change_all(q: &TestQueue, what: What, state: State, class: Option<Class>) -> u64 {
    let matching = Matching::new(what, state, class).unwrap();
    let (mut position, mut changed) = (None, 0);
    for _ in 0..1000 {
        let progressed = q.run(&change_matching(&q.queue, what, matching, position.as_ref()));
        changed += progressed.changed;
        position = progressed.cursor;
        if position.is_none() {
            return changed;
        }
    }
    panic!("a bulk action without an end")
}

#[test]
fn all_emails_of_a_state_and_a_class_are_retried_in_steps_and_no_others() {
    let q = TestQueue::start();
    let mut ids = Vec::new();
    for nth in 0..700 {
        let class = if nth % 3 == 0 { Class::Content } else { Class::Recipient };
        let id = q.enqueue(Lane::Normal);
        let claim = q.claim(1, LONG).remove(0).claim;
        q.finish(claim, Outcome::Failed { class, error: "no".to_owned() });
        ids.push((class, id));
    }
    let waits = waits_for_another_attempt(&q);
    assert_eq!(change_all(&q, What::Retry, State::Failed, Some(Class::Content)), 234);
    for (class, id) in &ids {
        let expected = if *class == Class::Content { State::Queued } else { State::Failed };
        assert_eq!(q.state(*id), expected);
    }
    assert_eq!(change_all(&q, What::Retry, State::Failed, None), 466);
    assert_eq!(change_all(&q, What::Retry, State::Failed, None), 0);
    assert_eq!(q.state(waits), State::Delayed);
    assert_eq!((q.claim_ids(1000).len(), q.depth().failed), (700, 0));
}

#[test]
fn all_emails_of_a_state_are_discarded_in_steps() {
    let q = TestQueue::start();
    q.enqueue_many(500);
    let (high, scheduled) = (q.enqueue(Lane::High), q.enqueue_due(Lane::Low, Some(later())));
    let delayed = waits_for_another_attempt(&q);
    assert_eq!(q.state(high), State::Delayed, "it is the most urgent");
    assert_eq!(change_all(&q, What::Discard, State::Scheduled, None), 1);
    assert_eq!((q.state(scheduled), q.state(high)), (State::Canceled, State::Delayed));
    assert_eq!(change_all(&q, What::Discard, State::Queued, None), 501);
    assert_eq!((q.state(delayed), q.claim_ids(10)), (State::Canceled, Vec::new()));
    assert_eq!(change_all(&q, What::Discard, State::Delayed, None), 1);
    assert_eq!((q.depth().waiting, q.depth().scheduled), ([0; 3], 0));
}

#[test]
fn what_cannot_be_chosen_is_refused_with_the_reason() {
    for (what, state, class, named) in [
        (What::Retry, State::Queued, None, "emails that are queued cannot be retried"),
        (What::Retry, State::Sent, None, "emails that are sent cannot be retried"),
        (What::Discard, State::Sending, None, "emails that are sending cannot be discarded"),
        (What::Discard, State::Queued, Some(Class::Content), "emails that are queued have none"),
    ] {
        let error = Matching::new(what, state, class).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
}

#[test]
fn an_email_moves_to_the_end_of_another_lane_and_is_claimed_there_alone() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(3);
    let high = q.enqueue(Lane::High);
    assert_eq!(q.run(&move_to_lane(&q.queue, ids[0], Lane::High)), Changed::Done);
    assert_eq!(q.run(&move_to_lane(&q.queue, ids[1], Lane::Low)), Changed::Done);
    assert_eq!(q.run(&move_to_lane(&q.queue, ids[2], Lane::Normal)), Changed::Done, "it is there");
    assert_eq!(Lane::ALL.map(|lane| q.waiting(lane)), [vec![high, ids[0]], vec![ids[2]], vec![ids[1]]]);
    assert_eq!(q.record(ids[1]).unwrap().lane, Lane::Low);
    // What is left of them on the list of their lane before neither hands them out nor makes others look lost.
    q.maintain(eager());
    q.maintain(eager());
    assert_eq!(q.redis::<u64>("ZCARD emails:popped"), 0);
    assert_eq!(q.claim_ids(10), [high, ids[0], ids[2], ids[1]]);
    assert_eq!((q.depth().waiting, q.depth().entries), ([0; 3], 0));
}

#[test]
fn an_email_that_comes_back_to_its_lane_is_claimed_once() {
    let q = TestQueue::start();
    let ids = q.enqueue_many(2);
    for lane in [Lane::High, Lane::Normal] {
        q.run(&move_to_lane(&q.queue, ids[0], lane));
    }
    let popped = q.pop();
    let claimed: Vec<_> = q.claim_popped(10, LONG, popped).iter().map(|claimed| claimed.claim.id).collect();
    assert_eq!(claimed.len(), 2);
    assert!(ids.iter().all(|id| claimed.contains(id)));
}

#[test]
fn what_waits_for_its_time_is_queued_in_its_new_lane_and_what_is_on_its_way_is_not_moved() {
    let q = TestQueue::start();
    let (delayed, scheduled) = (waits_for_another_attempt(&q), q.enqueue_due(Lane::Normal, Some(later())));
    for id in [delayed, scheduled] {
        assert_eq!(q.run(&move_to_lane(&q.queue, id, Lane::High)), Changed::Done);
    }
    assert_eq!((q.state(delayed), q.state(scheduled)), (State::Delayed, State::Scheduled));
    q.run(&retry(&q.queue, delayed));
    assert_eq!(q.waiting(Lane::High), [delayed]);
    q.claim(1, LONG);
    let call = move_to_lane(&q.queue, delayed, Lane::High);
    assert_eq!((q.run(&call), q.again(&call)), (Changed::Refused(State::Sending), Changed::Done));
    assert_eq!(q.run(&move_to_lane(&q.queue, EmailId::new(), Lane::High)), Changed::Unknown);
}

#[test]
fn all_emails_of_a_state_are_moved_in_steps_and_in_order() {
    let q = TestQueue::start();
    let (low, many) = (q.enqueue(Lane::Low), q.enqueue_many(500));
    let scheduled = q.enqueue_due(Lane::Normal, Some(later()));
    assert_eq!(change_all(&q, What::Move(Lane::Low), State::Queued, None), 500);
    assert_eq!(change_all(&q, What::Move(Lane::Low), State::Queued, None), 0);
    assert_eq!(change_all(&q, What::Move(Lane::Low), State::Scheduled, None), 1);
    assert_eq!(q.record(scheduled).unwrap().lane, Lane::Low);
    assert_eq!(q.claim_ids(1000), [&[low], many.as_slice()].concat());
}

#[test]
fn a_dry_run_counts_and_changes_nothing() {
    let q = TestQueue::start();
    q.enqueue_many(300);
    let id = q.enqueue(Lane::High);
    q.finish(q.claim(1, LONG)[0].claim, Outcome::Failed { class: Class::Recipient, error: "no".to_owned() });
    let before = support::breaking::everything(&q);
    for (what, state, class, expected) in [
        (What::Move(Lane::Low), State::Queued, None, 300),
        (What::Move(Lane::Normal), State::Queued, None, 0),
        (What::Discard, State::Queued, None, 300),
        (What::Retry, State::Failed, Some(Class::Recipient), 1),
        (What::Discard, State::Failed, Some(Class::Content), 0),
    ] {
        let matching = Matching::new(what, state, class).unwrap().dry();
        let progressed = q.run(&change_matching(&q.queue, what, matching, None));
        assert_eq!((progressed.cursor, progressed.changed), (None, expected), "{what} {state}");
    }
    assert_eq!((support::breaking::everything(&q) == before, q.state(id)), (true, State::Failed));
}
