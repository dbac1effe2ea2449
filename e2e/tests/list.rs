//! Emails listed page by page, and what each API key may do.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Answer, Api, Worker};
use serde_json::{Value, json};
use testkit::{DEADLINE, RedisServer, eventually};

const JSON: (&str, &str) = ("content-type", "application/json");
const SHORT: &str = r#"{"to": "b@example.com", "message": "hi"}"#;

async fn list(api: &Api, query: &str) -> Answer {
    api.request("GET", &format!("/emails{query}"), &[], "").await
}

fn ids(answer: &Answer) -> Vec<String> {
    answer.json["data"].as_array().unwrap().iter().map(|email| email["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_page_follows_the_one_before_in_both_directions() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let nothing = json!({"object": "list", "has_more": false, "data": [], "looked_at": 0, "next": null});
    assert_eq!(list(&api, "").await.json, nothing);
    let mut all = Vec::new();
    for _ in 0..25 {
        all.insert(0, api.accept(&serde_json::from_str(SHORT).unwrap()).await);
    }
    let first = list(&api, "").await;
    assert_eq!((ids(&first).as_slice(), &first.json["has_more"]), (&all[..20], &json!(true)));
    let second = list(&api, &format!("?after={}", all[19])).await;
    assert_eq!((ids(&second).as_slice(), &second.json["has_more"]), (&all[20..], &json!(false)));
    let back = list(&api, &format!("?limit=10&before={}", all[20])).await;
    assert_eq!((ids(&back).as_slice(), &back.json["has_more"]), (&all[10..20], &json!(true)));
    assert_eq!(ids(&list(&api, "?limit=100").await), all);
}

#[tokio::test]
async fn a_listed_email_has_the_fields_that_sdks_read_and_no_body() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    api.accept(&serde_json::from_str(SHORT).unwrap()).await;
    let listed = &list(&api, "").await.json["data"][0];
    for field in ["id", "from", "to", "cc", "bcc", "reply_to", "subject", "created_at", "scheduled_at", "last_event"] {
        assert!(listed.get(field).is_some(), "{field} is missing");
    }
    for field in ["object", "html", "text", "tags"] {
        assert!(listed.get(field).is_none(), "{field} is there");
    }
}

#[tokio::test]
async fn emails_can_be_listed_by_how_far_they_have_come() {
    let redis = RedisServer::start();
    let outbox = tempfile::tempdir().unwrap();
    let api = Api::start(&redis).await;
    let sent = api.accept(&serde_json::from_str(SHORT).unwrap()).await;
    let worker = Worker::start(&redis.url(), &format!("file:{}", outbox.path().display()), &[]);
    eventually(DEADLINE, "the email to be sent", async || api.last_event(&sent).await == "sent").await;
    drop(worker);
    let queued = api.accept(&serde_json::from_str(SHORT).unwrap()).await;
    let scheduled = api.accept(&json!({"to": "b@example.com", "message": "hi", "scheduled_at": "in 1 hour"})).await;
    for (status, expected) in
        [("sent", vec![sent]), ("queued", vec![queued]), ("scheduled", vec![scheduled]), ("failed", vec![])]
    {
        assert_eq!(ids(&list(&api, &format!("?status={status}")).await), expected, "{status}");
    }
}

#[tokio::test]
async fn a_page_of_emails_with_long_beginnings_asks_redis_a_few_times_and_shows_all_of_them() {
    const EMAILS: usize = 12;
    const FURTHER_READS: usize = 8;
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let headers: Value = (0..3).map(|n| (format!("X-{n}"), Value::from("y".repeat(16_000)))).collect();
    let own = json!({"from": "f@x.example", "to": "t@x.example", "subject": "s", "text": "t", "headers": headers});
    for _ in 0..EMAILS {
        api.accept(&own).await;
    }
    // Both scripts are known to Redis then.
    list(&api, "?limit=1").await;
    let scripts = || {
        let stats: String = redis::cmd("INFO").arg("commandstats").query(&mut redis.connection()).unwrap();
        let calls = stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")).unwrap();
        calls.split(',').next().unwrap().parse::<usize>().unwrap()
    };
    let before = scripts();
    let page = list(&api, "").await;
    assert_eq!(scripts() - before, 1 + FURTHER_READS);
    let data = page.json["data"].as_array().unwrap();
    assert_eq!((data.len(), &page.json["has_more"]), (EMAILS, &json!(false)));
    for (place, shown) in data.iter().enumerate() {
        assert_eq!(
            (&shown["from"], &shown["to"], &shown["subject"]),
            (&json!("f@x.example"), &json!(["t@x.example"]), &json!("s"))
        );
        // Whether its headers name one is only known of those that were read on.
        assert_eq!(shown["message_id"].is_string(), place < FURTHER_READS, "{place}");
    }
}

#[tokio::test]
async fn what_was_not_read_far_enough_is_shown_as_unreadable_and_never_as_somebody_else_s() {
    let redis = RedisServer::builder().without_persistence().start();
    let (api, _worker) = (Api::start(&redis).await, Worker::ready(&redis.url(), "null:", &[]).await);
    // Longer than what a page reads of an email.
    let text = "z".repeat(1_200_000);
    let due = "in 1 hour";
    let entry =
        format!(r#"{{"text":"{text}","from":"f@x.example","to":"t@x.example","subject":"s","scheduled_at":"{due}"}}"#);
    redis::cmd("LPUSH").arg("emails").arg(entry).exec(&mut redis.connection()).unwrap();
    let shown = eventually(DEADLINE, "the entry to be an email", async || {
        let page = list(&api, "?status=scheduled").await;
        page.json["data"].get(0).cloned()
    })
    .await;
    assert_eq!(
        (&shown["from"], &shown["to"], &shown["subject"], &shown["message_id"]),
        (&json!("(unreadable)"), &json!(["(unreadable)"]), &json!("(unreadable)"), &Value::Null)
    );
    let alone = api.get(shown["id"].as_str().unwrap()).await;
    assert_eq!((alone.text("from"), alone.text("subject")), ("f@x.example", "s"));
}

#[tokio::test]
async fn a_query_that_cannot_be_is_a_validation_error() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    for query in ["?limit=0", "?limit=101", "?limit=x", "?after=x", "?status=lost"] {
        let refused = list(&api, query).await;
        assert_eq!((refused.status, refused.text("name")), (422, "validation_error"), "{query}");
    }
}

async fn with_key(api: &Api, key: &str, method: &str, path: &str, body: &str) -> Answer {
    let authorization = format!("Bearer {key}");
    api.request(method, path, &[JSON, ("authorization", &authorization)], body).await
}

#[tokio::test]
async fn a_sending_key_may_post_and_nothing_else() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[("api_keys", "full-key,post-key:sending")]).await;
    let posted = with_key(&api, "post-key", "POST", "/emails", SHORT).await;
    assert_eq!(posted.status, 200);
    let batch = format!("[{SHORT}]");
    let id = posted.text("id");
    for (method, path, body) in [
        ("GET", "/emails".to_owned(), ""),
        ("GET", format!("/emails/{id}"), ""),
        ("PATCH", format!("/emails/{id}"), r#"{"scheduled_at": "in 1 hour"}"#),
        ("POST", format!("/emails/{id}/cancel"), ""),
    ] {
        let refused = with_key(&api, "post-key", method, &path, body).await;
        assert_eq!((refused.status, refused.text("name")), (401, "restricted_api_key"), "{method} {path}");
        assert_ne!(with_key(&api, "full-key", method, &path, body).await.text("name"), "restricted_api_key");
    }
    assert_eq!(with_key(&api, "full-key", "GET", "/emails", "").await.status, 200);
    assert_eq!(with_key(&api, "post-key:sending", "POST", "/emails", SHORT).await.status, 403);
    assert_eq!(with_key(&api, "post-key", "POST", "/emails/batch", &batch).await.status, 200);
}

