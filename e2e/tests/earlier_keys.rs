//! Keys that an earlier version wrote: this version reads, lists and delivers them. `examples/write_keys.rs` writes them.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use e2e::{Api, Arrivals, Records, Worker};
use serde_json::{Value, json};
use testkit::{RedisServer, SmtpServer};

/// What each version wrote that changed the keys or fields, or was the last before such a change.
const FIXTURES: [&str; 1] = [include_str!("../fixtures/keys-v1.json")];

fn strings(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap()).collect()
}

/// A Redis with these keys, each with the time to live that it had.
fn restore(fixture: &Value) -> RedisServer {
    let redis = RedisServer::builder().without_persistence().start();
    let mut connection = redis.connection();
    for (name, key) in fixture["keys"].as_object().unwrap() {
        let dump = BASE64.decode(key["dump"].as_str().unwrap()).unwrap();
        let ms = key["expires_in_ms"].as_i64().unwrap();
        redis::cmd("RESTORE").arg(name).arg(ms).arg(dump).exec(&mut connection).unwrap();
    }
    redis
}

#[tokio::test]
async fn emails_of_earlier_versions_are_read_listed_and_recognised_when_repeated() {
    for fixture in FIXTURES {
        let fixture: Value = serde_json::from_str(fixture).unwrap();
        let redis = restore(&fixture);
        let api = Api::start(&redis).await;
        let emails = fixture["emails"].as_array().unwrap();
        for email in emails {
            let read = api.get(email["id"].as_str().unwrap()).await;
            assert_eq!(read.json["last_event"], email["last_event"], "{}", read.json);
            assert_eq!(read.json["tags"][0]["value"], read.json["subject"], "{}", read.json);
        }
        let page = api.request("GET", "/emails?limit=100", &[], "").await;
        let listed: BTreeSet<_> =
            page.json["data"].as_array().unwrap().iter().map(|email| &email["id"]).map(Value::to_string).collect();
        assert_eq!(listed, emails.iter().map(|email| email["id"].to_string()).collect());

        let repeated = &fixture["repeated"];
        let key = repeated["idempotency_key"].as_str().unwrap();
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        let again = api.request("POST", "/emails", &headers, repeated["email"].to_string()).await;
        assert_eq!((again.status, &again.json["id"]), (200, &repeated["id"]));
        let other = api
            .request("POST", "/emails", &headers, json!({"to": "x@b.example", "message": "other"}).to_string())
            .await;
        assert_eq!(other.status, 409, "{}", other.json);
    }
}

#[tokio::test]
async fn emails_of_earlier_versions_are_delivered_to_who_has_not_got_them_and_to_nobody_twice() {
    for fixture in FIXTURES {
        let fixture: Value = serde_json::from_str(fixture).unwrap();
        let (redis, server) = (restore(&fixture), SmtpServer::start().await);
        let emails = fixture["emails"].as_array().unwrap();
        let unfinished = emails.iter().filter(|email| !strings(&email["arrives_at"]).is_empty());
        let _worker = Worker::ready(&redis.url(), &server.url(), &["--pop-grace", "1s"]).await;
        // The plain entry is one more, without an id of the fixture.
        let received = server.wait_for(unfinished.clone().count() + 1).await;
        let mut records = Records::of(&redis);
        records.wait_until_finished().await;

        let recipients: BTreeSet<_> = received.iter().flat_map(|mail| mail.recipients.clone()).collect();
        assert!(recipients.contains(fixture["plain"].as_str().unwrap()), "{recipients:?}");
        for email in unfinished {
            let id = email["id"].as_str().unwrap();
            let copies: Vec<_> =
                received.iter().filter(|mail| String::from_utf8_lossy(&mail.data).contains(id)).collect();
            assert_eq!(copies.len(), 1, "{id}");
            let reached: BTreeSet<_> = copies[0].recipients.iter().map(String::as_str).collect();
            assert_eq!(reached, strings(&email["arrives_at"]).into_iter().collect(), "{id}");
        }
        assert_eq!(Arrivals::new(server.received()).repeated(), [].into());
        assert_eq!(records.states().get("failed"), Some(&1), "a dead letter stays");
    }
}
