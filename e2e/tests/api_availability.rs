//! The API while Redis is unreachable, silent, full or loading; it recovers by itself.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

use e2e::{Answer, Api, Worker};
use serde_json::{Value, json};
use testkit::{DEADLINE, RedisServer, TcpProxy, eventually};
use tokio::{task::JoinSet, time::timeout};

/// The longest time for an answer while Redis is unreachable.
const PROMPT: Duration = Duration::from_secs(5);

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

async fn post(api: &Api) -> Answer {
    api.post(&json!({"to": "a@b.example", "message": "hi"})).await
}

/// Whatever needs Redis is refused in time, and what does not is served.
async fn assert_unavailable(api: &Api, case: &str) {
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (method, path) in [("POST", "/emails"), ("GET", &format!("/emails/{id}")), ("GET", "/readyz")] {
        let asked = Instant::now();
        let json = [("content-type", "application/json")];
        let refused = api.request(method, path, &json, r#"{"to": "a@b.example", "message": "hi"}"#).await;
        let took = asked.elapsed();
        refused.assert_refused(&format!("{case}: {method} {path}"), 503, "service_unavailable", "queue");
        assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0), "{refused:?}");
        assert!(took < PROMPT, "{case}: {method} {path} took {took:?}");
    }
    assert_eq!(api.request("GET", "/healthz", &[], "").await.status, 200, "{case}");
}

async fn assert_not_ready(api: &Api, why: &str) {
    let answer = api.request("GET", "/readyz", &[], "").await;
    answer.assert_refused(&format!("ready? it {why}"), 503, "service_unavailable", why);
}

async fn assert_recovers(api: &Api) {
    eventually(DEADLINE, "an accepted email", async || post(api).await.status == 200).await;
    assert_eq!(api.request("GET", "/readyz", &[], "").await.json, json!({"status": "ready"}));
}

#[tokio::test]
async fn redis_killed_is_a_503_until_it_is_back() {
    let mut redis = redis();
    let api = Api::start(&redis).await;
    assert_recovers(&api).await;
    redis.kill_now();
    assert_unavailable(&api, "killed").await;
    redis.start_again();
    assert_recovers(&api).await;
}

#[tokio::test]
async fn the_api_starts_and_lives_without_redis() {
    let mut redis = redis();
    redis.kill_now();
    let api = Api::start(&redis).await;
    let health = api.request("GET", "/healthz", &[], "").await;
    assert_eq!((health.status, health.json), (200, json!({"status": "ok"})));
    assert_unavailable(&api, "never there").await;
    redis.start_again();
    assert_recovers(&api).await;
}

/// Under WASI 0.2 nothing can be done from inside while the host waits for Redis, and it waits for ever.
async fn assert_waits(api: &Api, case: &str) {
    assert!(timeout(PROMPT, post(api)).await.is_err(), "{case}: the host has become kinder");
    assert_eq!(api.request("GET", "/healthz", &[], "").await.status, 200, "{case}");
}

#[tokio::test]
async fn redis_frozen_is_a_503_under_wasi_0_3_and_a_wait_under_wasi_0_2_until_it_thaws() {
    let redis = redis();
    let api = Api::start(&redis).await;
    redis.freeze();
    if Api::waits_for_redis() {
        assert_waits(&api, "frozen").await;
    } else {
        assert_unavailable(&api, "frozen").await;
    }
    redis.thaw();
    assert_recovers(&api).await;
}

#[tokio::test]
async fn redis_behind_a_silent_network_is_a_503_under_wasi_0_3_and_a_wait_under_wasi_0_2_until_it_speaks() {
    let redis = redis();
    let proxy = TcpProxy::start(redis.address()).await;
    let api = Api::start_with(&redis.url_through(proxy.address()), &[]).await;
    assert_recovers(&api).await;
    proxy.silence();
    if Api::waits_for_redis() {
        assert_waits(&api, "silent").await;
    } else {
        assert_unavailable(&api, "silent").await;
    }
    proxy.heal();
    assert_recovers(&api).await;
}

#[tokio::test]
async fn redis_out_of_memory_is_a_503_and_nothing_is_half_stored() {
    let redis = RedisServer::builder().without_persistence().setting("maxmemory-policy", "noeviction").start();
    let api = Api::start(&redis).await;
    let mut connection = redis.connection();
    let mut set_memory = |bytes: u32| {
        redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(bytes).exec(&mut connection).unwrap();
    };
    set_memory(1);
    // Twice: the script itself may have been loaded by the first.
    for _ in 0..2 {
        let refused = post(&api).await;
        refused.assert_refused("out of memory", 503, "service_unavailable", "queue's Redis is full");
        assert!(!refused.header("retry-after").is_empty());
        assert_not_ready(&api, "is full").await;
    }
    set_memory(0);
    assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut redis.connection()).unwrap(), 0);
    assert_recovers(&api).await;
}

