//! Checks Redis at the start, and warns of settings with which it may lose emails.

use std::{collections::HashMap, time::Duration};

use email_queue::{
    Shard,
    call::{Call, CallError, ping},
    setup::{KNOWN_VERSION, mark_version, set_default_sender},
};
use jiff::Timestamp;
use redis::{Cmd, FromRedisValue};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{
    nodes::Node, queue_client::QueueClient, run_error::RunError, served_shard::ServedShard,
    shared_connection::SharedConnection,
};

/// `RPOP` takes several entries at once as of this version
/// ([RPOP](https://redis.io/docs/latest/commands/rpop/)).
const OLDEST: (u32, u32) = (6, 2);

/// The pause before a shard that Redis refuses is checked again.
const AGAIN: Duration = Duration::from_secs(10);

/// Waits for Redis, reads its settings, and warns of those with which emails may be lost. Managed services may not show them;
/// then there is no warning. In shard 0 it then lets the API show the default sender. Does nothing more when `stop` comes first.
///
/// # Errors
/// Redis refuses, and would refuse again, or is too old; or the queue is of a version that this worker cannot read, or cannot be
/// in a cluster.
pub(crate) async fn check(shard: &ServedShard, stop: &CancellationToken) -> Result<(), RunError> {
    let client = &shard.client;
    if persist(client, &ping(), stop).await?.is_none() {
        return Ok(());
    }
    check_node(shard).await?;
    client.redis.warn_of_wrong_types().await;
    let Some(found) = persist(client, &mark_version(&client.queue), stop).await? else { return Ok(()) };
    if found != KNOWN_VERSION {
        let queue = client.queue.name().to_owned();
        return Err(RunError::OtherVersion { queue, found: found.chars().take(20).collect() });
    }
    // In a cluster it may be another one now.
    check_node(shard).await?;
    let node = client.redis.route().node();
    if let Some((seconds, microseconds)) = ask::<(i64, i64)>(&node.small, &redis::cmd("TIME")).await
        && let Ok(now) = Timestamp::from_microsecond(seconds.saturating_mul(1_000_000).saturating_add(microseconds))
    {
        shard.clock.set(now);
    }
    if shard.shard == Shard::FIRST {
        announce_default_sender(shard).await;
    }
    shard.checked.cancel();
    Ok(())
}

/// Lets the API show who sends emails without a sender. If it fails, the API shows the built-in sender.
async fn announce_default_sender(shard: &ServedShard) {
    let QueueClient { queue, redis, .. } = &shard.client;
    if let Err(error) = set_default_sender(queue, &shard.shared.config.default_from).run(redis).await {
        tracing::debug!(%error, "the default sender cannot be announced");
    }
}

/// Waits until a shard is checked that did not answer when the worker started, however long that takes. False when `stop` comes
/// first. Redis may refuse it: the other shards are served meanwhile.
pub(crate) async fn check_late(shard: &ServedShard, stop: &CancellationToken) -> bool {
    while !shard.checked.is_cancelled() {
        let queue = shard.client.queue.name();
        match check(shard, stop).await {
            _ if stop.is_cancelled() => return false,
            Ok(()) => tracing::info!(queue, "this shard is served now"),
            Err(error) => {
                tracing::error!(
                    queue,
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "this shard cannot be served"
                );
                tokio::select! {
                    () = sleep(AGAIN) => {}
                    () = stop.cancelled() => return false,
                }
            }
        }
    }
    true
}

/// Checks the node of a shard, if no other shard has led there before.
async fn check_node(shard: &ServedShard) -> Result<(), RunError> {
    let (nodes, queue) = (&shard.shared.nodes, shard.client.queue.name());
    let node: &Node = &shard.client.redis.route().node();
    if nodes.is_new(node) {
        let settings = settings(&node.small).await;
        if let Some(version) = settings.version.as_deref().filter(|version| is_too_old(version)) {
            return Err(RunError::TooOld(version.to_owned()));
        }
        for warning in warnings(&settings) {
            tracing::warn!(redis = %node, "{warning}");
        }
        if settings.mode.as_deref() == Some("cluster") {
            nodes.learn_from(node).await;
        }
    }
    if nodes.are_a_cluster() && !has_one_slot(queue) {
        return Err(RunError::NoSlot(queue.to_owned()));
    }
    Ok(())
}

/// Whether all keys of a queue are in one slot of a cluster
/// ([hash tags](https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags)).
fn has_one_slot(queue: &str) -> bool {
    let tag = queue.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    tag.is_some_and(|(tag, _)| !tag.is_empty())
}

/// The reply of Redis, however long it is unreachable before; `None` when `stop` comes first.
async fn persist<T>(client: &QueueClient, call: &Call<T>, stop: &CancellationToken) -> Result<Option<T>, RunError> {
    match client.redis.persist(call, stop).await.transpose() {
        Ok(answered) => Ok(answered.map(|answered| answered.answer)),
        Err(CallError::Redis(error)) => Err(RunError::Refused(error)),
        Err(CallError::Answer(_) | CallError::NotReplicated(_)) => Err(RunError::NoRedis),
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
    /// `standalone`, `cluster` or `sentinel`.
    mode: Option<String>,
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
        settings.mode = field(&server, "redis_mode");
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
            mode: Some("standalone".to_owned()),
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
    fn the_keys_of_a_queue_are_in_one_slot_if_its_name_has_a_part_in_braces() {
        for (queue, expected) in
            [("{emails}", true), ("{emails:1}", true), ("a{b}c", true), ("emails", false), ("{}", false), ("{a", false)]
        {
            assert_eq!(has_one_slot(queue), expected, "{queue}");
        }
    }

    #[test]
    fn a_field_of_info_is_the_rest_of_its_line() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:standalone\r\n";
        assert_eq!(field(info, "redis_version").as_deref(), Some("7.0.15"));
        assert_eq!(field(info, "redis"), None);
    }
}
