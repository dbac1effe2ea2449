//! The keys that the scripts use are those that `Queue` documents, and every key belongs to the queue.

mod support;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use email_queue::{
    Class, EmailId, Lane, Relay,
    email::Mailbox,
    maintenance::sample,
    query::{SECRET_BYTES, secret},
    rate_limit::{Allowance, throttle},
    setup::{StartedWith, describe_worker, mark_version, set_default_sender},
    transition::{
        Enqueue, Idempotency, Outcome, PoppedEntry, enqueue, make_room, pause,
        relay::{HoldOffFor, RelayFailure, hold_off, hold_off_sender},
    },
};
use jiff::Timestamp;
use support::{LONG, TestQueue, eager, failed};

#[test]
fn every_key_in_redis_is_documented_and_every_documented_key_exists() {
    let q = TestQueue::start();
    for lane in [Lane::High, Lane::Normal, Lane::Low, Lane::Normal, Lane::Normal, Lane::Normal, Lane::Normal] {
        q.enqueue(lane);
    }
    q.enqueue_due(Lane::Normal, Some(Timestamp::now() + LONG));
    let claimed = q.claim(3, LONG);
    q.finish(claimed[1].claim, Outcome::Sent);
    q.run(&make_room(&q.queue, support::memory(1)));
    q.finish(claimed[2].claim, failed("x"));
    q.finish(q.claim(1, LONG)[0].claim, Outcome::Sent);
    q.extend(LONG, &[]);
    let idempotency = Idempotency::new("client", "key", &[[0; 32]]);
    q.run(&enqueue(&q.queue, Enqueue { emails: &[], idempotency: Some(&idempotency), ..Enqueue::default() }));
    q.run(&throttle(&q.queue, "client", Allowance { requests: 1, within: LONG }, 1));
    q.run(&secret(&q.queue, [0; SECRET_BYTES]));
    let relay = Relay::new("smtp://relay.example:25", None);
    let back_off = HoldOffFor { base: LONG, max: LONG };
    let failure = RelayFailure {
        email: claimed[0].claim.id,
        is_elsewhere: false,
        age: Duration::ZERO,
        passed: None,
        class: Class::Connection,
        error: "refused",
    };
    q.run(&hold_off(&q.queue, q.worker, &relay, failure, back_off));
    q.run(&hold_off_sender(&q.queue, &relay, "a@example.com", Class::Sender, "550 not yours", back_off));
    q.run(&mark_version(&q.queue));
    q.run(&pause(&q.queue, &[Lane::Low]));
    q.run(&set_default_sender(&q.queue, &Mailbox::built_in_sender()));
    q.enqueue(Lane::High);
    q.pop();
    q.push("emails", "{}");
    let entry = PoppedEntry { list: "emails".into(), entry: Arc::new(b"{}".to_vec()), number: 1 };
    q.claim_popped(1, LONG, Some(entry));
    q.enqueue(Lane::High);
    let relays = &[&Relay::new("smtp://relay.example:25", None)];
    let with = StartedWith { host: "host", pid: 1, version: "1", age: LONG, concurrency: 50, shards: 1, relays };
    q.run(&describe_worker(&q.queue, q.worker, LONG, with));
    let latencies = [(1, "40:2".parse().unwrap())];
    q.run(&sample(&q.queue, LONG, &latencies.into()));
    q.maintain(email_queue::maintenance::Maintenance { lock: LONG, ..eager() });

    for (key, expected) in q.queue.types() {
        assert_eq!(q.redis::<String>(&format!("TYPE {key}")), expected, "{key}");
    }
    let keys: Vec<String> = q.redis("KEYS *");
    let found: BTreeSet<_> = keys.iter().map(|key| as_documented(&key.replacen("emails", "<q>", 1))).collect();
    let documented: BTreeSet<_> = documented_keys().into_iter().collect();
    assert_eq!(found, documented);
}

/// The key with what differs from email to email replaced by what the table calls it.
fn as_documented(key: &str) -> String {
    let Some((prefix, last)) = key.rsplit_once(':') else { return key.to_owned() };
    let is_id = last.parse::<EmailId>().is_ok();
    match prefix {
        "<q>:email" | "<q>:failure" | "<q>:timeline" | "<q>:index" if is_id => format!("{prefix}:<id>"),
        "<q>:sending" | "<q>:import" | "<q>:worker" => format!("{prefix}:<worker>"),
        "<q>:idempotency" | "<q>:rate" | "<q>:relay" | "<q>:sender" => format!("{prefix}:<hash>"),
        _ if prefix.starts_with("<q>:waiting:") && last.parse::<u64>().is_ok() => {
            "<q>:waiting:<lane>:<chunk>".to_owned()
        }
        _ => key.to_owned(),
    }
}

/// The first column of the table in the documentation of `Queue`.
fn documented_keys() -> Vec<String> {
    include_str!("../src/keys.rs")
        .lines()
        .filter_map(|line| line.strip_prefix("/// | `")?.split(" | ").next())
        .flat_map(|cell| cell.split(", ").map(|key| key.trim_matches('`').to_owned()).collect::<Vec<_>>())
        .flat_map(|key| match key.strip_suffix("<lane>") {
            Some(prefix) => Lane::ALL.map(|lane| format!("{prefix}{lane}")).to_vec(),
            None => vec![key],
        })
        .collect()
}
