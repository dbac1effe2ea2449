//! An error of Redis means that nothing was done: a script that fails half-way, because a key is in use for something else
//! or a command is not permitted, leaves everything as it was.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use email_queue::{
    EmailId, Lane, State,
    redis::Call,
    transition::{
        Allowance, Claim, ClaimRef, Enqueue, Enqueued, Finish, Idempotency, NewEmail, Outcome, PoppedEntry, Progress,
        SECRET_BYTES, cancel, claim, enqueue, extend, finish, release, reschedule, secret, sweep, throttle,
    },
};
use jiff::Timestamp;
use support::{ANY, EMAIL, LONG, PERIODS, TestQueue, delayed, eager, failed, held, returned};

/// What a script asks of Redis.
const COMMANDS: &[&str] = &[
    "get",
    "getrange",
    "set",
    "setrange",
    "exists",
    "pexpire",
    "pttl",
    "incr",
    "lpush",
    "rpush",
    "lrem",
    "llen",
    "hget",
    "hset",
    "hmget",
    "hdel",
    "hlen",
    "hincrby",
    "zadd",
    "zrem",
    "zcard",
    "zrangebylex",
];

/// All that Redis has: of each key its type, and what it holds.
type Everything = BTreeMap<String, (String, Vec<u8>)>;

fn everything(q: &TestQueue) -> Everything {
    let keys: Vec<String> = q.redis("KEYS *");
    keys.into_iter().map(|key| (key.clone(), (q.redis(&format!("TYPE {key}")), dump(q, &key)))).collect()
}

fn dump(q: &TestQueue, key: &str) -> Vec<u8> {
    q.redis(&format!("DUMP {key}"))
}

/// Fails a call in every way that one key or one command can make it fail.
fn assert_whole<T: std::fmt::Debug>(case: &str, prepare: impl Fn(&TestQueue) -> Call<T>) {
    assert_whole_without(case, COMMANDS, prepare);
}

fn assert_whole_without<T>(case: &str, commands: &[&str], prepare: impl Fn(&TestQueue) -> Call<T>) {
    let q = TestQueue::start();
    let mut failures = 0;
    for command in commands {
        let call = prepare(&q);
        q.redis::<()>(&format!("ACL SETUSER limited on nopass ~* +@all -{command}"));
        failures += usize::from(fails_wholly(&q, &format!("{case} without {command}"), || {
            q.redis::<()>("AUTH limited x");
            let failed = q.try_run(&call).is_err();
            q.redis::<()>("AUTH default x");
            failed
        }));
    }
    for breaking in ["type", "number"] {
        // By its number, because an id is another one each time.
        let mut nth = 0;
        loop {
            let call = prepare(&q);
            let before = everything(&q);
            let Some((key, kind)) = keys_of(&q, &call, &before).into_iter().nth(nth) else { break };
            prepare_as(&q, &before);
            nth += 1;
            match (breaking, kind.as_str()) {
                ("type", kind) => {
                    q.redis::<()>(&format!("DEL {key}"));
                    q.redis::<()>(&if kind == "string" { format!("LPUSH {key} x") } else { format!("SET {key} x") });
                }
                ("number", "hash") if key == "emails:totals" => {
                    q.redis::<()>(&format!("HSET {key} accepted x canceled x"));
                }
                _ => continue,
            }
            failures +=
                usize::from(fails_wholly(&q, &format!("{case}, {breaking} of {key}"), || q.try_run(&call).is_err()));
        }
    }
    assert!(failures > 0, "{case} never fails");
}

/// Runs a call, and if it fails checks that it has changed nothing.
fn fails_wholly(q: &TestQueue, case: &str, fails: impl Fn() -> bool) -> bool {
    let before = everything(q);
    let failed = fails();
    if failed {
        let after = everything(q);
        let keys: BTreeSet<_> = before.keys().chain(after.keys()).collect();
        let changed: Vec<_> = keys.into_iter().filter(|key| before.get(*key) != after.get(*key)).collect();
        assert!(changed.is_empty(), "{case}: {changed:?} changed");
    }
    failed
}

/// The keys that a call finds or makes, and all that there is one of, with their types.
fn keys_of<T>(q: &TestQueue, call: &Call<T>, before: &Everything) -> Vec<(String, String)> {
    assert!(q.try_run(call).is_ok());
    let mut keys: BTreeMap<_, _> = q.queue.types().into_iter().map(|(key, kind)| (key, kind.to_owned())).collect();
    let made = everything(q);
    keys.extend(before.iter().chain(&made).map(|(key, (kind, _))| (key.clone(), kind.clone())));
    keys.into_iter().collect()
}

