//! Who is served, and that others learn no secrets.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Api, HttpConnection};
use serde_json::json;
use testkit::RedisServer;

const JSON: (&str, &str) = ("content-type", "application/json");
const EMAIL: &str = r#"{"to": "a@b.example", "message": "hi"}"#;

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

#[tokio::test]
async fn with_keys_every_request_for_emails_needs_one_of_them() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("api_keys", "re_first,re_second")]).await;
    let mut path = String::new();
    for key in ["Bearer re_first", "Bearer re_second", "bearer re_first"] {
        let posted = api.request("POST", "/emails", &[JSON, ("authorization", key)], EMAIL).await;
        assert_eq!(posted.status, 200, "{key}: {}", posted.json);
        path = format!("/emails/{}", posted.text("id"));
        assert_eq!(api.request("GET", &path, &[("authorization", key)], "").await.status, 200);
    }
    for (case, headers, status, name) in [
        ("no header", vec![], 401, "missing_api_key"),
        ("another scheme", vec![("authorization", "Basic cmVfZmlyc3Q=")], 401, "missing_api_key"),
        ("no key", vec![("authorization", "Bearer ")], 401, "missing_api_key"),
        ("the key alone", vec![("authorization", "re_first")], 401, "missing_api_key"),
        ("another key", vec![("authorization", "Bearer re_third")], 403, "invalid_api_key"),
        ("part of a key", vec![("authorization", "Bearer re_firs")], 403, "invalid_api_key"),
        ("more than a key", vec![("authorization", "Bearer re_first,")], 403, "invalid_api_key"),
        ("both keys", vec![("authorization", "Bearer re_first,re_second")], 403, "invalid_api_key"),
    ] {
        for (method, path) in [("GET", path.as_str()), ("POST", "/emails")] {
            let mut headers = headers.clone();
            headers.push(JSON);
            let refused = api.request(method, path, &headers, EMAIL).await;
            refused.assert_refused(case, status, name, "API key");
            let challenge = if status == 401 { "Bearer" } else { "" };
            assert_eq!(refused.header("www-authenticate"), challenge, "{case}");
        }
    }
}

#[tokio::test]
async fn health_is_told_without_a_key() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("api_keys", "re_first")]).await;
    for path in ["/healthz", "/readyz"] {
        assert_eq!(api.request("GET", path, &[], "").await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn a_client_without_a_key_is_refused_before_it_has_sent_its_body() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("api_keys", "re_first")]).await;
    let mut connection = HttpConnection::open(&api).await;
    connection.send_head("POST", "/emails", &["Content-Type: application/json", "Content-Length: 5000000"]).await;
    connection.send(br#"{"to": "#).await;
    connection.answer().await.assert_refused("no key", 401, "missing_api_key", "API key");
}

#[tokio::test]
async fn the_component_reaches_no_other_redis_than_the_one_it_is_allowed() {
    if !Api::is_component() {
        return;
    }
    let (redis, other) = (redis(), redis());
    let host = other.address().to_string();
    let api = Api::start_with(&redis.url(), &[("redis_host", &host)]).await;
    let refused = api.request("POST", "/emails", &[JSON], EMAIL).await;
    refused.assert_refused("another host", 503, "service_unavailable", "queue");
    for redis in [redis, other] {
        assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut redis.connection()).unwrap(), 0);
    }
}

#[tokio::test]
async fn a_setting_that_cannot_be_used_is_named_and_not_shown() {
    let redis = redis();
    for variable in ["queue", "open", "default_from", "max_body_bytes", "backlog_limit", "retention"] {
        let variables = [(variable, "hunter 2")];
        if let Some(told) = Api::refusal_to_start(&redis.url(), &variables).await {
            assert!(told.contains(variable) && !told.contains("hunter"), "{told}");
            continue;
        }
        let api = Api::start_with(&redis.url(), &variables).await;
        let refused = api.request("POST", "/emails", &[JSON], EMAIL).await;
        refused.assert_refused(variable, 500, "application_error", variable);
        let told = format!("{} {}", refused.json, api.process.lines().join("\n"));
        assert!(!told.contains("hunter"), "{told}");
    }
}

#[tokio::test]
async fn neither_keys_nor_passwords_nor_emails_are_ever_in_an_answer_or_the_log() {
    let secrets = ["re_key_of_ours", "re_key_of_theirs", "redis_pass", "body_secret", "subject_secret", "to_secret"];
    let mut redis = RedisServer::builder().without_persistence().password("redis_pass").start();
    let api = Api::start_with(&redis.url(), &[("api_keys", "re_key_of_ours")]).await;
    let wrong_password = redis.url().replace("redis_pass", "redis_password_that_is_wrong");
    let locked_out = Api::start_with(&wrong_password, &[("api_keys", "re_key_of_ours")]).await;

    let email = json!({
        "from": "a@b.example", "to": "to_secret@b.example", "subject": "subject_secret", "text": "body_secret",
    });
    let bodies = [
        email.to_string(),
        format!("{email} trailing"),
        email.to_string().replace("@b", ""),
        email.to_string().replace("\"subject\"", "\"attachments\""),
        email.to_string().replace("\"subject\"", "\"priority\""),
        email.to_string().replace("\"subject\"", "\"headers\""),
    ];
    let mut told = Vec::new();
    let mut post = async |redis_is_there: bool| {
        for body in &bodies {
            for key in ["Bearer re_key_of_ours", "Bearer re_key_of_theirs"] {
                for api in [&api, &locked_out] {
                    let answer = api.request("POST", "/emails", &[JSON, ("authorization", key)], body.as_str()).await;
                    assert!(answer.status != 500 && (redis_is_there || answer.status != 200), "{}", answer.json);
                    told.push(answer.json.to_string());
                }
            }
        }
    };
    post(true).await;
    redis.kill_now();
    post(false).await;
    assert!(told.iter().any(|answer| answer.contains("\"id\"")), "{told:?}");
    assert!(told.iter().any(|answer| answer.contains("503")), "{told:?}");
    told.extend(api.process.lines());
    told.extend(locked_out.process.lines());
    // Redis is unreachable, which is logged for the operator.
    assert!(api.process.lines().iter().any(|line| line.contains("Redis")), "{told:?}");
    for secret in secrets.into_iter().chain(["redis_password_that_is_wrong"]) {
        let told: Vec<_> = told.iter().filter(|told| told.contains(secret)).collect();
        assert!(told.is_empty(), "{secret}: {told:?}");
    }
}
