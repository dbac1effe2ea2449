//! Access without keys: nobody, or with `open` programs on the same machine.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Api, HttpConnection};
use serde_json::json;
use testkit::RedisServer;

const JSON: (&str, &str) = ("content-type", "application/json");
const EMAIL: &str = r#"{"to": "a@b.example", "message": "hi"}"#;
const ID: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

/// Everything but health.
fn requests(id: &str) -> [(&'static str, String); 10] {
    [
        ("POST", "/emails".to_owned()),
        ("POST", "/emails/batch".to_owned()),
        ("GET", "/emails".to_owned()),
        ("HEAD", "/emails".to_owned()),
        ("GET", format!("/emails/{id}")),
        ("PATCH", format!("/emails/{id}")),
        ("POST", format!("/emails/{id}/cancel")),
        ("GET", format!("/emails/{id}/attachments")),
        ("GET", format!("/emails/{id}/attachments/{ID}/download?expires=9999999999&signature=00")),
        ("GET", "/openapi.json".to_owned()),
    ]
}

#[tokio::test]
async fn without_keys_nothing_but_health_is_served_and_the_refusal_names_both_ways_out() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("open", "")]).await;
    for (method, path) in requests(ID).into_iter().filter(|(method, _)| *method != "HEAD") {
        let refused = api.request(method, &path, &[JSON], EMAIL).await;
        for way_out in ["`api_keys`", "SPIN_VARIABLE_OPEN=loopback"] {
            refused.assert_refused(&format!("{method} {path}"), 401, "missing_api_key", way_out);
        }
    }
    for path in ["/healthz", "/readyz"] {
        assert_eq!(api.request("GET", path, &[], "").await.status, 200, "{path}");
    }
    assert_eq!(redis::cmd("DBSIZE").query::<usize>(&mut redis.connection()).unwrap(), 0);
}

/// What nginx sends with nothing but `proxy_pass`, and haproxy as it is for a stranger who asks for `localhost`.
#[tokio::test]
async fn a_stranger_behind_a_proxy_that_adds_nothing_gets_nothing() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("open", "")]).await;
    for (version, host) in [("1.0", api.address()), ("1.1", "localhost")] {
        let mut connection = HttpConnection::open(&api).await;
        let head = format!("POST /emails HTTP/{version}\r\nHost: {host}\r\nConnection: close\r\n");
        let length = EMAIL.len();
        connection
            .send(format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{EMAIL}"))
            .await;
        assert_eq!(connection.head().await.0, 401, "HTTP/{version} {host}");
    }
}

#[tokio::test]
async fn opened_to_this_machine_only_clients_on_it_that_came_through_no_proxy_are_served() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("open", "loopback")]).await;
    assert_eq!(api.request("POST", "/emails", &[JSON], EMAIL).await.status, 200);
    for (name, value) in [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "localhost"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-server", "localhost"),
        ("x-real-ip", "127.0.0.1"),
        ("forwarded", "for=127.0.0.1"),
        ("via", "1.1 proxy"),
        ("cf-connecting-ip", "127.0.0.1"),
        ("fly-client-ip", "127.0.0.1"),
        ("true-client-ip", "127.0.0.1"),
        // A web page whose name suddenly points to this machine.
        ("host", "evil.example"),
        ("host", "127.0.0.1.evil.example:3000"),
    ] {
        for (method, path) in [("POST", "/emails"), ("GET", "/emails"), ("GET", "/openapi.json")] {
            let refused = api.request(method, path, &[JSON, (name, value)], EMAIL).await;
            refused.assert_refused(&format!("{name}: {value}"), 401, "missing_api_key", "api_keys");
        }
    }
}

#[tokio::test]
async fn a_client_does_not_become_a_local_one_by_saying_so() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let headers = [JSON, ("x-forwarded-for", "192.0.2.7"), ("spin-client-addr", "127.0.0.1:1234")];
    let refused = api.request("POST", "/emails", &headers, EMAIL).await;
    refused.assert_refused("a forged address", 401, "missing_api_key", "api_keys");
    // Nor does a web page whose name suddenly points to this machine: it may set any header but `Host`.
    let headers = [JSON, ("host", "evil.example"), ("spin-full-url", "http://localhost/emails")];
    let refused = api.request("POST", "/emails", &headers, EMAIL).await;
    refused.assert_refused("a forged URL", 401, "missing_api_key", "api_keys");
}

#[tokio::test]
async fn the_web_page_of_another_site_neither_learns_nor_changes_anything() {
    let redis = redis();
    let api = Api::start(&redis).await;
    let email = json!({"to": "a@b.example", "message": "hi", "scheduled_at": "in 1 hour"});
    let id = api.accept(&email).await;
    let keys = || redis::cmd("DBSIZE").query::<usize>(&mut redis.connection()).unwrap();
    let before = keys();
    for foreign in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://127.0.0.1:1"),
    ] {
        for (method, path) in requests(&id).into_iter().filter(|(method, _)| *method != "HEAD") {
            let refused = api.request(method, &path, &[JSON, foreign], EMAIL).await;
            refused.assert_refused(&format!("{foreign:?}: {method} {path}"), 403, "invalid_permission", "another site");
        }
    }
    // What a page can have sent without asking, and a browser of long ago sends without a word of who has it sent.
    for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        let form = [("content-type", form)];
        for (method, path) in requests(&id).into_iter().filter(|(method, _)| *method != "HEAD") {
            let refused = api.request(method, &path, &form, EMAIL).await;
            assert!(matches!(refused.status, 403 | 415), "{form:?}: {method} {path}: {}", refused.json);
        }
    }
    assert_eq!((api.last_event(&id).await.as_str(), keys()), ("scheduled", before));

    let own = format!("http://{}", api.address());
    for own in [("origin", own.as_str()), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")] {
        assert_eq!(api.request("GET", &format!("/emails/{id}"), &[own], "").await.status, 200, "{own:?}");
    }
    // With a key a page has to be given it first.
    let with_keys = Api::start_with(&redis.url(), &[("api_keys", "re_key")]).await;
    let headers = [JSON, ("authorization", "Bearer re_key"), ("origin", "http://other.example")];
    assert_eq!(with_keys.request("POST", "/emails", &headers, EMAIL).await.status, 200);
}
