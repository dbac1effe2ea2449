//! Several emails in one request, and requests that come twice.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::BTreeSet;

use e2e::{Answer, Api};
use serde_json::{Value, json};
use testkit::RedisServer;

const JSON: (&str, &str) = ("content-type", "application/json");

fn email(to: &str) -> Value {
    json!({"from": "a@example.com", "to": to, "subject": "Hi", "text": "Hello"})
}

async fn batch(api: &Api, headers: &[(&str, &str)], emails: &Value) -> Answer {
    let headers = [&[JSON], headers].concat();
    api.request("POST", "/emails/batch", &headers, emails.to_string()).await
}

async fn post_with_key(api: &Api, key: &str, email: &Value) -> Answer {
    api.request("POST", "/emails", &[JSON, ("idempotency-key", key)], email.to_string()).await
}

fn queued(redis: &RedisServer) -> usize {
    redis::cmd("LLEN").arg("emails").query(&mut redis.connection()).unwrap()
}

async fn start() -> (RedisServer, Api) {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    (redis, api)
}

#[tokio::test]
async fn a_batch_is_accepted_as_a_whole_in_the_order_of_the_request() {
    let (redis, api) = start().await;
    let answer = batch(&api, &[], &json!([email("one@example.com"), email("two@example.com")])).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    let ids: Vec<&str> =
        answer.json["data"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap()).collect();
    assert_eq!(answer.json, json!({"data": [{"id": ids[0]}, {"id": ids[1]}]}), "nothing else, and no `errors`");
    assert_eq!(api.get(ids[0]).await.json["to"], json!(["one@example.com"]));
    assert_eq!(api.get(ids[1]).await.json["to"], json!(["two@example.com"]));
    assert_eq!(queued(&redis), 2);
}

#[tokio::test]
async fn of_two_idempotency_keys_none_counts() {
    let (redis, api) = start().await;
    let keys = [JSON, ("idempotency-key", "one"), ("idempotency-key", "two")];
    for (path, body) in [("/emails", email("a@b.example")), ("/emails/batch", json!([email("a@b.example")]))] {
        let refused = api.request("POST", path, &keys, body.to_string()).await;
        refused.assert_refused(path, 400, "invalid_idempotency_key", "more than one");
    }
    assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut redis.connection()).unwrap(), 0);
}

#[tokio::test]
async fn one_bad_email_refuses_the_whole_batch_and_nothing_is_stored() {
    let (redis, api) = start().await;
    for headers in [&[][..], &[("x-batch-validation", "strict")]] {
        let answer = batch(&api, headers, &json!([email("one@example.com"), email("nobody")])).await;
        assert_eq!((answer.status, answer.text("name")), (422, "validation_error"));
        assert!(answer.text("message").contains("[1].to"), "{}", answer.json);
    }
    assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut redis.connection()).unwrap(), 0);
}

