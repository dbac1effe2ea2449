//! Checks Redis at the start, and warns of settings with which it may lose emails.

use std::collections::HashMap;

use email_queue::{
    call::{Call, CallError, ping},
    setup::{KNOWN_VERSION, mark_version},
};
use jiff::Timestamp;
use redis::{Cmd, FromRedisValue};
use tokio_util::sync::CancellationToken;

use crate::{run_error::RunError, shared::Shared, shared_connection::SharedConnection};

/// `RPOP` takes several entries at once as of this version
/// ([RPOP](https://redis.io/docs/latest/commands/rpop/)).
const OLDEST: (u32, u32) = (6, 2);

/// Waits for Redis, reads its settings, and warns of those with which emails may be lost. Managed services may not show them;
/// then there is no warning.
///
/// # Errors
/// Redis refuses, and would refuse again, or is too old; or the queue is of a version that this worker cannot read.
pub(crate) async fn check(shared: &Shared, stop: &CancellationToken) -> Result<(), RunError> {
    persist(shared, &ping(), stop).await?;
    let settings = settings(&shared.client.redis).await;
    if let Some(version) = settings.version.as_deref().filter(|version| is_too_old(version)) {
        return Err(RunError::TooOld(version.to_owned()));
    }
    for warning in warnings(&settings) {
        tracing::warn!("{warning}");
    }
    if let Some((seconds, microseconds)) = ask::<(i64, i64)>(&shared.client.redis, &redis::cmd("TIME")).await
        && let Ok(now) = Timestamp::from_microsecond(seconds.saturating_mul(1_000_000).saturating_add(microseconds))
    {
        shared.clock.set(now);
    }
    warn_of_wrong_types(shared).await;
    let queue = &shared.client.queue;
    match persist(shared, &mark_version(queue), stop).await? {
        Some(found) if found != KNOWN_VERSION => {
            Err(RunError::OtherVersion { queue: queue.name().to_owned(), found: found.chars().take(20).collect() })
        }
        _ => Ok(()),
    }
}

/// The reply of Redis, however long it is unreachable before; `None` when `stop` comes first.
async fn persist<T>(shared: &Shared, call: &Call<T>, stop: &CancellationToken) -> Result<Option<T>, RunError> {
    match shared.client.redis.persist(call, stop).await.transpose() {
        Ok(answered) => Ok(answered.map(|answered| answered.answer)),
        Err(CallError::Redis(error)) => Err(RunError::Refused(error)),
        Err(CallError::Answer(_) | CallError::NotReplicated(_)) => Err(RunError::NoRedis),
    }
}

/// Warns of keys of the queue that have another type than the queue gives them.
pub(crate) async fn warn_of_wrong_types(shared: &Shared) {
    for (key, expected) in shared.client.queue.types() {
        let Some(found) = ask::<String>(&shared.client.redis, redis::cmd("TYPE").arg(&key)).await else { continue };
        if found != "none" && found != expected {
            tracing::warn!(
                key,
                "this key of the queue holds the wrong kind of value: a {found}, where a {expected} is needed; remove or \
                 rename it, or give the queue another name"
            );
        }
    }
}

fn is_too_old(version: &str) -> bool {
    let mut numbers = version.split('.').map_while(|number| number.parse::<u32>().ok());
    numbers.next().is_some_and(|major| (major, numbers.next().unwrap_or(0)) < OLDEST)
}

/// The settings of Redis, as far as it shows them.
#[derive(Default)]
struct Settings {
    version: Option<String>,
    eviction: Option<String>,
    append_only: Option<bool>,
    snapshots: Option<bool>,
}

fn warnings(settings: &Settings) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Some(policy) = settings.eviction.as_deref()
        && policy != "noeviction"
    {
        warnings.push(format!(
            "Redis may evict emails when its memory is full: maxmemory-policy is {policy}, set it to noeviction"
        ));
    }
    match (settings.append_only, settings.snapshots) {
        (Some(false), Some(true)) => warnings.push(
            "Redis writes snapshots only: a crash loses the emails accepted since the last one; set appendonly to yes"
                .to_owned(),
        ),
        (Some(false), _) => {
            warnings.push("Redis has no persistence: a restart loses all emails; set appendonly to yes".to_owned());
        }
        _ => {}
    }
    warnings
}

async fn settings(redis: &SharedConnection) -> Settings {
    let mut settings = Settings::default();
    if let Some(server) = ask::<String>(redis, redis::cmd("INFO").arg("server")).await {
        settings.version = field(&server, "redis_version");
    }
    if let Some(memory) = ask::<String>(redis, redis::cmd("INFO").arg("memory")).await {
        settings.eviction = field(&memory, "maxmemory_policy");
    }
    if let Some(persistence) = ask::<String>(redis, redis::cmd("INFO").arg("persistence")).await {
        settings.append_only = field(&persistence, "aof_enabled").map(|enabled| enabled == "1");
    }
    if let Some(config) = ask::<HashMap<String, String>>(redis, redis::cmd("CONFIG").arg("GET").arg("save")).await {
        settings.snapshots = config.get("save").map(|save| !save.is_empty());
    }
    settings
}

async fn ask<T: FromRedisValue>(redis: &SharedConnection, command: &Cmd) -> Option<T> {
    let answer = redis.query(command).await.and_then(|value| Ok(T::from_redis_value(value)?));
    answer.inspect_err(|error| tracing::debug!(%error, "Redis does not show a setting")).ok()
}

/// A line `name:value` of an answer to `INFO`.
fn field(info: &str, name: &str) -> Option<String> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(|value| value.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn safe() -> Settings {
        Settings {
            version: Some("7.0.15".to_owned()),
            eviction: Some("noeviction".to_owned()),
            append_only: Some(true),
            snapshots: Some(false),
        }
    }

    #[track_caller]
    fn check(settings: Settings, expected: &str) {
        let warnings = warnings(&settings);
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains(expected), "{warnings:?}");
    }

    #[test]
    fn a_safe_redis_and_one_that_tells_nothing_cause_no_warning() {
        assert!(warnings(&safe()).is_empty());
        assert!(warnings(&Settings::default()).is_empty());
    }

    #[test]
    fn each_danger_is_named_with_the_way_out() {
        check(Settings { eviction: Some("allkeys-lru".to_owned()), ..safe() }, "set it to noeviction");
        check(Settings { append_only: Some(false), ..safe() }, "no persistence");
        check(Settings { append_only: Some(false), snapshots: Some(true), ..safe() }, "snapshots only");
    }

    #[test]
    fn a_redis_before_6_2_is_too_old() {
        for old in ["5.0.7", "6.0.16", "6.1.240", "2.8"] {
            assert!(is_too_old(old), "{old}");
        }
        for new in ["6.2.0", "6.2.14", "7.0.15", "8", "255.255.255", "unstable", ""] {
            assert!(!is_too_old(new), "{new}");
        }
    }

    #[test]
    fn a_field_of_info_is_the_rest_of_its_line() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(field(info, "redis_version").as_deref(), Some("7.0.15"));
        assert_eq!(field(info, "redis"), None);
    }
}
