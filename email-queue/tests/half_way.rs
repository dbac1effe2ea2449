//! An error of Redis means that nothing was done: a script that a client waits for and that fails half-way leaves everything as
//! it was.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use email_queue::{
    EmailId, Lane,
    call::Call,
    query::{SECRET_BYTES, secret},
    rate_limit::{Allowance, throttle},
    transition::{
        Enqueue, Enqueued, Idempotency, NewEmail, cancel, discard, enqueue, move_key, move_to_lane, pause, reschedule,
        resume, retry,
    },
};
use jiff::Timestamp;
use support::{
    EMAIL, LONG, TestQueue,
    breaking::{assert_whole, fresh, later},
    delayed,
};

fn new(lane: Lane, due: Option<Timestamp>) -> NewEmail {
    NewEmail { id: EmailId::new(), lane, due, json: EMAIL.into() }
}

fn accept(q: &TestQueue, emails: &[NewEmail], idempotency: Option<&Idempotency>) -> Call<Enqueued> {
    enqueue(
        &q.queue,
        Enqueue {
            emails,
            backlog_limit: Some(100),
            backlog_bytes: Some(1 << 40),
            retention: None,
            idempotency,
            replication: None,
        },
    )
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

fn failed(q: &TestQueue) -> EmailId {
    fresh(q, false);
    let id = q.enqueue(Lane::Normal);
    let claimed = q.claim(1, LONG).remove(0).claim;
    q.finish(claimed, support::failed("550 no"));
    id
}

#[test]
fn an_email_that_cannot_be_retried_or_discarded_stays_a_dead_letter() {
    assert_whole("retry of a dead letter", |q| retry(&q.queue, failed(q)));
    assert_whole("discard of a dead letter", |q| discard(&q.queue, failed(q)));
    assert_whole("retry of a delayed email", |q| {
        fresh(q, true);
        let id = q.enqueue(Lane::High);
        let claimed = q.claim(1, LONG).remove(0).claim;
        q.finish(claimed, delayed(LONG));
        retry(&q.queue, id)
    });
    assert_whole("discard of a queued email", |q| {
        fresh(q, true);
        discard(&q.queue, q.enqueue(Lane::Low))
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
fn an_email_that_cannot_be_moved_keeps_its_lane_and_its_place() {
    assert_whole("move of a queued email", |q| {
        fresh(q, true);
        let id = q.enqueue(Lane::Low);
        move_to_lane(&q.queue, id, Lane::High)
    });
    assert_whole("move to an empty lane", |q| {
        fresh(q, false);
        let id = q.enqueue(Lane::Normal);
        q.enqueue(Lane::Normal);
        move_to_lane(&q.queue, id, Lane::Low)
    });
    assert_whole("move of a scheduled email", |q| {
        fresh(q, true);
        let id = q.enqueue_due(Lane::Normal, later());
        move_to_lane(&q.queue, id, Lane::Low)
    });
}

#[test]
fn a_lane_that_cannot_be_paused_or_resumed_stays_as_it_is() {
    assert_whole("pause", |q| {
        fresh(q, true);
        q.run(&pause(&q.queue, &[Lane::Low]));
        pause(&q.queue, &[])
    });
    assert_whole("resume", |q| {
        fresh(q, true);
        q.run(&pause(&q.queue, &[]));
        resume(&q.queue, &[Lane::High])
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
    assert_whole("move_key", |q| {
        fresh(q, false);
        move_key(&q.queue, &Idempotency::new("client", "key", &[[0; 32]]))
    });
}