#[tokio::test]
async fn a_permissive_batch_accepts_the_good_ones_and_names_the_bad_ones() {
    let (redis, api) = start().await;
    let permissive = [("x-batch-validation", "permissive")];
    let emails = json!([email("nobody"), email("one@example.com"), {"to": "x@example.com"}, email("two@example.com")]);
    let answer = batch(&api, &permissive, &emails).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    assert_eq!(answer.json["data"].as_array().unwrap().len(), 2);
    let errors = answer.json["errors"].as_array().unwrap();
    assert_eq!(errors.iter().map(|error| error["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 2]);
    assert!(errors.iter().all(|error| error["message"].is_string()));
    let all_good = batch(&api, &permissive, &json!([email("one@example.com")])).await;
    assert_eq!(all_good.json["errors"], json!([]));
    let all_bad = batch(&api, &permissive, &json!([7])).await;
    assert_eq!((all_bad.status, &all_bad.json["data"]), (200, &json!([])));
    assert_eq!(queued(&redis), 3);
}

#[tokio::test]
async fn a_batch_has_1_to_100_emails() {
    let (redis, api) = start().await;
    let emails = |count| Value::from(vec![email("one@example.com"); count]);
    for refused in [emails(0), emails(101), json!({"emails": []}), json!("x")] {
        assert_eq!(batch(&api, &[], &refused).await.status, 422);
    }
    assert_eq!(batch(&api, &[("x-batch-validation", "lenient")], &emails(1)).await.status, 422);
    assert_eq!(queued(&redis), 0);
    assert_eq!(batch(&api, &[], &emails(100)).await.json["data"].as_array().unwrap().len(), 100);
    assert_eq!(queued(&redis), 100);
}

#[tokio::test]
async fn a_request_that_comes_twice_gets_the_same_ids_and_sends_nothing_twice() {
    let (redis, api) = start().await;
    let first = post_with_key(&api, "order-1", &email("one@example.com")).await;
    let again = post_with_key(&api, "order-1", &email("one@example.com")).await;
    assert_eq!((first.status, again.status), (200, 200));
    assert_eq!(first.json, again.json);
    assert_eq!(queued(&redis), 1);

    let emails = json!([email("one@example.com"), email("two@example.com")]);
    let first = batch(&api, &[("idempotency-key", "batch-1")], &emails).await;
    let again = batch(&api, &[("idempotency-key", "batch-1")], &emails).await;
    assert_eq!(first.json, again.json);
    assert_eq!(queued(&redis), 3);
}

#[tokio::test]
async fn the_same_key_with_another_body_is_a_conflict() {
    let (redis, api) = start().await;
    let first = post_with_key(&api, "order-1", &email("one@example.com")).await;
    let conflict = post_with_key(&api, "order-1", &email("two@example.com")).await;
    assert_eq!((conflict.status, conflict.text("name")), (409, "invalid_idempotent_request"));
    assert_eq!(post_with_key(&api, "order-1", &email("one@example.com")).await.json, first.json);
    assert_eq!(queued(&redis), 1);
}

#[tokio::test]
async fn the_same_email_written_in_another_order_is_the_same_request() {
    let (_redis, api) = start().await;
    let post = async |body: &str| {
        api.request("POST", "/emails", &[JSON, ("idempotency-key", "k")], body).await.text("id").to_owned()
    };
    let one = post(r#"{"from":"a@b.c","to":"d@e.f","subject":"s","text":"t","headers":{"X-A":"1","X-B":"2"}}"#).await;
    let other =
        post(r#"{ "headers": {"X-B":"2", "X-A":"1"}, "text":"t", "subject":"s", "to":["d@e.f"], "from":"a@b.c" }"#)
            .await;
    assert_eq!(one, other);
}

#[tokio::test]
async fn an_idempotency_key_has_1_to_256_characters() {
    let (redis, api) = start().await;
    assert_eq!(post_with_key(&api, &"k".repeat(256), &email("one@example.com")).await.status, 200);
    for key in ["", &"k".repeat(257)] {
        let refused = post_with_key(&api, key, &email("one@example.com")).await;
        assert_eq!((refused.status, refused.text("name")), (400, "invalid_idempotency_key"));
    }
    assert_eq!(queued(&redis), 1);
}

#[tokio::test]
async fn two_clients_racing_with_one_key_send_one_email() {
    let (redis, api) = start().await;
    for round in 0..25 {
        let key = format!("round-{round}");
        let email = email("one@example.com");
        let post = || post_with_key(&api, &key, &email);
        let (a, b, c, d) = tokio::join!(post(), post(), post(), post());
        let ids: BTreeSet<_> = [&a, &b, &c, &d].map(|answer| answer.text("id").to_owned()).into();
        assert_eq!(ids.len(), 1, "{ids:?}");
    }
    assert_eq!(queued(&redis), 25);
}

#[tokio::test]
async fn the_same_key_of_two_api_keys_is_two_requests() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[("api_keys", "one,two")]).await;
    let post = async |key: &str| {
        let headers = [JSON, ("idempotency-key", "k"), ("authorization", &format!("Bearer {key}"))];
        api.request("POST", "/emails", &headers, email("one@example.com").to_string()).await.text("id").to_owned()
    };
    assert_ne!(post("one").await, post("two").await);
    assert_eq!(queued(&redis), 2);
}
