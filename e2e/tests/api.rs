//! Posting an email and reading it again, through the real component.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use base64::{Engine, prelude::BASE64_STANDARD};
use e2e::{Api, HttpConnection, Worker};
use serde_json::{Value, json};
use testkit::{Action, DEADLINE, RedisServer, Rules, SmtpServer, Stage, eventually};

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

fn is_uuid_v7(id: &str) -> bool {
    let groups: Vec<&str> = id.split('-').collect();
    groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12])
        && id.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
        && groups[2].starts_with('7')
        && groups[3].starts_with(['8', '9', 'a', 'b'])
}

/// Whether a text is a time of ISO 8601 in UTC, such as `2026-12-01T09:00:00.5Z`.
fn is_timestamp(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let shape = text.bytes().take(19).map(|byte| if byte.is_ascii_digit() { b'0' } else { byte });
    shape.eq(*b"0000-00-00T00:00:00") && text.ends_with('Z')
}

async fn wait_for_event(api: &Api, id: &str, event: &str) {
    eventually(DEADLINE, event, async || api.last_event(id).await == event).await;
}

#[tokio::test]
async fn an_accepted_email_is_answered_with_its_id_and_where_to_read_it() {
    let redis = redis();
    let api = Api::start(&redis).await;
    for email in [
        json!({"to": "ada@example.com", "message": "hi"}),
        json!({"recipient": "ada@example.com", "message": "hi"}),
        json!({"to": ["ada@example.com", "Bob <bob@example.com>"], "message": "hi", "subject": "Hello"}),
        json!({"from": "Me <me@example.com>", "to": "ada@example.com", "subject": "Hello", "html": "<p>hi</p>"}),
        json!({"to": "ada@example.com", "message": " ", "topic_id": null, "unknown_field": {"is": ["ignored"]}}),
    ] {
        let answer = api.post(&email).await;
        assert_eq!(answer.status, 200, "{email}: {}", answer.json);
        assert_eq!(answer.json.as_object().unwrap().len(), 1, "{}", answer.json);
        let id = answer.text("id");
        assert!(is_uuid_v7(id), "{id}");
        assert_eq!(answer.header("location"), format!("/emails/{id}"));
        let read = api.request("GET", answer.header("location"), &[], "").await;
        assert_eq!((read.status, read.text("id")), (200, id));
    }
}

#[tokio::test]
async fn ids_are_in_the_order_of_acceptance_to_the_millisecond() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let mut ids = Vec::new();
    for _ in 0..20 {
        ids.push(api.accept(&json!({"to": "ada@example.com", "message": "hi"})).await);
    }
    // RFC 9562 5.7: the first 48 bits are the time. Behind them each instance of the component draws its own numbers.
    let times: Vec<&str> = ids.iter().map(|id| &id[..13]).collect();
    assert!(times.is_sorted(), "{times:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20);
}

#[tokio::test]
async fn reading_an_email_of_the_short_form_shows_every_field() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let id = api.accept(&json!({"to": "ada@example.com", "message": "hi"})).await;
    let read = api.get(&id).await;
    assert_eq!(read.status, 200);
    let mut email = read.json;
    assert!(is_timestamp(&email["created_at"].take()));
    let expected = json!({
        "object": "email", "id": id, "message_id": format!("<{id}@example.com>"), "from": "queue@example.com",
        "to": ["ada@example.com"], "cc": [], "bcc": [], "reply_to": [], "subject": "(no subject)", "html": null, "text": "hi",
        "headers": {}, "tags": [], "created_at": null, "scheduled_at": null, "last_event": "queued",
        "priority": "normal", "attempts": 0, "retry_at": null, "finished_at": null, "last_error": null,
        "error_class": null,
    });
    assert_eq!(email, expected);
}

