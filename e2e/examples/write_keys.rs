//! Writes the keys that this version leaves in Redis, with an email in every state, for `tests/earlier_keys.rs` of later versions:
//!
//! ```sh
//! cargo run -p e2e --example write_keys > e2e/fixtures/keys-v1.json
//! ```
//!
//! Needs the programs that the end-to-end tests need, in the same variables. It uses the oldest Redis, so that newer ones can restore it.

#![allow(clippy::unwrap_used, reason = "whatever fails here ends the program")]

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use e2e::{Api, Records, Worker};
use redis::Commands;
use serde_json::{Value, json};
use testkit::{Action, DEADLINE, RedisServer, Rules, SmtpServer, Stage, eventually};

/// What the fixture says of an email: how it stands in the keys, and who must get it from then on.
fn expect(id: &str, last_event: &str, arrives_at: &[&str]) -> Value {
    json!({"id": id, "last_event": last_event, "arrives_at": arrives_at})
}

fn email(name: &str) -> Value {
    json!({
        "from": format!("{name}@sender.example"), "to": format!("{name}@b.example"), "subject": name, "text": "hi",
        "tags": [{"name": "kind", "value": name}],
    })
}

fn with(mut email: Value, more: Value) -> Value {
    email.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    email
}

async fn wait_for(api: &Api, id: &str, event: &str) {
    eventually(DEADLINE, &format!("{id} {event}"), async || api.last_event(id).await == event).await;
}

#[tokio::main]
async fn main() {
    let redis = RedisServer::builder().without_persistence().oldest().start();
    let api = Api::start(&redis).await;
    let rules = Rules::new()
        .recipient("delayed@b.example", Action::reply(451, "4.3.0 later"))
        .recipient("second@b.example", Action::reply(451, "4.2.2 later"))
        .recipient("failed@b.example", Action::reply(550, "5.1.1 no such user"))
        .when(|step| step.stage == Stage::EndOfData && step.sender.starts_with("in-flight"), Action::Hang);
    let server = SmtpServer::builder().rules(rules).start().await;
    let mut emails = Vec::new();

    // What a worker has dealt with, until it is killed.
    let mut worker = Worker::ready(&redis.url(), &server.url(), &["--retry-base", "30s", "--retry-max", "1h"]).await;
    for (name, event) in [("sent", "sent"), ("delayed", "delivery_delayed"), ("failed", "failed")] {
        let id = api.accept(&email(name)).await;
        wait_for(&api, &id, event).await;
        let arrives_at: &[&str] = if name == "delayed" { &["delayed@b.example"] } else { &[] };
        emails.push(expect(&id, event, arrives_at));
    }
    let partial = with(email("partial"), json!({"to": ["first@b.example", "second@b.example"]}));
    let partial = api.accept(&partial).await;
    wait_for(&api, &partial, "delivery_delayed").await;
    emails.push(expect(&partial, "delivery_delayed", &["second@b.example"]));
    let in_flight = api.accept(&email("in-flight")).await;
    server.wait_for_stage(Stage::EndOfData, 3).await;
    emails.push(expect(&in_flight, "queued", &["in-flight@b.example"]));
    worker.process.kill_now();

    // What no worker has seen.
    let popped = api.accept(&email("popped")).await;
    let _: String = redis.connection().rpop("emails", None).unwrap();
    emails.push(expect(&popped, "queued", &["popped@b.example"]));
    for lane in ["low", "normal", "high"] {
        let id = api.accept(&with(email(lane), json!({"priority": lane}))).await;
        emails.push(expect(&id, "queued", &[&format!("{lane}@b.example")]));
    }
    let full = json!({
        "cc": "Cc <cc@b.example>", "bcc": ["bcc@b.example"], "reply_to": "r@b.example", "text": null, "html": "<p>é</p>",
        "headers": {"X-A": "b"}, "attachments": [{"filename": "a.txt", "content": BASE64.encode("attached")}],
    });
    let full = api.accept(&with(email("full"), full)).await;
    emails.push(expect(&full, "queued", &["full@b.example", "cc@b.example", "bcc@b.example"]));
    let scheduled = api.accept(&with(email("scheduled"), json!({"scheduled_at": "in 1 minute"}))).await;
    emails.push(expect(&scheduled, "scheduled", &["scheduled@b.example"]));
    let canceled = api.accept(&with(email("canceled"), json!({"scheduled_at": "in 1 day"}))).await;
    assert_eq!(api.request("POST", &format!("/emails/{canceled}/cancel"), &[], "").await.status, 200);
    emails.push(expect(&canceled, "canceled", &[]));
    let repeated = email("repeated");
    let headers = [("content-type", "application/json"), ("idempotency-key", "again")];
    let answer = api.request("POST", "/emails", &headers, repeated.to_string()).await;
    emails.push(expect(answer.text("id"), "queued", &["repeated@b.example"]));
    let _: usize = redis.connection().lpush("emails", r#"{"to": "plain@b.example", "message": "pushed"}"#).unwrap();

    assert_eq!(Records::of(&redis).entries(), 4, "three that wait in the normal lane, and the plain entry");
    let mut connection = redis.connection();
    let mut names: Vec<String> = connection.keys("*").unwrap();
    names.sort();
    let keys = names.into_iter().map(|name| {
        let dump: Vec<u8> = redis::cmd("DUMP").arg(&name).query(&mut connection).unwrap();
        // -1: it does not expire.
        let expires_in_ms: i64 = connection.pttl(&name).unwrap();
        (name, json!({"expires_in_ms": expires_in_ms.max(0), "dump": BASE64.encode(dump)}))
    });
    let keys: serde_json::Map<String, Value> = keys.collect();
    let fixture = json!({
        "emails": emails,
        "plain": "plain@b.example",
        "repeated": {"idempotency_key": "again", "email": repeated, "id": answer.text("id")},
        "keys": keys,
    });
    println!("{}", serde_json::to_string_pretty(&fixture).unwrap());
}