#[tokio::test]
async fn redis_that_may_only_be_read_is_a_503_and_emails_can_still_be_read() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let id = post(&api).await.text("id").to_owned();
    let mut connection = redis.connection();
    redis::cmd("REPLICAOF").arg("127.0.0.1").arg(1).exec(&mut connection).unwrap();
    post(&api).await.assert_refused("a replica", 503, "service_unavailable", "is a replica");
    assert_not_ready(&api, "is a replica").await;
    assert_eq!(api.get(&id).await.status, 200);
    redis::cmd("REPLICAOF").arg("NO").arg("ONE").exec(&mut connection).unwrap();
    assert_recovers(&api).await;
}

#[tokio::test]
async fn a_redis_that_was_emptied_or_forgot_the_scripts_is_no_trouble() {
    let redis = redis();
    let api = Api::start(&redis).await;
    assert_eq!(post(&api).await.status, 200);
    redis::cmd("SCRIPT").arg("FLUSH").exec(&mut redis.connection()).unwrap();
    assert_eq!(post(&api).await.status, 200);
    redis::cmd("FLUSHALL").exec(&mut redis.connection()).unwrap();
    assert_eq!(post(&api).await.status, 200);
}

#[tokio::test]
async fn a_key_of_another_type_under_the_name_of_the_queue_is_a_503() {
    let redis = redis();
    let api = Api::start(&redis).await;
    redis::cmd("SET").arg("emails").arg("not a list").exec(&mut redis.connection()).unwrap();
    post(&api).await.assert_refused("a string", 503, "service_unavailable", "key of the queue");
    assert_not_ready(&api, "key of the queue").await;
    redis::cmd("DEL").arg("emails").exec(&mut redis.connection()).unwrap();
    assert_recovers(&api).await;
}

#[tokio::test]
async fn a_queue_of_another_version_is_a_503_that_says_so() {
    let redis = redis();
    let api = Api::start(&redis).await;
    assert_recovers(&api).await;
    redis::cmd("SET").arg("emails:version").arg("2").exec(&mut redis.connection()).unwrap();
    assert_unavailable(&api, "another version").await;
    assert_not_ready(&api, "of another version than this API").await;
    assert_eq!(redis::cmd("LLEN").arg("emails").query::<usize>(&mut redis.connection()).unwrap(), 1);
    redis::cmd("DEL").arg("emails:version").exec(&mut redis.connection()).unwrap();
    assert_recovers(&api).await;
}

#[tokio::test]
async fn a_full_backlog_is_a_429_that_says_when_to_try_again() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("backlog_limit", "3")]).await;
    let scheduled = json!({"to": "a@b.example", "message": "hi", "scheduled_at": "in 1 hour"});
    let low = json!({"to": "a@b.example", "message": "hi", "priority": "low"});
    api.accept(&scheduled).await;
    api.accept(&low).await;
    assert_eq!(post(&api).await.status, 200);
    let keys = || redis::cmd("DBSIZE").query::<usize>(&mut redis.connection()).unwrap();
    let before = keys();
    for email in [&scheduled, &low, &json!({"to": "a@b.example", "message": "hi", "priority": "high"})] {
        let refused = api.post(email).await;
        refused.assert_refused("backlog", 429, "rate_limit_exceeded", "waiting");
        assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
        assert_eq!((refused.header("ratelimit-limit"), refused.header("ratelimit-remaining")), ("3", "0"));
        assert!(refused.header("ratelimit-reset").parse::<u32>().is_ok());
    }
    assert_eq!(keys(), before, "a refused email left something behind");
    let outbox = tempfile::tempdir().unwrap();
    let _worker = Worker::ready(&redis.url(), &format!("file:{}", outbox.path().display()), &[]).await;
    assert_recovers(&api).await;
}

#[tokio::test]
async fn where_bytes_are_limited_what_was_sent_gives_way_and_then_a_429_says_why() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("backlog_bytes", "100000")]).await;
    let email = |subject: &str, bytes: usize| {
        json!({
            "from": "a@b.example", "to": "a@b.example", "subject": subject, "tags": [{"name": "n", "value": "v"}],
            "text": "x".repeat(bytes), "attachments": [{"filename": "a", "content": "YQ=="}],
        })
    };
    let outbox = tempfile::tempdir().unwrap();
    let worker = Worker::ready(&redis.url(), &format!("file:{}", outbox.path().display()), &[]).await;
    let mut ids = Vec::new();
    for nth in 0..5 {
        let id = api.accept(&email(&format!("subject {nth}"), 30_000)).await;
        eventually(DEADLINE, "the email to be sent", async || api.last_event(&id).await == "sent").await;
        ids.push(id);
    }
    let first = api.get(&ids[0]).await;
    assert_eq!((first.text("subject"), first.text("last_event")), ("subject 0", "sent"));
    assert_eq!(first.json["tags"], json!([{"name": "n", "value": "v"}]));
    assert_eq!((&first.json["text"], &first.json["content_removed"]), (&Value::Null, &json!(true)));
    let files = api.request("GET", &format!("/emails/{}/attachments", ids[0]), &[], "").await;
    files.assert_refused("files that were removed", 404, "not_found", "make room");
    let last = api.get(&ids[4]).await;
    assert_eq!((last.text("text").len(), &last.json["content_removed"]), (30_000, &Value::Null));
    let listed = api.request("GET", "/emails", &[], "").await;
    assert_eq!(listed.json["data"].as_array().map(Vec::len), Some(5));

    drop(worker);
    for _ in 0..3 {
        api.accept(&email("waits", 30_000)).await;
    }
    let refused = api.post(&email("too much", 30_000)).await;
    refused.assert_refused("bytes", 429, "rate_limit_exceeded", "`backlog_bytes` allows 100000");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds > 0));
    api.accept(&email("small", 10)).await;
    let _worker = Worker::ready(&redis.url(), &format!("file:{}", outbox.path().display()), &[]).await;
    let accepted = async || api.post(&email("no longer too much", 30_000)).await.status == 200;
    eventually(DEADLINE, "room to be made", accepted).await;
}

