//! The sender of an email without one: the one shown, and the one used.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Answer, Api, Mail, Worker};
use serde_json::{Value, json};
use testkit::{DEADLINE, RedisServer, SmtpServer, eventually};

const BUILT_IN: &str = "Email Queue <email-queue@localhost>";
const WORKERS: &str = "Shop <shop@x.example>";

async fn start() -> (RedisServer, Api) {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[("default_from", "")]).await;
    (redis, api)
}

/// The same email alone and in the list, of which `from`, `to` and `subject` are never null or empty.
async fn shown(api: &Api, id: &str) -> Value {
    let alone = api.get(id).await;
    let list = api.request("GET", "/emails", &[], "").await;
    let listed = list.json["data"].as_array().unwrap().iter().find(|email| email["id"] == id).unwrap();
    for field in ["from", "to", "subject"] {
        assert_eq!(alone.json[field], listed[field], "{field}");
        let texts = listed[field].as_array().cloned().unwrap_or_else(|| vec![listed[field].clone()]);
        let is_text = |text: &Value| text.as_str().is_some_and(|text| !text.is_empty());
        assert!(!texts.is_empty() && texts.iter().all(is_text), "{field}: {listed}");
    }
    alone.json
}

async fn post(api: &Api, email: &Value) -> Answer {
    api.request("POST", "/emails", &[("content-type", "application/json")], email.to_string()).await
}

#[tokio::test]
async fn the_default_that_workers_last_wrote_is_shown_and_the_claim_fixes_it() {
    let (redis, api) = start().await;
    let smtp = SmtpServer::start().await;
    let short = json!({"to": "a@b.example", "message": "hi"});
    let first = api.accept(&short).await;
    assert_eq!(shown(&api, &first).await["from"], BUILT_IN);
    {
        let _worker = Worker::ready(&redis.url(), &smtp.url(), &["--default-from", WORKERS]).await;
        let mail = Mail::new(smtp.wait_for(1).await.remove(0));
        assert_eq!(mail.received.envelope_from, "shop@x.example");
        eventually(DEADLINE, "sent", async || api.last_event(&first).await == "sent").await;
    }
    // No worker has claimed this one: it has today's default.
    let second = api.accept(&short).await;
    assert_eq!(shown(&api, &second).await["from"], WORKERS);
    let _worker = Worker::ready(&redis.url(), &smtp.url(), &["--default-from", "Other <other@x.example>"]).await;
    smtp.wait_for(2).await;
    eventually(DEADLINE, "sent", async || api.last_event(&second).await == "sent").await;
    assert_eq!(shown(&api, &second).await["from"], "Other <other@x.example>");
    // And the first stays what it was.
    assert_eq!(shown(&api, &first).await["from"], WORKERS);
}

#[tokio::test]
async fn the_apis_own_default_goes_before_that_of_workers() {
    let (redis, _) = start().await;
    let smtp = SmtpServer::start().await;
    let api = Api::start_with(&redis.url(), &[("default_from", "Acme <hello@acme.example>")]).await;
    let id = api.accept(&json!({"to": "a@b.example", "message": "hi"})).await;
    assert_eq!(shown(&api, &id).await["from"], "Acme <hello@acme.example>");
    let _worker = Worker::ready(&redis.url(), &smtp.url(), &["--default-from", WORKERS]).await;
    assert_eq!(smtp.wait_for(1).await[0].envelope_from, "hello@acme.example");
}

#[tokio::test]
async fn an_entry_of_another_program_without_a_sender_gets_the_workers_however_it_says_so() {
    let (redis, api) = start().await;
    let smtp = SmtpServer::start().await;
    let entries = [
        r#"{"to": "0@b.example", "message": "hi"}"#,
        r#"{"from": null, "to": "1@b.example", "message": "hi"}"#,
        r#"{"to": "2@b.example", "message": "hi", "from": ""}"#,
    ];
    {
        let _worker = Worker::ready(&redis.url(), &smtp.url(), &["--default-from", WORKERS]).await;
        for entry in entries {
            redis::cmd("LPUSH").arg("emails").arg(entry).exec(&mut redis.connection()).unwrap();
        }
        for mail in smtp.wait_for(entries.len()).await {
            assert_eq!(mail.envelope_from, "shop@x.example");
        }
        let sent = async || api.request("GET", "/emails?status=sent", &[], "").await;
        eventually(DEADLINE, "all to be sent", async || {
            sent().await.json["data"].as_array().unwrap().len() == entries.len()
        })
        .await;
    }
    // It is fixed in their records, whatever the default becomes.
    let _other = Worker::ready(&redis.url(), &smtp.url(), &["--default-from", "Other <other@x.example>"]).await;
    let list = api.request("GET", "/emails", &[], "").await;
    for email in list.json["data"].as_array().unwrap() {
        assert_eq!(shown(&api, email["id"].as_str().unwrap()).await["from"], WORKERS);
    }
}

#[tokio::test]
async fn the_full_form_has_to_name_a_sender_where_the_api_has_no_default() {
    let (_redis, api) = start().await;
    for from in [None, Some(Value::Null), Some(json!(""))] {
        let mut email = json!({"to": "a@b.example", "subject": "s", "text": "t"});
        if let Some(from) = &from {
            email["from"] = from.clone();
        }
        let refused = post(&api, &email).await;
        refused.assert_refused(&format!("{from:?}"), 422, "missing_required_field", "`from`");
    }
}

#[tokio::test]
async fn what_another_program_pushed_is_shown_with_words_where_something_is_missing() {
    let (redis, api) = start().await;
    let smtp = SmtpServer::start().await;
    let _worker = Worker::ready(&redis.url(), &smtp.url(), &[]).await;
    for entry in
        ["not an email", "{}", r#"{"to": null, "subject": null}"#, r#"{"to": [], "message": "", "subject": ""}"#]
    {
        redis::cmd("LPUSH").arg("emails").arg(entry).exec(&mut redis.connection()).unwrap();
    }
    let failed = async || api.request("GET", "/emails?status=failed", &[], "").await.json["data"].clone();
    eventually(DEADLINE, "all to be dead letters", async || failed().await.as_array().unwrap().len() == 4).await;
    for email in failed().await.as_array().unwrap() {
        shown(&api, email["id"].as_str().unwrap()).await;
    }
}
