//! Which requests the API refuses: with which status and name.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod refusing;

use e2e::{Api, HttpConnection};
use refusing::Refusing;
use testkit::RedisServer;

const JSON: (&str, &str) = ("content-type", "application/json");
const EMAIL: &str = r#"{"to": "a@b.example", "message": "hi"}"#;

#[tokio::test]
async fn what_is_not_json_is_a_400() {
    let refusing = Refusing::start(&[]).await;
    let cases: [&[u8]; 19] = [
        b"",
        b" \n",
        b"{",
        br#"{"to": "a@b.example", "message": "hi""#,
        br#"{"to": "a@b.example", "message": "hi"#,
        br#"{"to": "a@b.example", "message": "hi",}"#,
        br#"{"to": ["a@b.example",], "message": "hi"}"#,
        br#"{"to": "a@b.example", "message": "hi"} x"#,
        br#"{"to": "a@b.example", "message": "hi"}{}"#,
        br#"{"to": "a@b.example" "message": "hi"}"#,
        b"{'to': 'a@b.example', 'message': 'hi'}",
        b"{to: \"a@b.example\", message: \"hi\"}",
        br#"{"to": "a@b.example", "message": NaN}"#,
        br#"{"to": "a@b.example", "message": "hi", "x": Infinity}"#,
        br#"{"to": "a@b.example", "message": "hi", "x": 01}"#,
        b"{\"to\": \"a@b.example\", \"message\": \"line\nbreak\"}",
        b"{\"to\": \"a@b.example\", \"message\": \"\xff\xfe\"}",
        b"\xff\xfe{\0\"\0",
        br#"{"to": "a@b.example", "message": "\x41"}"#,
    ];
    for body in cases {
        let refused = refusing.api.request("POST", "/emails", &[JSON], body).await;
        refused.assert_refused(&format!("{:.80}", String::from_utf8_lossy(body)), 400, "validation_error", "JSON");
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn nesting_of_thousands_of_levels_is_refused() {
    let refusing = Refusing::start(&[]).await;
    for field in ["unknown", "to", "headers", "attachments", "template"] {
        for (open, close) in [("[", "]"), (r#"{"a":"#, "}")] {
            let open = open.repeat(100_000);
            for close in ["", &close.repeat(100_000)] {
                let body = format!(r#"{{"recipient": "a@b.example", "message": "hi", "{field}": {open}{close}}}"#);
                let refused = refusing.api.request("POST", "/emails", &[JSON], body).await;
                refused.assert_refused(field, 400, "validation_error", "deep");
            }
        }
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn json_that_is_no_object_is_a_422() {
    let refusing = Refusing::start(&[]).await;
    // One that has the fields of an email in the order in which a server might read them.
    let list = r#"[null,"a@b.example",null,null,null,null,null,"hi",null,null,null,null,null,null,null,null,null]"#;
    for body in ["[]", "7", "null", "true", "\"a@b.example\"", "[{\"to\": \"a@b.example\", \"message\": \"hi\"}]", list]
    {
        let refused = refusing.api.request("POST", "/emails", &[JSON], body).await;
        refused.assert_refused(body, 422, "validation_error", "body");
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn a_key_that_stands_twice_is_a_422() {
    let refusing = Refusing::start(&[]).await;
    for (body, mention) in [
        (r#"{"to": "a@b.example", "to": "c@d.example", "message": "hi"}"#, "`to`"),
        (r#"{"to": "a@b.example", "message": "hi", "message": "hi"}"#, "`message`"),
        (r#"{"to": "a@b.example", "message": "hi", "headers": {"X-A": "1", "X-A": "2"}}"#, "`headers.X-A`"),
        (r#"{"to": "a@b.example", "message": "hi", "tags": [{"name": "a", "name": "b"}]}"#, "`name`"),
        (r#"{"to": "a@b.example", "message": "hi", "attachments": [{"content": "", "content": "YQ=="}]}"#, "`content`"),
    ] {
        let refused = refusing.api.request("POST", "/emails", &[JSON], body).await;
        refused.assert_refused(body, 422, "validation_error", mention);
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn a_body_that_is_not_declared_to_be_json_is_a_415() {
    let refusing = Refusing::start(&[]).await;
    for headers in [
        vec![],
        vec![("content-type", "")],
        vec![("content-type", "text/plain")],
        vec![("content-type", "text/json")],
        vec![("content-type", "application/x-www-form-urlencoded")],
        vec![("content-type", "multipart/form-data; boundary=x")],
        vec![("content-type", "application/jsonp")],
        vec![("content-type", "application/json; charset=iso-8859-1")],
    ] {
        let refused = refusing.api.request("POST", "/emails", &headers, EMAIL).await;
        refused.assert_refused(&format!("{headers:?}"), 415, "validation_error", "application/json");
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn a_body_of_the_largest_size_is_accepted_and_one_byte_more_is_a_413() {
    let refusing = Refusing::start(&[("max_body_bytes", "1000"), ("default_from", "a@b.example")]).await;
    let body = |length: usize| format!("{EMAIL}{}", " ".repeat(length - EMAIL.len()));
    for (length, status) in [(1000, 200), (1001, 413), (1_000_000, 413)] {
        let body = body(length);
        let answer = refusing.api.request("POST", "/emails", &[JSON], body.as_str()).await;
        assert_eq!(answer.status, status, "{length} bytes: {}", answer.json);

        let headers = ["Content-Type: application/json", "Transfer-Encoding: chunked"];
        let mut connection = HttpConnection::open(&refusing.api).await;
        connection.send_head("POST", "/emails", &headers).await;
        for chunk in body.as_bytes().chunks(700) {
            connection.send_chunk(chunk).await;
        }
        connection.send_chunk(b"").await;
        let answer = connection.answer().await;
        assert_eq!(answer.status, status, "{length} bytes in chunks: {}", answer.json);
        if status == 413 {
            answer.assert_refused("too large", 413, "validation_error", "1000");
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_although_the_client_has_not_sent_it_all() {
    let refusing = Refusing::start(&[]).await;
    for length in ["10485761", "67108864", "5000000000"] {
        let mut connection = HttpConnection::open(&refusing.api).await;
        let announced = format!("Content-Length: {length}");
        connection.send_head("POST", "/emails", &["Content-Type: application/json", &announced]).await;
        connection.send(br#"{"to": "#).await;
        connection.answer().await.assert_refused(length, 413, "validation_error", "10485760");
    }

    let mut connection = HttpConnection::open(&refusing.api).await;
    connection.send_head("POST", "/emails", &["Content-Type: application/json", "Transfer-Encoding: chunked"]).await;
    let chunk = vec![b' '; 1 << 20];
    for _ in 0..10 {
        connection.send_chunk(&chunk).await;
    }
    // The first byte too many, and neither the end of its chunk nor that of the body.
    connection.send("10\r\n ").await;
    connection.answer().await.assert_refused("in chunks", 413, "validation_error", "10485760");
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn a_client_that_goes_away_before_its_body_is_complete_leaves_nothing_behind() {
    let refusing = Refusing::start(&[]).await;
    for headers in [
        ["Content-Type: application/json", "Content-Length: 1000"],
        ["Content-Type: application/json", "Transfer-Encoding: chunked"],
    ] {
        let mut connection = HttpConnection::open(&refusing.api).await;
        connection.send_head("POST", "/emails", &headers).await;
        // A whole email, but not the whole body.
        match headers[1].ends_with("chunked") {
            true => connection.send_chunk(EMAIL.as_bytes()).await,
            false => connection.send(EMAIL).await,
        }
        connection.finish_sending().await;
        let rest = String::from_utf8(connection.rest().await).unwrap();
        assert!(rest.is_empty() || rest.starts_with("HTTP/1.1 400 "), "{rest}");
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn a_path_that_is_not_served_is_a_404() {
    let refusing = Refusing::start(&[]).await;
    for path in ["/", "/email", "/Emails", "/emails/batch/x", "/v1/emails", "/healthz/x", "/emails.json", "/%65mails"] {
        for method in ["GET", "POST", "DELETE"] {
            let refused = refusing.api.request(method, path, &[JSON], EMAIL).await;
            refused.assert_refused(&format!("{method} {path}"), 404, "not_found", "path");
        }
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn another_method_is_a_405_that_names_the_right_one() {
    let refusing = Refusing::start(&[]).await;
    let email = "/emails/01890a5d-ac96-774b-bcce-b302099a8057";
    for (path, allowed) in [
        ("/emails".to_owned(), "GET, HEAD, POST"),
        ("/emails/batch".to_owned(), "POST"),
        (email.to_owned(), "DELETE, GET, HEAD, PATCH"),
        (format!("{email}/cancel"), "POST"),
        (format!("{email}/retry"), "POST"),
        (format!("{email}/attachments"), "GET, HEAD"),
        ("/openapi.json".to_owned(), "GET, HEAD"),
        ("/healthz".to_owned(), "GET, HEAD"),
        ("/readyz".to_owned(), "GET, HEAD"),
    ] {
        let path = path.as_str();
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
            if allowed.split(", ").any(|allowed| allowed == method) {
                continue;
            }
            let refused = refusing.api.request(method, path, &[JSON], EMAIL).await;
            refused.assert_refused(&format!("{method} {path}"), 405, "method_not_allowed", allowed);
            assert_eq!(refused.header("allow"), allowed, "{method} {path}");
        }
        let mut connection = HttpConnection::open(&refusing.api).await;
        connection.send_head("HEAD", path, &["Connection: close"]).await;
        let (status, headers) = connection.head().await;
        match allowed.contains("HEAD") {
            true => assert_ne!(status, 405, "HEAD {path}"),
            false => assert_eq!((status, &headers["allow"]), (405, &allowed.parse().unwrap()), "HEAD {path}"),
        }
        assert!(connection.rest().await.is_empty(), "an answer to HEAD has no body");
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn an_id_of_no_email_is_a_404_and_what_is_no_id_a_422() {
    let refusing = Refusing::start(&[]).await;
    for id in ["01890a5d-ac96-774b-bcce-b302099a8057", "00000000-0000-0000-0000-000000000000"] {
        refusing.api.get(id).await.assert_refused(id, 404, "not_found", "Email");
    }
    for id in [
        "7",
        "waiting:normal",
        "01890a5dac96774bbcceb302099a8057",
        "{01890a5d-ac96-774b-bcce-b302099a8057}",
        "%0d%0a",
        "*",
    ] {
        refusing.api.get(id).await.assert_refused(id, 422, "invalid_parameter", "`id`");
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn a_client_that_is_refused_before_its_body_was_read_still_sees_the_answer() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[("api_keys", "re_right"), ("max_body_bytes", "1000000")]).await;
    let body = vec![b' '; 8_000_000];
    let length = format!("Content-Length: {}", body.len());
    let json = "Content-Type: application/json";
    let key = "Authorization: Bearer re_right";
    for (path, headers, status) in [
        ("/emails", vec![json], 401),
        ("/emails", vec![json, "Authorization: Bearer re_wrong"], 403),
        ("/emails", vec![key, "Content-Type: text/plain"], 415),
        ("/emails", vec![key, json], 413),
        ("/nothing", vec![key, json], 404),
        ("/healthz", vec![json], 405),
    ] {
        let mut connection = HttpConnection::open(&api).await;
        connection.send_head("POST", path, &[&headers[..], &[&length]].concat()).await;
        // A client that looks for the answer only when it has sent everything.
        connection.send(&body).await;
        assert_eq!(connection.answer().await.status, status, "{path} {headers:?}");
        // The connection is as good as before.
        connection.send_head("GET", "/healthz", &[]).await;
        assert_eq!(connection.answer().await.status, 200, "{path} {headers:?}");
    }
}