#[tokio::test]
async fn reading_an_email_of_the_full_form_shows_every_field() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let id = api
        .accept(&json!({
            "from": "Jörg Müller <jm@sender.example>", "to": ["a@example.com", "\"Doe, Jane\" <j@example.com>"],
            "cc": "cc@example.com", "bcc": ["b1@example.com", "b2@example.com"], "reply_to": "re@example.com",
            "subject": "Grüße 😀", "text": "plain\n", "html": "<p>rich</p>",
            "headers": {"X-Entity-Ref-ID": "1"}, "tags": [{"name": "kind", "value": "reset"}, {"name": "bare"}],
            "attachments": [{"filename": "a.txt", "content": "YQ=="}],
            "scheduled_at": "in 1 hour", "priority": "high",
        }))
        .await;
    let mut email = api.get(&id).await.json;
    assert!(is_timestamp(&email["created_at"].take()));
    assert!(is_timestamp(&email["scheduled_at"].take()));
    let expected = json!({
        "object": "email", "id": id, "message_id": format!("<{id}@sender.example>"),
        "from": "Jörg Müller <jm@sender.example>", "to": ["a@example.com", "\"Doe, Jane\" <j@example.com>"],
        "cc": ["cc@example.com"], "bcc": ["b1@example.com", "b2@example.com"], "reply_to": ["re@example.com"],
        "subject": "Grüße 😀", "html": "<p>rich</p>", "text": "plain\n",
        "headers": {"X-Entity-Ref-ID": "1"}, "tags": [{"name": "kind", "value": "reset"}, {"name": "bare", "value": ""}],
        "created_at": null, "scheduled_at": null, "last_event": "scheduled",
        "priority": "high", "attempts": 0, "retry_at": null, "finished_at": null, "last_error": null,
        "error_class": null,
    });
    assert_eq!(email, expected);
}

#[tokio::test]
async fn a_time_with_an_offset_is_shown_in_utc() {
    let redis = redis();
    let api = Api::start(&redis).await;
    // Noon of tomorrow, in the words of ISO 8601, as the API itself says it.
    let reference =
        api.accept(&json!({"to": "a@b.example", "message": "hi", "scheduled_at": "tomorrow at 12pm"})).await;
    let noon = api.get(&reference).await.json["scheduled_at"].as_str().unwrap().to_owned();
    assert!(noon.ends_with("T12:00:00Z"), "{noon}");
    let with_offset = noon.replace("T12:00:00Z", "T14:00:00+02:00");
    let id = api.accept(&json!({"to": "a@b.example", "message": "hi", "scheduled_at": with_offset})).await;
    assert_eq!(api.get(&id).await.json["scheduled_at"], noon);
}

#[tokio::test]
async fn an_email_is_queued_until_a_worker_has_sent_it() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let outbox = tempfile::tempdir().unwrap();
    let id = api.accept(&json!({"to": "ada@example.com", "message": "hi"})).await;
    assert_eq!(api.last_event(&id).await, "queued");
    let _worker = Worker::ready(&redis.url(), &format!("file:{}", outbox.path().display()), &[]).await;
    wait_for_event(&api, &id, "sent").await;
    let email = api.get(&id).await.json;
    assert_eq!((&email["attempts"], &email["last_error"]), (&json!(1), &Value::Null));
    assert!(is_timestamp(&email["finished_at"]), "{email}");
    let file = std::fs::read_to_string(outbox.path().join(format!("{id}.eml"))).unwrap();
    assert!(file.contains("To: ada@example.com\r\n") && file.contains("\r\n\r\nhi"), "{file}");
}

#[tokio::test]
async fn a_scheduled_email_is_sent_when_its_time_has_come_and_not_before() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let outbox = tempfile::tempdir().unwrap();
    let soon = api.accept(&json!({"to": "a@example.com", "message": "hi", "scheduled_at": "in 2 seconds"})).await;
    let later = api.accept(&json!({"to": "a@example.com", "message": "hi", "scheduled_at": "in 1 hour"})).await;
    assert_eq!(api.last_event(&soon).await, "scheduled");
    let _worker = Worker::ready(&redis.url(), &format!("file:{}", outbox.path().display()), &[]).await;
    wait_for_event(&api, &soon, "sent").await;
    let email = api.get(&soon).await.json;
    assert_eq!(email["scheduled_at"], Value::Null);
    assert_eq!(api.last_event(&later).await, "scheduled");
    assert_eq!(outbox.path().read_dir().unwrap().count(), 1);
}

#[tokio::test]
async fn an_email_that_the_server_does_not_take_is_shown_as_delayed_or_failed_with_the_reason() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let rules = Rules::new()
        .recipient("busy@example.com", Action::reply(451, "4.3.0 come back later"))
        .at(Stage::Rcpt, Action::reply(550, "5.1.1 no such user"));
    let server = SmtpServer::builder().rules(rules).start().await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--retry-base", "1h", "--retry-max", "1h"]).await;
    let delayed = api.accept(&json!({"to": "busy@example.com", "message": "hi"})).await;
    let failed = api.accept(&json!({"to": "nobody@example.com", "message": "hi"})).await;
    wait_for_event(&api, &delayed, "delivery_delayed").await;
    wait_for_event(&api, &failed, "failed").await;
    let delayed = api.get(&delayed).await.json;
    assert!(is_timestamp(&delayed["retry_at"]) && delayed["finished_at"].is_null(), "{delayed}");
    assert!(delayed["last_error"].as_str().unwrap().contains("4.3.0 come back later"), "{delayed}");
    let failed = api.get(&failed).await.json;
    assert!(failed["retry_at"].is_null() && is_timestamp(&failed["finished_at"]), "{failed}");
    assert!(failed["last_error"].as_str().unwrap().contains("5.1.1 no such user"), "{failed}");
}

