//! What a worker asks for and fails half-way loses no email: what cannot be claimed stays on its list, what cannot be recorded can
//! be reported again, and what cannot be brought back now is brought back later.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::{sync::Arc, time::Duration};

use email_queue::{
    EmailId, Lane, State,
    transition::{Claim, ClaimRef, Finish, Outcome, PoppedEntry, Progress, claim, extend, finish, release},
};
use jiff::Timestamp;
use support::{
    ANY, LONG, PERIODS, TestQueue,
    breaking::{COMMANDS, assert_whole, assert_whole_without, everything, fresh, later},
    delayed, eager, failed, postponed, returned,
};

#[test]
fn emails_that_cannot_be_claimed_stay_where_they_are() {
    // By which what was popped is put back in front; without it they go to the end.
    let commands: Vec<_> = COMMANDS.iter().copied().filter(|command| *command != "rpush").collect();
    for is_used in [false, true] {
        assert_whole_without(&format!("claim {is_used}"), &commands, |q| {
            fresh(q, is_used);
            q.enqueue_many(3);
            q.push("emails", r#"{"to":"a@b.example","message":"pushed"}"#);
            q.enqueue(Lane::High);
            claim(&q.queue, Claim { worker: q.worker, lease: LONG, max: 10, bytes: ANY, popped: None })
        });
    }
    assert_whole("claim of what was pushed", |q| {
        fresh(q, false);
        let entry = Arc::new(br#"{"to":"a@b.example","message":"pushed"}"#.to_vec());
        let popped = Some(PoppedEntry { list: "emails".into(), entry, number: 1 });
        claim(&q.queue, Claim { worker: q.worker, lease: LONG, max: 10, bytes: ANY, popped })
    });
}

/// An outcome that Redis has refused is reported again, until it is recorded.
#[test]
fn an_outcome_that_cannot_be_recorded_can_be_reported_again() {
    let outcomes = [Outcome::Sent, delayed(LONG), postponed(LONG), returned(), failed("550 no"), scheduled()];
    for outcome in outcomes {
        for key in ["totals", "finished", "scheduled", "failed", "waiting", "waiting:normal", "sending:w", ""] {
            let key = format!("emails:{key}").trim_end_matches(':').to_owned();
            let q = TestQueue::start();
            q.enqueue_many(2);
            let claimed = q.claim(2, LONG);
            let before = everything(&q).remove(&key);
            q.redis::<()>(&format!("DEL {key}"));
            q.redis::<()>(&format!("SET {key} x"));
            let progress = Progress::default();
            let finished: Vec<_> =
                claimed.iter().map(|claimed| Finish::new(claimed.claim, outcome.clone(), progress.clone())).collect();
            let call = finish(&q.queue, q.worker, PERIODS, &finished, None);
            let first = q.try_run(&call);
            q.redis::<()>(&format!("DEL {key}"));
            if let Some((_, dump)) = before {
                q.restore(&key, &dump);
            }
            if first.is_err() {
                assert_eq!(q.run(&call).recorded, [true, true], "{outcome:?}, {key}");
            }
            let ended: Vec<_> = claimed.iter().map(|claimed| q.record(claimed.claim.id).unwrap()).collect();
            let (state, attempts) = match outcome {
                Outcome::Sent => (State::Sent, 1),
                Outcome::Delayed { .. } => (State::Delayed, 1),
                Outcome::Postponed { .. } => (State::Delayed, 0),
                Outcome::Returned { .. } => (State::Queued, 0),
                Outcome::Failed { .. } => (State::Failed, 1),
                Outcome::Scheduled { .. } => (State::Scheduled, 0),
            };
            for record in ended {
                assert_eq!((record.state, record.attempts), (state, attempts), "{outcome:?}, {key}");
            }
            assert!(q.sending().is_empty(), "{outcome:?}, {key}");
        }
    }
}

fn scheduled() -> Outcome {
    Outcome::Scheduled { due: later().unwrap() }
}

/// What brings emails back to their lists may fail, and does it another time.
#[test]
fn emails_that_cannot_be_brought_back_now_are_brought_back_later() {
    type Case = fn(&TestQueue) -> (Vec<EmailId>, Box<dyn Fn(&TestQueue)>);
    let cases: [(&str, Case); 5] = [
        ("released", |q| {
            let (ids, claims) = (q.enqueue_many(3), claims(q, Duration::from_millis(1)));
            (ids, Box::new(move |q| drop(q.try_run(&release(&q.queue, q.worker, &claims)))))
        }),
        ("of an answer that was lost", |q| {
            let (ids, _) = (q.enqueue_many(3), claims(q, Duration::from_millis(1)));
            (ids, Box::new(|q| drop(q.try_run(&extend(&q.queue, q.worker, Duration::ZERO, Duration::ZERO, &[])))))
        }),
        ("due", |q| {
            let soon = Some(Timestamp::now() + Duration::from_millis(2));
            let ids = [(); 3].map(|()| q.enqueue_due(Lane::Normal, soon)).to_vec();
            testkit::wait::eventually_blocking(testkit::DEADLINE, "their time", || Some(Timestamp::now()) > soon);
            (ids, Box::new(maintain))
        }),
        ("of a dead worker", |q| {
            let (ids, _) = (q.enqueue_many(3), claims(q, Duration::ZERO));
            (ids, Box::new(maintain))
        }),
        ("popped", |q| {
            let ids = q.enqueue_many(3);
            q.redis::<()>("DEL emails");
            q.maintain(eager());
            (ids, Box::new(maintain))
        }),
    ];
    for (case, prepare) in cases {
        for key in [
            "totals",
            "waiting",
            "waiting:normal",
            "waiting:normal:50000000000",
            "waiting:normal:49999999999",
            "scheduled",
            "popped",
            "failed",
            "alive",
        ] {
            let key = format!("emails:{key}");
            let q = TestQueue::start();
            let (ids, step) = prepare(&q);
            let before = everything(&q).remove(&key);
            q.redis::<()>(&format!("DEL {key}"));
            q.push(&key, "x");
            step(&q);
            q.redis::<()>(&format!("DEL {key}"));
            if let Some((_, dump)) = before {
                q.restore(&key, &dump);
            }
            let mut missing = ids.clone();
            testkit::wait::eventually_blocking(testkit::DEADLINE, &format!("emails {case}, {key}"), || {
                q.maintain(eager());
                let found = q.other_worker().claim_ids(10);
                missing.retain(|id| !found.contains(id));
                missing.is_empty()
            });
        }
    }
}

fn claims(q: &TestQueue, lease: Duration) -> Vec<ClaimRef> {
    q.claim(10, lease).iter().map(|claimed| claimed.claim).collect()
}

fn maintain(q: &TestQueue) {
    // The lock may be closed for a moment.
    for _ in 0..3 {
        drop(q.try_maintain(eager()));
        std::thread::sleep(Duration::from_millis(2));
    }
}
