//! Scripts that fail half-way: because a key is in use for something else, or a command is not permitted.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use email_queue::{Lane, call::Call};
use jiff::Timestamp;

use super::TestQueue;

/// What a script asks of Redis.
pub const COMMANDS: &[&str] = &[
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
pub type Everything = BTreeMap<String, (String, Vec<u8>)>;

pub fn everything(q: &TestQueue) -> Everything {
    let keys: Vec<String> = q.redis("KEYS *");
    keys.into_iter().map(|key| (key.clone(), (q.redis(&format!("TYPE {key}")), dump(q, &key)))).collect()
}

pub fn dump(q: &TestQueue, key: &str) -> Vec<u8> {
    q.redis(&format!("DUMP {key}"))
}

/// Fails a call in every way that one key or one command can make it fail.
pub fn assert_whole<T: std::fmt::Debug>(case: &str, prepare: impl Fn(&TestQueue) -> Call<T>) {
    assert_whole_without(case, COMMANDS, prepare);
}

pub fn assert_whole_without<T>(case: &str, commands: &[&str], prepare: impl Fn(&TestQueue) -> Call<T>) {
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
pub fn fails_wholly(q: &TestQueue, case: &str, fails: impl Fn() -> bool) -> bool {
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
pub fn keys_of<T>(q: &TestQueue, call: &Call<T>, before: &Everything) -> Vec<(String, String)> {
    assert!(q.try_run(call).is_ok());
    let mut keys: BTreeMap<_, _> = q.queue.types().into_iter().map(|(key, kind)| (key, kind.to_owned())).collect();
    let made = everything(q);
    keys.extend(before.iter().chain(&made).map(|(key, (kind, _))| (key.clone(), kind.clone())));
    keys.into_iter().collect()
}

/// Puts everything back.
pub fn prepare_as(q: &TestQueue, before: &Everything) {
    q.redis::<()>("FLUSHALL");
    for (key, (_, dump)) in before {
        q.restore(key, dump);
    }
}

pub fn later() -> Option<Timestamp> {
    Some(Timestamp::now() + Duration::from_secs(60))
}

/// A queue with an email of each kind that waits, or with none.
pub fn fresh(q: &TestQueue, is_used: bool) {
    q.redis::<()>("FLUSHALL");
    if is_used {
        for lane in Lane::ALL {
            q.enqueue(lane);
        }
        q.enqueue_due(Lane::Normal, later());
    }
}
