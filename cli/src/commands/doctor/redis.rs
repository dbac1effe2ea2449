//! Redis: whether it can be reached, keeps what it has accepted, and has room.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use ::redis::FromRedisValue;
use email_queue::{EmailId, query, transition};
use jiff::Timestamp;

use super::finding::Finding;
use crate::{advice, context::Context, output::time::length, redis_client::Unanswered};

pub(super) const REACHED: &str = "redis";

/// The oldest version that the tests run on.
const OLDEST: (u32, u32) = (6, 2);

const PINGS: usize = 10;

pub(super) async fn check(context: &Context) -> Vec<Finding> {
    let info = match ask::<String>(context, &["INFO"]).await {
        Ok(info) => info,
        Err(error) if error.is_unreachable() => return vec![unreachable(error)],
        // The user may not ask.
        Err(_) => String::new(),
    };
    let info: HashMap<_, _> = info.lines().filter_map(|line| line.split_once(':')).collect();
    let mut findings = vec![];
    match may_use(context).await {
        Err(error) if error.is_unreachable() => return vec![unreachable(error)],
        Err(error) => findings.push(refused(error)),
        Ok(()) => findings.push(Finding::good(REACHED, format!("Redis at {} answers", context.redis.server()))),
    }
    if info.is_empty() {
        let way_out = "let it run INFO and CONFIG GET, as the user for emailq of deploy/redis/users.acl";
        findings.push(Finding::warning("redis-info", "the user may not see how Redis is set up", way_out));
        return findings;
    }
    let number = |name: &str| info.get(name).and_then(|value| value.parse::<u64>().ok());
    findings.extend([version(&info), role(&info), persistence(context, &info).await, eviction(context, &info).await]);
    findings.push(memory(number("used_memory").unwrap_or(0), number("maxmemory").unwrap_or(0)));
    findings.extend(latency(context).await);
    findings.extend(clock(context).await);
    findings
}

fn unreachable(error: Unanswered) -> Finding {
    let explained = advice::explained(&error.into());
    let (what, way_out) = explained.split_once("\n  ").unwrap_or((&explained, "read the message"));
    Finding::fault(REACHED, what, way_out)
}

/// What Redis refuses, with the way out.
pub(super) fn refused(error: Unanswered) -> Finding {
    let explained = advice::explained(&error.into());
    let (what, way_out) = explained.split_once("\n  ").unwrap_or((&explained, "read the message"));
    Finding::fault(if advice::is_of_rights(what) { "redis-rights" } else { "redis-refuses" }, what, way_out)
}

/// Reads, and a change of an email that there is not.
async fn may_use(context: &Context) -> Result<(), Unanswered> {
    for shard in context.shards.all() {
        let queue = context.shards.queue(shard);
        context.run(&query::ready(&queue)).await?;
        context.run(&query::depth(&queue)).await?;
        context.run(&transition::retry(&queue, EmailId::new())).await?;
    }
    Ok(())
}

fn version(info: &HashMap<&str, &str>) -> Finding {
    const CHECK: &str = "redis-version";
    let (name, version) = match info.get("valkey_version") {
        Some(version) => ("Valkey", *version),
        None => ("Redis", info.get("redis_version").copied().unwrap_or("?")),
    };
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let (major, minor) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    if (major, minor) < OLDEST {
        let way_out = format!("upgrade to {}.{} or newer", OLDEST.0, OLDEST.1);
        return Finding::fault(
            CHECK,
            format!("{name} {version} is older than what this queue is tested with"),
            way_out,
        );
    }
    Finding::good(CHECK, format!("{name} {version}"))
}

fn role(info: &HashMap<&str, &str>) -> Finding {
    const CHECK: &str = "redis-role";
    match info.get("role") {
        Some(&"slave") => Finding::fault(
            CHECK,
            "this Redis is a replica, which takes no emails",
            "name the master, or the sentinels that know it: redis+sentinel://HOST,HOST/MASTER",
        ),
        _ => Finding::good(CHECK, "a master"),
    }
}

