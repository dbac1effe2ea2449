//! HTTP features that clients use: HEAD, and compressed bodies.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::io::Write;

use e2e::{Answer, Api};
use flate2::{Compression, write::GzEncoder};
use reqwest::{Client, Method};
use serde_json::json;
use testkit::RedisServer;

const JSON: (&str, &str) = ("content-type", "application/json");
const GZIP: (&str, &str) = ("content-encoding", "gzip");

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

#[tokio::test]
async fn head_is_answered_as_get_is_but_for_the_body_wherever_get_is() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("rate_limit", "1000")]).await;
    let attachments = json!([{"filename": "a.txt", "content": "YQ=="}]);
    let id = api.accept(&json!({"to": "a@b.example", "message": "hi", "attachments": attachments})).await;
    let listed = api.request("GET", &format!("/emails/{id}/attachments"), &[], "").await;
    let attachment = listed.json["data"][0].clone();
    let download = attachment["download_url"].as_str().unwrap().split_once(api.address()).unwrap().1.to_owned();
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    for (path, status) in [
        ("/emails".to_owned(), 200),
        (format!("/emails/{id}"), 200),
        (format!("/emails/{id}/attachments"), 200),
        (format!("/emails/{id}/attachments/{}", attachment["id"].as_str().unwrap()), 200),
        (download, 200),
        ("/healthz".to_owned(), 200),
        ("/readyz".to_owned(), 200),
        ("/openapi.json".to_owned(), 200),
        ("/emails?limit=0".to_owned(), 422),
        (format!("/emails/{unknown}"), 404),
        ("/emails/receiving".to_owned(), 501),
        ("/nothing".to_owned(), 404),
    ] {
        let [got, head] = [ask(&api, Method::GET, &path).await, ask(&api, Method::HEAD, &path).await];
        assert_eq!((got.0, head.0), (status, status), "{path}");
        assert_eq!(got.1, head.1, "{path}: the headers");
        assert!(!got.2.is_empty() && head.2.is_empty(), "{path}: the body");
    }
}

/// Status, names of the headers and type, body. Of numbers and times no two answers have the same.
async fn ask(api: &Api, method: Method, path: &str) -> (u16, Vec<String>, Vec<u8>) {
    let answer = Client::new().request(method, format!("http://{}{path}", api.address())).send().await.unwrap();
    let mut headers: Vec<_> = answer.headers().keys().map(ToString::to_string).collect();
    headers.retain(|name| !["content-length", "date", "transfer-encoding"].contains(&name.as_str()));
    headers.sort();
    headers.push(answer.headers()["content-type"].to_str().unwrap().to_owned());
    (answer.status().as_u16(), headers, answer.bytes().await.unwrap().to_vec())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

async fn post(api: &Api, body: Vec<u8>) -> Answer {
    api.request("POST", "/emails", &[JSON, GZIP], body).await
}

#[tokio::test]
async fn a_compressed_body_is_read_as_what_was_compressed() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let text = "Grüße, ".repeat(10_000);
    let email = json!({"to": "a@b.example", "subject": "s", "text": text}).to_string();
    let posted = post(&api, gzip(email.as_bytes())).await;
    assert_eq!(posted.status, 200, "{}", posted.json);
    assert_eq!(api.get(posted.text("id")).await.text("text"), text);
    let batch = api.request("POST", "/emails/batch", &[JSON, GZIP], gzip(format!("[{email}]").as_bytes())).await;
    assert_eq!(batch.status, 200, "{}", batch.json);
}

#[tokio::test]
async fn a_compressed_body_that_is_broken_or_a_bomb_is_refused_and_nothing_is_stored() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("max_body_bytes", "100000")]).await;
    let email = json!({"to": "a@b.example", "message": "hi"}).to_string();
    let whole = gzip(email.as_bytes());
    let mut spoilt = whole.clone();
    let last = spoilt.len() - 5;
    spoilt[last] ^= 0xff;
    for (case, body) in [
        ("not gzip", email.clone().into_bytes()),
        ("empty", Vec::new()),
        ("cut off", whole[..whole.len() - 1].to_vec()),
        ("another checksum", spoilt),
        ("with something behind it", [whole.as_slice(), b"{}"].concat()),
        ("in many empty members", gzip(b"").repeat(1000)),
    ] {
        post(&api, body).await.assert_refused(case, 400, "validation_error", "gzip");
    }
    // A gigabyte in a megabyte would not even be read; a hundred megabytes in a hundred kilobytes are not unpacked.
    let bomb = gzip(&vec![b' '; 90_000_000]);
    assert!(bomb.len() < 100_000, "{}", bomb.len());
    post(&api, bomb).await.assert_refused("a bomb", 413, "validation_error", "100000");
    let twice = gzip(&gzip(email.as_bytes()));
    assert_eq!(post(&api, twice).await.status, 400);
    let refused = api.request("POST", "/emails", &[JSON, ("content-encoding", "br")], email.as_str()).await;
    refused.assert_refused("brotli", 415, "validation_error", "gzip");
    assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut redis.connection()).unwrap(), 0);
    assert_eq!(post(&api, whole).await.status, 200);
}