#[tokio::test]
async fn a_path_may_have_empty_segments_and_a_query() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let json = [("content-type", "application/json")];
    for path in ["/emails", "//emails", "/emails/", "/emails?from=sdk"] {
        let answer = api.request("POST", path, &json, r#"{"to": "a@b.example", "message": "hi"}"#).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.json);
        let id = answer.text("id").to_owned();
        assert_eq!(api.request("GET", &format!("//emails/{id}"), &[], "").await.text("id"), id);
    }
}

#[tokio::test]
async fn a_get_may_have_a_json_body_as_one_sdk_sends() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let id = api.accept(&json!({"to": "a@b.example", "message": "hi"})).await;
    let json = [("content-type", "application/json")];
    assert_eq!(api.request("GET", &format!("/emails/{id}"), &json, "{}").await.status, 200);
    assert_eq!(api.request("GET", &format!("/emails/{}", id.to_uppercase()), &json, "").await.text("id"), id);
}

#[tokio::test]
async fn every_json_content_type_is_accepted() {
    let redis = redis();
    let api = Api::start(&redis).await;
    for content_type in ["application/json", "application/json; charset=utf-8", "Application/JSON;charset=\"UTF-8\""] {
        let headers = [("content-type", content_type)];
        let answer = api.request("POST", "/emails", &headers, r#"{"to": "a@b.example", "message": "hi"}"#).await;
        assert_eq!(answer.status, 200, "{content_type}: {}", answer.json);
    }
}

#[tokio::test]
async fn many_requests_on_one_connection_and_bodies_in_chunks_are_served() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let mut connection = HttpConnection::open(&api).await;
    let body = json!({"to": "a@b.example", "message": "in pieces"}).to_string();
    for piece in [1, 7, body.len()] {
        let headers = ["Content-Type: application/json", "Transfer-Encoding: chunked"];
        connection.send_head("POST", "/emails", &headers).await;
        for chunk in body.as_bytes().chunks(piece) {
            connection.send_chunk(chunk).await;
        }
        connection.send_chunk(b"").await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        assert_eq!(api.get(answer.text("id")).await.text("text"), "in pieces");
    }
}

#[tokio::test]
async fn an_attachment_that_fills_the_default_limit_of_10_mib_is_accepted_and_the_email_can_be_read() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let content = BASE64_STANDARD.encode(vec![0xa5; 7_800_000]);
    assert!((10_000_000..10 * 1024 * 1024).contains(&content.len()));
    let id = api
        .accept(&json!({
            "from": "a@b.example", "to": "a@b.example", "subject": "big", "text": "see the file",
            "attachments": [{"filename": "big.bin", "content": content}],
        }))
        .await;
    let read = api.get(&id).await;
    assert_eq!((read.status, read.text("subject"), read.text("text")), (200, "big", "see the file"));
    // Reading must not carry the file along.
    assert!(read.json.to_string().len() < 10_000);
}

#[tokio::test]
async fn two_queues_on_one_redis_do_not_meet() {
    let redis = redis();
    let orders = Api::start_with(&redis.url(), &[("queue", "{orders}")]).await;
    let emails = Api::start(&redis).await;
    let server = SmtpServer::start().await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--queue", "{orders}"]).await;
    let other = emails.accept(&json!({"to": "other@example.com", "message": "hi"})).await;
    let id = orders.accept(&json!({"to": "order@example.com", "message": "hi"})).await;
    wait_for_event(&orders, &id, "sent").await;
    assert_eq!(server.received()[0].recipients, ["order@example.com"]);
    assert_eq!(emails.last_event(&other).await, "queued");
    assert_eq!(orders.get(&other).await.status, 404);
}

#[tokio::test]
async fn an_email_is_forgotten_once_the_retention_of_the_api_is_over() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("retention", "1s")]).await;
    let outbox = tempfile::tempdir().unwrap();
    let id = api.accept(&json!({"to": "a@example.com", "message": "hi"})).await;
    let _worker = Worker::ready(&redis.url(), &format!("file:{}", outbox.path().display()), &[]).await;
    eventually(DEADLINE, "the email to be forgotten", async || api.get(&id).await.status == 404).await;
    assert!(outbox.path().join(format!("{id}.eml")).exists());
    let records: Vec<String> = redis::cmd("KEYS").arg("emails:email:*").query(&mut redis.connection()).unwrap();
    assert!(records.is_empty(), "{records:?}");
}