#[tokio::test]
async fn in_a_redis_that_is_full_what_was_sent_gives_way() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let outbox = tempfile::tempdir().unwrap();
    let _worker = Worker::ready(&redis.url(), &format!("file:{}", outbox.path().display()), &[]).await;
    let large = json!({"to": "a@b.example", "message": "x".repeat(4_000_000)});
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.push(api.accept(&large).await);
    }
    let last = ids[4].clone();
    eventually(DEADLINE, "the emails to be sent", async || api.last_event(&last).await == "sent").await;
    let mut connection = redis.connection();
    let info: String = redis::cmd("INFO").arg("memory").query(&mut connection).unwrap();
    let used = info.lines().find_map(|line| line.strip_prefix("used_memory:")).unwrap();
    redis::cmd("CONFIG").arg("SET").arg("maxmemory").arg(used).exec(&mut connection).unwrap();
    assert_eq!(api.request("GET", "/readyz", &[], "").await.status, 200, "there is room to be made");
    api.accept(&json!({"to": "a@b.example", "message": "small"})).await;
    assert_eq!(api.get(&ids[0]).await.json["content_removed"], json!(true));
    assert_eq!(api.get(&ids[4]).await.json["content_removed"], Value::Null, "no more is removed than it takes");
}

#[tokio::test]
async fn many_requests_at_once_that_find_no_room_share_what_is_made_for_them() {
    const LIMIT: usize = 1_000_000;
    let redis = redis();
    let api = Arc::new(Api::start_with(&redis.url(), &[("backlog_bytes", &LIMIT.to_string())]).await);
    let later = |bytes: usize| json!({"to": "a@b.example", "message": "x".repeat(bytes), "scheduled_at": "in 1 hour"});
    let stored =
        || -> usize { redis::cmd("HGET").arg("emails:waiting").arg("bytes").query(&mut redis.connection()).unwrap() };
    // Four that have ended, a part of whose texts is enough for all that follow.
    let mut ended = Vec::new();
    for _ in 0..4 {
        let id = api.accept(&later(100_000)).await;
        assert_eq!(api.request("POST", &format!("/emails/{id}/cancel"), &[], "").await.status, 200);
        ended.push(id);
    }
    api.accept(&later(LIMIT - stored() - 500)).await;
    let mut posts = JoinSet::new();
    for _ in 0..8 {
        let (api, email) = (Arc::clone(&api), later(1_000));
        posts.spawn(async move { api.post(&email).await.status });
    }
    assert_eq!(posts.join_all().await, [200; 8]);
    assert!(stored() <= LIMIT, "{}", stored());
    let mut removed = 0;
    for id in &ended {
        removed += usize::from(api.get(id).await.json["content_removed"] == json!(true));
    }
    assert_eq!(removed, 1, "no more is removed than it takes");
}

#[tokio::test]
async fn of_many_requests_at_once_a_backlog_takes_as_many_as_it_has_room_for() {
    const ROOM: usize = 25;
    let redis = redis();
    let api = Arc::new(Api::start_with(&redis.url(), &[("backlog_limit", &ROOM.to_string())]).await);
    let mut posts = JoinSet::new();
    for _ in 0..3 * ROOM {
        let api = Arc::clone(&api);
        posts.spawn(async move { post(&api).await });
    }
    let answers = posts.join_all().await;
    let with = |status| answers.iter().filter(|answer| answer.status == status).collect::<Vec<_>>();
    assert_eq!((with(200).len(), with(429).len()), (ROOM, 2 * ROOM));
    let ids: BTreeSet<_> = with(200).iter().map(|answer| answer.text("id").to_owned()).collect();
    let listed: Vec<String> = redis::cmd("LRANGE").arg(&["emails", "0", "-1"]).query(&mut redis.connection()).unwrap();
    assert_eq!((listed.len(), listed.into_iter().collect::<BTreeSet<_>>()), (ROOM, ids));
}
