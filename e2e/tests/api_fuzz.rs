//! Whatever is posted, the component answers, and goes on: it never traps, and never calls a fault of the client its own.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Answer, Api};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use testkit::RedisServer;
use tokio::runtime::Runtime;

/// How many bodies each test posts.
const CASES: u32 = 256;

/// Posts many bodies to one API: each is accepted or refused as the client's fault, and then an email is still accepted.
fn every_body_is_answered<S: Strategy>(bodies: S, bytes: impl Fn(S::Value) -> Vec<u8>) {
    let runtime = Runtime::new().unwrap();
    let redis = RedisServer::builder().without_persistence().start();
    let api = runtime.block_on(Api::start(&redis));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    runner
        .run(&bodies, |body| {
            let json = [("content-type", "application/json")];
            check(&runtime.block_on(api.request("POST", "/emails", &json, bytes(body))))
        })
        .unwrap();
    runtime.block_on(api.accept(&json!({"to": "a@b.example", "message": "still here"})));
    assert_eq!(api.process.lines().len(), 1, "the host had something to say: {:?}", api.process.lines());
}

fn check(answer: &Answer) -> Result<(), TestCaseError> {
    if answer.status == 200 {
        prop_assert_eq!(answer.text("id").len(), 36);
        return Ok(());
    }
    prop_assert!(matches!(answer.status, 400 | 422), "{}", answer.json);
    prop_assert_eq!(answer.json["statusCode"].as_u64(), Some(u64::from(answer.status)));
    prop_assert!(!answer.text("name").is_empty() && !answer.text("message").is_empty(), "{}", answer.json);
    prop_assert_eq!(answer.json.as_object().unwrap().len(), 3);
    // An error that repeated what was sent could be made as long as one likes.
    prop_assert!(answer.text("message").len() < 1000, "{}", answer.json);
    Ok(())
}

const FIELDS: [&str; 18] = [
    "from",
    "to",
    "recipient",
    "cc",
    "bcc",
    "reply_to",
    "subject",
    "message",
    "text",
    "html",
    "headers",
    "tags",
    "attachments",
    "scheduled_at",
    "priority",
    "template",
    "topic_id",
    "unknown",
];

fn full() -> Value {
    json!({
        "from": "Ada <ada@example.com>", "to": ["b@example.com", "C <c@example.com>"], "cc": "d@example.com",
        "bcc": ["e@example.com"], "reply_to": "f@example.com", "subject": "Grüße", "text": "plain", "html": "<p>rich</p>",
        "headers": {"List-Unsubscribe": "<https://example.com/u>"}, "tags": [{"name": "kind", "value": "reset"}],
        "attachments": [{"filename": "a.pdf", "content": "AAEC", "content_id": "a"}, {"content": [1, 2, 3]}],
        "scheduled_at": "in 1 hour", "priority": "high",
    })
}

/// JSON of any shape, with the keys and the values that the API knows more often than chance would have them.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
        "[\\PC\r\n\0]{0,20}@[a-zäß.-]{0,10}".prop_map(Value::from),
        "(in|tomorrow at|next) [0-9]{0,20} ?[a-z]{0,8}".prop_map(Value::from),
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{0,12}[Z+-]?[0-9:]{0,5}".prop_map(Value::from),
        Just(json!("a@example.com")),
        Just(json!("AAEC")),
        (0_usize..200_000).prop_map(|length| json!("x".repeat(length))),
    ];
    leaf.prop_recursive(4, 24, 6, |inner| {
        let key = prop_oneof![
            prop::sample::select(vec!["content", "data", "type", "name", "value", "filename", "content_id", "path"])
                .prop_map(str::to_owned),
            prop::sample::select(FIELDS.to_vec()).prop_map(str::to_owned),
            ".{0,10}",
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..60).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..6).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

#[test]
fn any_bytes_are_answered() {
    every_body_is_answered(prop::collection::vec(any::<u8>(), 0..2000), |bytes| bytes);
}

#[test]
fn any_text_that_looks_like_json_is_answered() {
    every_body_is_answered(
        r#"(\{|\[|"|to|:|,|\}|\]|a@b\.c|\\u[d0-9a-f]{0,4}|[0-9.eE+-]{1,9}| ){0,60}"#,
        String::into_bytes,
    );
}

#[test]
fn a_valid_email_with_some_bytes_changed_removed_or_added_is_answered() {
    let change = (any::<prop::sample::Index>(), 0_u8..3, any::<u8>());
    every_body_is_answered(prop::collection::vec(change, 1..6), |changes| {
        let mut body = full().to_string().into_bytes();
        for (place, kind, byte) in changes {
            let place = place.index(body.len());
            match kind {
                0 => body[place] = byte,
                1 => drop(body.remove(place)),
                _ => body.insert(place, byte),
            }
        }
        body
    });
}

#[test]
fn a_valid_email_that_was_cut_off_is_answered() {
    every_body_is_answered(any::<prop::sample::Index>(), |end| {
        let mut body = full().to_string().into_bytes();
        body.truncate(end.index(body.len()));
        body
    });
}

#[test]
fn any_value_in_any_field_is_answered() {
    let fields = prop::collection::vec((prop::sample::select(FIELDS.to_vec()), any_json()), 1..4);
    every_body_is_answered((fields, any::<bool>()), |(fields, rest_is_valid)| {
        let mut email = if rest_is_valid { full() } else { json!({}) };
        for (field, value) in fields {
            email[field] = value;
        }
        email.to_string().into_bytes()
    });
}

#[test]
fn any_request_line_header_and_path_is_answered() {
    let runtime = Runtime::new().unwrap();
    let redis = RedisServer::builder().without_persistence().start();
    let api = runtime.block_on(Api::start(&redis));
    let requests = (
        prop::sample::select(vec!["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"]),
        "/(emails|healthz|readyz|[a-z]{0,6})?(/[a-zA-Z0-9%:@!$&'()*+,;=._~-]{0,40}){0,3}(\\?[a-z0-9=&%]{0,20})?"
            .prop_filter("no stray percent sign", |path| !path.contains('%')),
        "[a-zA-Z0-9/;=. \"-]{0,40}",
        "[ -~]{0,40}",
    );
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    runner
        .run(&requests, |(method, path, content_type, authorization)| {
            let headers = [("content-type", content_type.as_str()), ("authorization", authorization.as_str())];
            let answer = runtime.block_on(api.request(method, &path, &headers, "{}"));
            prop_assert!(answer.status < 500, "{} {}: {}", method, path, answer.json);
            if answer.status != 200 {
                prop_assert_eq!(answer.json["statusCode"].as_u64(), Some(u64::from(answer.status)));
            }
            Ok(())
        })
        .unwrap();
    runtime.block_on(api.accept(&json!({"to": "a@b.example", "message": "still here"})));
}