/// Puts everything back.
fn prepare_as(q: &TestQueue, before: &Everything) {
    q.redis::<()>("FLUSHALL");
    for (key, (_, dump)) in before {
        q.restore(key, dump);
    }
}

fn later() -> Option<Timestamp> {
    Some(Timestamp::now() + Duration::from_secs(60))
}

fn new(lane: Lane, due: Option<Timestamp>) -> NewEmail {
    NewEmail { id: EmailId::new(), lane, due, json: EMAIL.into() }
}

fn accept(q: &TestQueue, emails: &[NewEmail], idempotency: Option<&Idempotency>) -> Call<Enqueued> {
    enqueue(&q.queue, Enqueue { emails, backlog_limit: Some(100), retention: None, idempotency })
}

/// A queue with an email of each kind that waits, or with none.
fn fresh(q: &TestQueue, is_used: bool) {
    q.redis::<()>("FLUSHALL");
    if is_used {
        for lane in Lane::ALL {
            q.enqueue(lane);
        }
        q.enqueue_due(Lane::Normal, later());
    }
}

#[test]
fn an_email_that_cannot_be_accepted_leaves_nothing_behind() {
    for is_used in [false, true] {
        for (case, lane, due) in
            [("now", Lane::Normal, None), ("high", Lane::High, None), ("later", Lane::Low, later())]
        {
            assert_whole(&format!("{case} {is_used}"), |q| {
                fresh(q, is_used);
                accept(q, &[new(lane, due)], None)
            });
        }
    }
}

#[test]
fn of_a_batch_that_cannot_be_accepted_no_email_is() {
    for is_used in [false, true] {
        assert_whole(&format!("batch {is_used}"), |q| {
            fresh(q, is_used);
            let mut emails: Vec<_> =
                Lane::ALL.iter().flat_map(|lane| [new(*lane, None), new(*lane, later())]).collect();
            // The answer to a part of it was lost.
            let known = new(Lane::Normal, None);
            q.run(&accept(q, std::slice::from_ref(&known), None));
            emails.insert(3, known);
            accept(q, &emails, Some(&Idempotency::new("client", "key", [])))
        });
    }
}

#[test]
fn an_email_that_cannot_be_canceled_is_sent_as_it_would_have_been() {
    assert_whole("queued", |q| {
        fresh(q, true);
        let id = q.enqueue(Lane::Low);
        cancel(&q.queue, id, LONG)
    });
    assert_whole("scheduled", |q| {
        fresh(q, true);
        let id = q.enqueue_due(Lane::Normal, later());
        cancel(&q.queue, id, LONG)
    });
    assert_whole("delayed", |q| {
        fresh(q, false);
        let id = q.enqueue(Lane::Normal);
        let claimed = q.claim(1, LONG).remove(0).claim;
        q.finish(claimed, delayed(LONG));
        cancel(&q.queue, id, LONG)
    });
}

#[test]
fn an_email_that_cannot_be_moved_keeps_its_time() {
    assert_whole("reschedule", |q| {
        fresh(q, true);
        let id = q.enqueue_due(Lane::Normal, later());
        reschedule(&q.queue, id, later().unwrap() + LONG)
    });
}

#[test]
fn what_cannot_be_counted_or_kept_is_not() {
    let allowance = Allowance { requests: 10, within: LONG };
    for requests in [1, 20] {
        assert_whole("throttle", |q| {
            fresh(q, false);
            throttle(&q.queue, "client", allowance, requests)
        });
    }
    assert_whole("secret", |q| {
        fresh(q, false);
        secret(&q.queue, [7; SECRET_BYTES])
    });
}

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
    let outcomes = [Outcome::Sent, delayed(LONG), held(LONG), returned(), failed("550 no"), scheduled()];
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
            let finished: Vec<_> = claimed
                .iter()
                .map(|claimed| Finish { claim: claimed.claim, outcome: outcome.clone(), progress: progress.clone() })
                .collect();
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
                Outcome::Held { .. } => (State::Delayed, 0),
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
            (ids, Box::new(sweep_it))
        }),
        ("of a dead worker", |q| {
            let (ids, _) = (q.enqueue_many(3), claims(q, Duration::ZERO));
            (ids, Box::new(sweep_it))
        }),
        ("popped", |q| {
            let ids = q.enqueue_many(3);
            q.redis::<()>("DEL emails");
            q.sweep(eager());
            (ids, Box::new(sweep_it))
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
                q.sweep(eager());
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

fn sweep_it(q: &TestQueue) {
    // The turn may be somebody else's for a moment.
    for _ in 0..3 {
        drop(q.try_run(&sweep(&q.queue, eager())));
        std::thread::sleep(Duration::from_millis(2));
    }
}