#[tokio::test]
async fn a_reading_key_sees_what_there_is_and_no_content_and_changes_nothing() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[("api_keys", "full-key,look:read")]).await;
    let email = r#"{"from":"a@b.example","to":"c@d.example","subject":"s","text":"secret words","html":"<p>secret words</p>",
        "attachments":[{"filename":"secret.txt","content":"aGk="}]}"#;
    let id = with_key(&api, "full-key", "POST", "/emails", email).await.text("id").to_owned();
    for path in ["/emails", &format!("/emails/{id}"), &format!("/emails/{id}/why"), "/queue", "/queue/workers"] {
        let answer = with_key(&api, "look", "GET", path, "").await;
        assert_eq!(answer.status, 200, "{path}");
        assert!(!answer.json.to_string().contains("secret"), "{path}: {}", answer.json);
    }
    let shown = with_key(&api, "look", "GET", &format!("/emails/{id}"), "").await.json;
    assert!(shown["text"].is_null() && shown["html"].is_null() && shown["subject"] == "s", "{shown}");
    let files = with_key(&api, "full-key", "GET", &format!("/emails/{id}/attachments"), "").await.json;
    let file = files["data"][0]["id"].as_str().unwrap();
    for (method, path, body) in [
        ("GET", format!("/emails/{id}/attachments"), ""),
        ("GET", format!("/emails/{id}/attachments/{file}"), ""),
        ("POST", "/emails".to_owned(), SHORT),
        ("POST", format!("/emails/{id}/cancel"), ""),
        ("POST", format!("/emails/{id}/move"), r#"{"lane":"low"}"#),
        ("DELETE", format!("/emails/{id}"), ""),
        ("POST", "/emails/discard".to_owned(), r#"{"status":"queued"}"#),
        ("POST", "/queue/pause".to_owned(), "{}"),
    ] {
        let refused = with_key(&api, "look", method, &path, body).await;
        assert_eq!((refused.status, refused.text("name")), (403, "restricted_api_key"), "{method} {path}");
    }
    assert_eq!(with_key(&api, "full-key", "GET", &format!("/emails/{id}"), "").await.json["last_event"], "queued");
}

#[tokio::test]
async fn a_client_over_its_limit_is_told_when_to_come_back_and_others_are_served() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[("api_keys", "one,two"), ("rate_limit", "3")]).await;
    let number = |answer: &Answer, header: &str| answer.headers[header].to_str().unwrap().parse::<u64>().unwrap();
    let refused = eventually(DEADLINE, "the fourth request of a second to be refused", async || {
        let answer = with_key(&api, "one", "GET", "/emails", "").await;
        assert_eq!(number(&answer, "ratelimit-limit"), 3);
        assert_eq!(answer.headers["ratelimit-policy"], "3;w=1");
        assert!(number(&answer, "ratelimit-remaining") < 3 && number(&answer, "ratelimit-reset") == 1);
        (answer.status == 429).then_some(answer)
    })
    .await;
    assert_eq!(refused.text("name"), "rate_limit_exceeded");
    assert_eq!((number(&refused, "retry-after"), number(&refused, "ratelimit-remaining")), (1, 0));
    assert_eq!(with_key(&api, "two", "GET", "/emails", "").await.status, 200);
    eventually(DEADLINE, "the next second", async || with_key(&api, "one", "GET", "/emails", "").await.status == 200)
        .await;
}

#[tokio::test]
async fn what_is_not_served_says_so() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    for path in [format!("/emails/{id}/share"), "/emails/receiving".to_owned(), format!("/emails/{id}/events")] {
        let answer = api.request("GET", &path, &[], "").await;
        assert_eq!(answer.status, 501, "{path}");
        assert!(answer.text("message").contains("not serve"), "{}", answer.json);
    }
    for (field, value) in [("template", json!({"id": "x"})), ("topic_id", json!("x"))] {
        let mut email: Value = serde_json::from_str(SHORT).unwrap();
        email[field] = value;
        let refused = api.post(&email).await;
        assert_eq!(refused.status, 422);
        assert!(refused.text("message").contains(field), "{}", refused.json);
    }
}