async fn persistence(context: &Context, info: &HashMap<&str, &str>) -> Finding {
    const CHECK: &str = "redis-persistence";
    let says = |name: &str, value: &str| info.get(name) == Some(&value);
    if says("aof_last_write_status", "err") || says("rdb_last_bgsave_status", "err") {
        let way_out = "look into Redis' log: the disk may be full, or the directory not writable";
        return Finding::fault(CHECK, "Redis could not write to its disk", way_out);
    }
    if says("aof_enabled", "1") {
        return Finding::good(CHECK, "each write is in the append-only file");
    }
    let way_out = "set appendonly yes: `CONFIG SET appendonly yes`, and in redis.conf (deploy/redis/redis.conf)";
    match setting(context, "save").await.as_deref() {
        Some("") => Finding::fault(CHECK, "Redis keeps nothing on disk: a restart loses all emails", way_out),
        _ => {
            Finding::warning(CHECK, "Redis only takes snapshots: a crash loses the emails since the last one", way_out)
        }
    }
}

async fn eviction(context: &Context, info: &HashMap<&str, &str>) -> Finding {
    const CHECK: &str = "redis-eviction";
    let asked = setting(context, "maxmemory-policy").await;
    let policy = asked.as_deref().or(info.get("maxmemory_policy").copied()).unwrap_or("noeviction");
    if policy == "noeviction" {
        return Finding::good(CHECK, "nothing is evicted");
    }
    let way_out = "set maxmemory-policy noeviction: `CONFIG SET maxmemory-policy noeviction`, and in redis.conf";
    Finding::fault(CHECK, format!("with maxmemory-policy {policy} Redis throws emails away when it is full"), way_out)
}

fn memory(used: u64, max: u64) -> Finding {
    const CHECK: &str = "redis-memory";
    let mib = |bytes: u64| bytes / (1024 * 1024);
    if max == 0 {
        let way_out =
            "set maxmemory below what the machine has, so that Redis refuses emails before the kernel kills it";
        return Finding::warning(CHECK, format!("{} MiB are used, without a limit", mib(used)), way_out);
    }
    let what = format!("{} of {} MiB are used", mib(used), mib(max));
    if used.saturating_mul(10) >= max.saturating_mul(9) {
        let way_out =
            "raise maxmemory, or discard emails; see `emailq stats`. At the limit no more emails are accepted";
        return Finding::fault(CHECK, what, way_out);
    }
    Finding::good(CHECK, what)
}

async fn latency(context: &Context) -> Option<Finding> {
    const CHECK: &str = "redis-latency";
    let mut took = Vec::new();
    for _ in 0..PINGS {
        let asked = Instant::now();
        ask::<String>(context, &["PING"]).await.ok()?;
        took.push(asked.elapsed());
    }
    took.sort();
    let median = took[PINGS / 2];
    let what = format!("an answer takes {:.1} ms", median.as_secs_f64() * 1000.0);
    let way_out = "run API and workers near Redis; look for slow commands with `SLOWLOG GET`, and for swapping";
    Some(match median.as_millis() {
        0..10 => Finding::good(CHECK, what),
        10..100 => Finding::warning(CHECK, what, way_out),
        _ => Finding::fault(CHECK, what, way_out),
    })
}

async fn clock(context: &Context) -> Option<Finding> {
    const CHECK: &str = "clock";
    let asked = Timestamp::now();
    let (seconds, micros) = ask::<(i64, i64)>(context, &["TIME"]).await.ok()?;
    let answered = Timestamp::now();
    let between = (asked.as_microsecond() + answered.as_microsecond()) / 2;
    let skew = Duration::from_micros(between.abs_diff(seconds * 1_000_000 + micros));
    let what = format!("the clock of this machine and that of Redis differ by {}", length(skew));
    let way_out = "let both follow NTP. The queue itself goes by Redis' clock";
    Some(match skew.as_secs() {
        0..2 => Finding::good(CHECK, what),
        2..30 => Finding::warning(CHECK, what, way_out),
        _ => Finding::fault(CHECK, what, way_out),
    })
}

async fn setting(context: &Context, name: &'static str) -> Option<String> {
    let answer: Vec<String> = ask(context, &["CONFIG", "GET", name]).await.ok()?;
    answer.into_iter().nth(1)
}

async fn ask<T: FromRedisValue>(context: &Context, words: &[&'static str]) -> Result<T, Unanswered> {
    let mut command = ::redis::cmd(words[0]);
    command.arg(&words[1..]);
    context.redis.ask(words[0], &command).await
}
