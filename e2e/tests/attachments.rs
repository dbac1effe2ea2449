//! The attachments of an email over HTTP: what they are, and links that give their bytes.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use base64::{Engine, prelude::BASE64_STANDARD};
use e2e::{Answer, Api};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use testkit::RedisServer;

const KEYS: &[(&str, &str)] = &[("api_keys", "full-key,sending-key:sending")];
const FULL: (&str, &str) = ("authorization", "Bearer full-key");
const SENDING: (&str, &str) = ("authorization", "Bearer sending-key");

async fn start() -> (RedisServer, Api) {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), KEYS).await;
    (redis, api)
}

/// Posts an email with these attachments and returns the path of the list of them.
async fn post(api: &Api, attachments: Value) -> String {
    let email =
        json!({"from": "a@x.example", "to": "b@y.example", "subject": "s", "text": "t", "attachments": attachments});
    let answer = api.request("POST", "/emails", &[FULL, ("content-type", "application/json")], email.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    format!("/emails/{}/attachments", answer.text("id"))
}

async fn get(api: &Api, path: &str) -> Answer {
    api.request("GET", path, &[FULL], "").await
}

/// The link to the first attachment of a list.
async fn link(api: &Api, list: &str) -> String {
    get(api, list).await.json["data"][0]["download_url"].as_str().unwrap().to_owned()
}

/// Follows a link as a browser does: without a key.
async fn follow(url: &str) -> (u16, HeaderMap, Vec<u8>) {
    let response = reqwest::get(url).await.unwrap();
    (response.status().as_u16(), response.headers().clone(), response.bytes().await.unwrap().to_vec())
}

/// Follows a link that must not lead anywhere, and checks that the refusal is JSON.
async fn follow_refused(url: &str) -> (u16, String) {
    let (status, headers, body) = follow(url).await;
    assert_eq!(headers["content-type"], "application/json", "{url}");
    let error: Value = serde_json::from_slice(&body).unwrap();
    (status, error["name"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn attachments_are_listed_shown_and_downloaded_as_they_were_posted() {
    let (_redis, api) = start().await;
    let bytes: Vec<u8> = (0..=255).collect();
    let list = post(
        &api,
        json!([
            {"filename": "Übersicht.pdf", "content": BASE64_STANDARD.encode(&bytes)},
            {"filename": "logo.png", "content": bytes, "content_id": "logo"},
            {"content": {"type": "Buffer", "data": bytes}, "content_type": "text/html; charset=utf-8"},
            {"filename": "empty", "content": ""},
        ]),
    )
    .await;
    let listed = get(&api, &list).await;
    assert_eq!((listed.status, listed.text("object"), &listed.json["has_more"]), (200, "list", &json!(false)));
    let items = listed.json["data"].as_array().unwrap();
    let expected = [
        (
            "application/pdf",
            "attachment; filename=\"_bersicht.pdf\"; filename*=UTF-8''%C3%9Cbersicht.pdf",
            bytes.clone(),
        ),
        ("image/png", "attachment; filename=\"logo.png\"", bytes.clone()),
        ("text/html; charset=utf-8", "attachment", bytes),
        ("application/octet-stream", "attachment; filename=\"empty\"", vec![]),
    ];
    assert_eq!(items.len(), expected.len());
    for (item, (content_type, disposition, bytes)) in items.iter().zip(expected) {
        let (status, headers, body) = follow(item["download_url"].as_str().unwrap()).await;
        assert_eq!((status, &body), (200, &bytes), "{item}");
        assert_eq!((&item["size"], &item["content_type"]), (&json!(bytes.len()), &json!(content_type)));
        for (name, value) in [
            ("content-type", content_type),
            ("content-disposition", disposition),
            ("content-length", &bytes.len().to_string()),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "private"),
        ] {
            assert_eq!(headers[name], value, "{item}");
        }
        let alone = get(&api, &format!("{list}/{}", item["id"].as_str().unwrap())).await;
        assert_eq!((alone.status, alone.text("object")), (200, "attachment"));
        for field in ["id", "filename", "size", "content_type", "content_disposition", "content_id"] {
            assert_eq!(alone.json[field], item[field], "{field}");
        }
        let (status, _, body) = follow(alone.text("download_url")).await;
        assert_eq!((status, body), (200, bytes));
    }
}

#[tokio::test]
async fn only_a_link_as_it_was_made_works_without_a_key() {
    let (_redis, api) = start().await;
    let list = post(&api, json!([{"filename": "a", "content": "AA=="}, {"filename": "b", "content": "AQ=="}])).await;
    let ids = get(&api, &list).await.json["data"].as_array().unwrap().clone();
    let ids: Vec<_> = ids.iter().map(|item| item["id"].as_str().unwrap()).collect();
    let url = link(&api, &list).await;
    assert_eq!(follow(&url).await.2, [0]);

    let (path, query) = url.split_once('?').unwrap();
    let (expires, signature) = query.split_once('&').unwrap();
    let other_digit = if url.ends_with('0') { "1" } else { "0" };
    for forgery in [
        path.to_owned(),
        format!("{path}?{expires}"),
        format!("{path}?{signature}"),
        format!("{path}?expires=1&{signature}"),
        format!("{path}?expires=4000000000&{signature}"),
        format!("{path}?expires=%00&signature=%ff"),
        format!("{}{other_digit}", &url[..url.len() - 1]),
        url.replace(ids[0], ids[1]),
        url.replace(ids[0], "0"),
        url.replace("/emails/", "/emails/0"),
    ] {
        assert_eq!(follow_refused(&forgery).await, (403, "invalid_permission".into()), "{forgery}");
    }
    for path in [list.clone(), format!("{list}/{}", ids[0])] {
        api.request("GET", &path, &[], "").await.assert_refused("no key", 401, "missing_api_key", "key");
        api.request("GET", &path, &[SENDING], "").await.assert_refused("sending", 401, "restricted_api_key", "send");
    }
    for path in [list.clone(), format!("{list}/{}", ids[0]), format!("{list}/{}/download", ids[0])] {
        let answer = api.request("POST", &path, &[FULL], "").await;
        answer.assert_refused(&path, 405, "method_not_allowed", "GET");
        assert_eq!(answer.header("allow"), "GET, HEAD");
    }
}

#[tokio::test]
async fn what_is_unknown_or_of_another_email_is_not_found() {
    let (_redis, api) = start().await;
    let list = post(&api, json!([{"content": "AA=="}])).await;
    let other = post(&api, json!([{"content": "AA=="}])).await;
    let id = get(&api, &other).await.json["data"][0]["id"].as_str().unwrap().to_owned();
    for path in [
        format!("{list}/{id}"),
        format!("{list}/01890a5d-ac96-774b-bcce-b302099a8057"),
        "/emails/01890a5d-ac96-774b-bcce-b302099a8057/attachments".to_owned(),
    ] {
        get(&api, &path).await.assert_refused(&path, 404, "not_found", "not found");
    }
}

#[tokio::test]
async fn pages_follow_each_other() {
    let (_redis, api) = start().await;
    let hundred: Vec<_> = (0..100).map(|place| json!({"filename": place.to_string(), "content": ""})).collect();
    let list = post(&api, Value::from(hundred)).await;
    let (mut seen, mut query) = (Vec::new(), "?limit=40".to_owned());
    loop {
        let page = get(&api, &format!("{list}{query}")).await;
        let items = page.json["data"].as_array().unwrap();
        seen.extend(items.iter().map(|item| item["filename"].as_str().unwrap().to_owned()));
        if page.json["has_more"] == false {
            break;
        }
        query = format!("?limit=40&after={}", items[items.len() - 1]["id"].as_str().unwrap());
    }
    assert_eq!(seen, (0..100).map(|place| place.to_string()).collect::<Vec<_>>());
    assert_eq!(get(&api, &list).await.json["data"].as_array().unwrap().len(), 20);
}

#[tokio::test]
async fn a_hundred_attachments_are_the_limit() {
    let (_redis, api) = start().await;
    let email = |count| {
        json!({"from": "a@x.example", "to": "b@y.example", "subject": "s", "text": "t",
               "attachments": vec![json!({"content": ""}); count]})
    };
    let headers = [FULL, ("content-type", "application/json")];
    assert_eq!(api.request("POST", "/emails", &headers, email(100).to_string()).await.status, 200);
    let refused = api.request("POST", "/emails", &headers, email(101).to_string()).await;
    refused.assert_refused("101", 422, "validation_error", "attachments");
}

#[tokio::test]
async fn a_link_works_at_every_instance_of_the_api() {
    let (redis, api) = start().await;
    let other = Api::start_with(&redis.url(), KEYS).await;
    let list = post(&api, json!([{"content": "AAEC"}])).await;
    let at_other = link(&api, &list).await.replace(api.address(), other.address());
    assert_eq!(follow(&at_other).await.2, [0, 1, 2]);
    let at_first = link(&other, &list).await.replace(other.address(), api.address());
    assert_eq!(follow(&at_first).await.2, [0, 1, 2]);
}

#[tokio::test]
async fn a_file_as_large_as_a_request_can_carry_is_downloaded_whole() {
    let (_redis, api) = start().await;
    let bytes: Vec<u8> = (0..7_400_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let list = post(&api, json!([{"content": BASE64_STANDARD.encode(&bytes)}])).await;
    let (status, _, body) = follow(&link(&api, &list).await).await;
    assert_eq!(status, 200);
    assert!(body == bytes);
}

#[tokio::test]
async fn a_link_to_an_email_that_is_gone_leads_nowhere() {
    let (redis, api) = start().await;
    let list = post(&api, json!([{"content": "AAEC"}])).await;
    let url = link(&api, &list).await;
    let id = list.split('/').nth(2).unwrap();
    let () = redis::cmd("DEL").arg(format!("emails:email:{id}")).query(&mut redis.connection()).unwrap();
    assert_eq!(follow_refused(&url).await, (404, "not_found".into()));
}
