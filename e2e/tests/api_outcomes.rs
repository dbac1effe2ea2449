//! A 503 says that nothing was done, or that the outcome is unknown.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Answer, Api, Worker};
use serde_json::{Value, json};
use testkit::{RedisServer, SmtpServer, TcpProxy};

const JSON: (&str, &str) = ("content-type", "application/json");

fn email(subject: &str) -> Value {
    json!({"to": "a@b.example", "subject": subject, "text": "hi"})
}

fn later() -> Value {
    json!({"to": "a@b.example", "message": "hi", "scheduled_at": "in 1 hour"})
}

async fn batch(api: &Api, emails: &[Value]) -> Answer {
    api.request("POST", "/emails/batch", &[JSON], json!(emails).to_string()).await
}

async fn cancel(api: &Api, id: &str) -> Answer {
    api.request("POST", &format!("/emails/{id}/cancel"), &[], "").await
}

async fn reschedule(api: &Api, id: &str) -> Answer {
    api.request("PATCH", &format!("/emails/{id}"), &[JSON], r#"{"scheduled_at": "in 2 hours"}"#).await
}

/// All that Redis has of a queue, but for how long it has it.
fn everything(redis: &RedisServer) -> Vec<(String, Vec<u8>)> {
    let mut connection = redis.connection();
    let mut keys: Vec<String> = redis::cmd("KEYS").arg("emails*").query(&mut connection).unwrap();
    keys.sort();
    let dump = |key: String| (redis::cmd("DUMP").arg(&key).query(&mut connection).unwrap(), key);
    keys.into_iter().map(dump).map(|(dump, key)| (key, dump)).collect()
}

#[tokio::test]
async fn after_an_error_of_redis_nothing_was_accepted_or_changed() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let mut operator = redis.connection();
    for key in ["totals", "waiting", "waiting:normal", "scheduled", "finished", ""] {
        let key = format!("emails:{key}").trim_end_matches(':').to_owned();
        let ids = [api.accept(&later()).await, api.accept(&later()).await];
        let kept: Option<Vec<u8>> = redis::cmd("DUMP").arg(&key).query(&mut operator).unwrap();
        redis::cmd("SET").arg(&key).arg("something else").exec(&mut operator).unwrap();
        let mut refused = 0;
        let ready = api.request("GET", "/readyz", &[], "").await.status;
        for request in ["post", "batch", "reschedule", "cancel"] {
            let before = everything(&redis);
            let answer = match request {
                "post" => api.post(&email("refused")).await,
                "batch" => batch(&api, &[email("refused"), later()]).await,
                "reschedule" => reschedule(&api, &ids[0]).await,
                _ => cancel(&api, &ids[1]).await,
            };
            let case = format!("{request}, {key}");
            if request == "post" {
                assert_eq!(ready, answer.status, "{key}: ready means that an email would be accepted");
            }
            if answer.status == 200 {
                continue;
            }
            refused += 1;
            answer.assert_refused(&case, 503, "service_unavailable", "Nothing was accepted or changed");
            answer.assert_refused(&case, 503, "service_unavailable", "key of the queue");
            assert!(!answer.header("retry-after").is_empty(), "{case}");
            assert_eq!(everything(&redis), before, "{case}");
        }
        assert!(refused > 0, "{key} is of no use");
        redis::cmd("DEL").arg(&key).exec(&mut operator).unwrap();
        if let Some(kept) = kept {
            redis::cmd("RESTORE").arg(&key).arg(0).arg(kept).exec(&mut operator).unwrap();
        }
    }
}

#[tokio::test]
async fn a_refused_email_is_not_sent_when_redis_is_well_again() {
    let redis = RedisServer::builder().without_persistence().start();
    let (api, smtp) = (Api::start(&redis).await, SmtpServer::start().await);
    let mut operator = redis.connection();
    for _ in 0..3 {
        redis::cmd("SET").arg("emails:totals").arg("x").exec(&mut operator).unwrap();
        api.post(&email("refused")).await.assert_refused("totals", 503, "service_unavailable", "Nothing was accepted");
        redis::cmd("DEL").arg("emails:totals").exec(&mut operator).unwrap();
    }
    let good = api.accept(&email("accepted")).await;
    let _worker = Worker::ready(&redis.url(), &smtp.url(), &["--drain"]).await;
    let sent = smtp.wait_for(1).await;
    assert_eq!(sent.len(), 1);
    assert!(String::from_utf8_lossy(&sent[0].data).contains(&good));
}

#[tokio::test]
async fn an_api_that_may_not_count_accepts_nothing() {
    let redis = RedisServer::builder().without_persistence().start();
    let mut operator = redis.connection();
    let rights = ["on", ">secret", "~*", "+@all", "-hincrby"];
    redis::cmd("ACL").arg("SETUSER").arg("api").arg(&rights).exec(&mut operator).unwrap();
    let url = redis.url().replace("redis://", "redis://api:secret@");
    let api = Api::start_with(&url, &[]).await;
    for answer in [api.post(&email("refused")).await, batch(&api, &[email("refused"), later()]).await] {
        answer.assert_refused("without HINCRBY", 503, "service_unavailable", "Nothing was accepted");
    }
    assert_eq!(everything(&redis), []);
}

/// Sends a request whose answer from Redis is lost. Under WASI 0.2 the host waits until the connection is gone as well.
async fn with_a_lost_answer(proxy: &TcpProxy, request: impl Future<Output = Answer>) -> Answer {
    // The list that a script replies with, and not what a new connection begins with.
    proxy.silence_when_server_sends(|piece| piece.starts_with(b"*"));
    let cut = async {
        proxy.silenced().await;
        if Api::waits_for_redis() {
            proxy.heal();
            proxy.cut();
        }
    };
    let answer = tokio::join!(request, cut).0;
    proxy.heal();
    proxy.cut();
    answer
}

#[tokio::test]
async fn where_no_answer_came_the_outcome_is_not_known_and_the_answer_says_how_to_go_on() {
    let redis = RedisServer::builder().without_persistence().start();
    let proxy = TcpProxy::start(redis.address()).await;
    let api = Api::start_with(&redis.url_through(proxy.address()), &[]).await;
    // Loads the scripts into Redis.
    let [moved, canceled, other] = [api.accept(&later()).await, api.accept(&later()).await, api.accept(&later()).await];
    assert_eq!((reschedule(&api, &moved).await.status, cancel(&api, &other).await.status), (200, 200));

    for (case, answer) in [
        ("post", with_a_lost_answer(&proxy, api.post(&later())).await),
        ("batch", with_a_lost_answer(&proxy, batch(&api, &[later()])).await),
        ("reschedule", with_a_lost_answer(&proxy, reschedule(&api, &moved)).await),
        ("cancel", with_a_lost_answer(&proxy, cancel(&api, &canceled)).await),
    ] {
        answer.assert_refused(case, 503, "service_unavailable", "not known");
        answer.assert_refused(case, 503, "service_unavailable", "Idempotency-Key");
        assert!(!answer.text("message").contains("Nothing"), "{case}: {}", answer.json);
    }
    // Here it was done.
    assert_eq!(api.last_event(&canceled).await, "canceled");
    // A command that was never sent was not executed. Whether a kept connection broke before or after the command is
    // unknown.
    proxy.cut();
    drop(proxy);
    api.post(&later()).await.assert_refused("cut", 503, "service_unavailable", "queue");
    api.post(&later()).await.assert_refused("no connection", 503, "service_unavailable", "Nothing was accepted");
}
