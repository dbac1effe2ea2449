//! Which field of an email the API refuses: with which status and name, and naming the field.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod refusing;

use base64::{Engine, prelude::BASE64_STANDARD};
use refusing::Refusing;
use serde_json::{Value, json};

/// Posts an email of the full form with one field replaced, or left out if it is null.
async fn assert_refused(refusing: &Refusing, field: &str, value: Value, status: u16, name: &str, mention: &str) {
    let mut email = json!({"from": "a@b.example", "to": "a@b.example", "subject": "Hi", "text": "Hello"});
    let case = format!("{field}: {:.200}", value.to_string());
    match value {
        Value::Null => email.as_object_mut().unwrap().remove(field),
        value => email.as_object_mut().unwrap().insert(field.to_owned(), value),
    };
    refusing.api.post(&email).await.assert_refused(&case, status, name, mention);
}

async fn assert_invalid(refusing: &Refusing, field: &str, value: Value, mention: &str) {
    assert_refused(refusing, field, value, 422, "validation_error", mention).await;
}

#[tokio::test]
async fn a_line_break_or_nul_in_whatever_becomes_a_header_is_a_422_that_names_the_field() {
    let refusing = Refusing::start(&[]).await;
    let file = |field: &str, value: &str| {
        let mut file = json!({"filename": "a.txt", "content": "YQ=="});
        file[field] = Value::from(value);
        json!([file])
    };
    for bad in ["\r", "\n", "\r\n", "\0", "\r\nBcc: x@evil.example\r\n"] {
        for (place, around) in [("before", ["", "X"]), ("within", ["X", "Y"]), ("behind", ["X", ""])] {
            let text = format!("{}{bad}{}", around[0], around[1]);
            let name_in_mailbox = format!("{text} <a@b.example>");
            let address = match place {
                "before" => format!("{bad}a@b.example"),
                "within" => format!("a{bad}a@b.example"),
                _ => format!("a@b.example{bad}"),
            };
            for field in ["from", "to", "cc", "bcc", "reply_to"] {
                for mailbox in [&name_in_mailbox, &address] {
                    let mention = format!("`{field}`");
                    assert_invalid(&refusing, field, json!(mailbox), &mention).await;
                    if field != "from" {
                        let list = json!(["ok@b.example", mailbox]);
                        let mention = format!("`{field}[1]`");
                        assert_invalid(&refusing, field, list, &mention).await;
                    }
                }
            }
            for (field, value, mention) in [
                ("subject", json!(text), "`subject`"),
                ("headers", json!({"X-A": text}), "`headers.X-A`"),
                ("headers", json!({&text: "value"}), "`headers."),
                ("attachments", file("filename", &text), "`attachments[0].filename`"),
                ("attachments", file("content_type", &format!("text/plain{text}")), "`attachments[0].content_type`"),
                ("attachments", file("content_id", &text), "`attachments[0].content_id`"),
                ("attachments", file("inline_content_id", &text), "`attachments[0].content_id`"),
                ("tags", json!([{"name": text}]), "`tags[0].name`"),
                ("tags", json!([{"name": "n", "value": text}]), "`tags[0].value`"),
            ] {
                assert_invalid(&refusing, field, value, mention).await;
            }
        }
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn a_field_that_must_be_there_and_is_not_is_named() {
    let refusing = Refusing::start(&[("default_from", "")]).await;
    for (field, mention) in [("from", "`from`"), ("to", "`to`"), ("subject", "`subject`"), ("text", "`html`")] {
        assert_refused(&refusing, field, Value::Null, 422, "missing_required_field", mention).await;
    }
    for (body, mention) in [
        ("{}", "`from`"),
        (r#"{"from": null, "to": "a@b.example", "subject": "Hi", "text": "hi"}"#, "`from`"),
        (r#"{"from": "", "to": "a@b.example", "subject": "Hi", "text": "hi"}"#, "`from`"),
        (r#"{"from": "a@b.example", "message": "hi"}"#, "`to`"),
        (r#"{"from": "a@b.example", "to": null, "message": "hi"}"#, "`to`"),
        (r#"{"from": "a@b.example", "to": [], "message": "hi"}"#, "`to`"),
        (r#"{"from": "a@b.example", "recipient": [], "message": "hi"}"#, "`recipient`"),
        (r#"{"from": "a@b.example", "to": "a@b.example"}"#, "`subject`"),
        (r#"{"from": "a@b.example", "to": "a@b.example", "subject": "Hi"}"#, "`html`"),
        (r#"{"from": "a@b.example", "to": "a@b.example", "message": "hi", "tags": [{}]}"#, "`tags[0].name`"),
    ] {
        let refused = refusing.api.request("POST", "/emails", &[("content-type", "application/json")], body).await;
        refused.assert_refused(body, 422, "missing_required_field", mention);
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn a_field_with_a_value_that_it_cannot_have_is_named() {
    let refusing = Refusing::start(&[]).await;
    let addresses = |count: usize| (0..count).map(|n| format!("{n}@b.example")).collect::<Vec<_>>();
    let long_local_part = format!("{}@b.example", "a".repeat(65));
    let long_name = format!("{} <a@b.example>", "n".repeat(321));
    for field in ["from", "to", "cc", "bcc", "reply_to"] {
        for text in ["nobody", "a@", "@b.example", "a b@c.example", "A <a@b.example", "a@b.example, c@d.example"] {
            assert_invalid(&refusing, field, json!(text), &format!("`{field}`")).await;
        }
        for value in [json!(7), json!(true), json!({"email": "a@b.example"}), json!(long_local_part), json!(long_name)]
        {
            assert_invalid(&refusing, field, value, &format!("`{field}`")).await;
        }
        if field == "from" {
            assert_invalid(&refusing, field, json!(["a@b.example"]), "`from`").await;
            continue;
        }
        for (value, mention) in [
            (json!(addresses(51)), format!("`{field}`")),
            (json!(["a@b.example", "nobody"]), format!("`{field}[1]`")),
            (json!(["a@b.example", 7]), format!("`{field}[1]`")),
            (json!(["a@b.example", null]), format!("`{field}[1]`")),
            (json!([["a@b.example"]]), format!("`{field}[0]`")),
        ] {
            assert_invalid(&refusing, field, value, &mention).await;
        }
    }
    let many = |count: usize| (0..count).map(|n| (format!("X-{n}"), "v")).collect::<std::collections::BTreeMap<_, _>>();
    for (field, value, mention) in [
        ("recipient", json!("a@b.example"), "`recipient`"),
        ("subject", json!(7), "`subject`"),
        ("subject", json!(["Hi"]), "`subject`"),
        ("subject", json!("s".repeat(999)), "`subject`"),
        ("subject", json!("bell \u{7}"), "`subject`"),
        ("text", json!(["Hello"]), "`text`"),
        ("message", json!("next to text"), "`message`"),
        ("html", json!({"body": ""}), "`html`"),
        ("headers", json!(["X-A: b"]), "`headers`"),
        ("headers", json!("X-A: b"), "`headers`"),
        ("headers", json!({"X-A": ["v"]}), "`headers"),
        ("headers", json!({"": "v"}), "`headers.`"),
        ("headers", json!({"X A": "v"}), "`headers.X A`"),
        ("headers", json!({"X:A": "v"}), "`headers.X:A`"),
        ("headers", json!({"X-Größe": "v"}), "`headers.X-Größe`"),
        ("headers", json!({"X-A": "1", "x-a": "2"}), "`headers.x-a`"),
        ("headers", json!({"X-A": "v".repeat(16_385)}), "`headers.X-A`"),
        ("headers", json!({"n".repeat(77): "v"}), "`headers.nnn"),
        ("headers", json!(many(101)), "`headers`"),
        ("tags", json!("kind"), "`tags`"),
        ("tags", json!(["two words"]), "`tags[0].name`"),
        ("tags", json!([["kind", "reset"]]), "`tags[0]`"),
        ("tags", json!([{"name": "two words"}]), "`tags[0].name`"),
        ("tags", json!([{"name": ""}]), "`tags[0].name`"),
        ("tags", json!([{"name": "n".repeat(257)}]), "`tags[0].name`"),
        ("tags", json!([{"name": "n", "value": "ü"}]), "`tags[0].value`"),
        ("tags", json!([{"name": "n", "value": 1.5}]), "`tags[0].value`"),
        ("tags", json!(vec![json!({"name": "n"}); 101]), "`tags`"),
        ("attachments", json!({"content": "YQ=="}), "`attachments`"),
        ("attachments", json!(["YQ=="]), "`attachments[0]`"),
        ("attachments", json!([["a.txt", "YQ==", null, null, null, null]]), "`attachments[0]`"),
        ("attachments", json!([{"content": "not base64!"}]), "`attachments[0].content`"),
        ("attachments", json!([{"content": "YQ="}, {"content": "Y"}]), "`attachments["),
        ("attachments", json!([{"content": ""}, {"content": [256]}]), "`attachments[1].content"),
        ("attachments", json!([{"content": [-1]}]), "`attachments[0].content"),
        ("attachments", json!([{"content": [1.5]}]), "`attachments[0].content"),
        ("attachments", json!([{"content": {"type": "Buffer"}}]), "`attachments[0].content`"),
        ("attachments", json!([{"content": 7}]), "`attachments[0].content`"),
        ("attachments", json!([{"content": "", "filename": "f".repeat(256)}]), "`attachments[0].filename`"),
        ("attachments", json!([{"content": "", "filename": 7}]), "`attachments[0].filename`"),
        ("attachments", json!([{"content": "", "content_type": "text"}]), "`attachments[0].content_type`"),
        ("attachments", json!([{"content": "", "content_type": "multipart/mixed"}]), "`attachments[0].content_type`"),
        (
            "attachments",
            json!([{"content": "", "content_type": format!("a/{}", "b".repeat(254))}]),
            "`attachments[0].content_type`",
        ),
        ("attachments", json!([{"content": "", "content_id": "<logo"}]), "`attachments[0].content_id`"),
        ("attachments", json!([{"content": "", "content_id": "c".repeat(129)}]), "`attachments[0].content_id`"),
        ("attachments", json!([{"path": "https://example.com/a.pdf"}]), "`attachments[0].path`"),
        ("attachments", json!([{"path": "file:///etc/passwd", "content": ""}]), "`attachments[0].path`"),
        ("attachments", json!(vec![json!({"content": ""}); 101]), "`attachments`"),
        ("scheduled_at", json!("soon"), "`scheduled_at`"),
        ("scheduled_at", json!("2020-01-01T00:00:00Z"), "`scheduled_at`"),
        ("scheduled_at", json!("in 31 days"), "`scheduled_at`"),
        ("scheduled_at", json!("2999-02-30T00:00:00Z"), "`scheduled_at`"),
        ("scheduled_at", json!(1_900_000_000), "`scheduled_at`"),
        ("priority", json!("urgent"), "`priority`"),
        ("priority", json!(1), "`priority`"),
        ("priority", json!({"high": null}), "`priority`"),
        ("template", json!({"id": "welcome"}), "`template`"),
        ("topic_id", json!("news"), "`topic_id`"),
    ] {
        assert_invalid(&refusing, field, value, mention).await;
    }
    for own in [
        "From",
        "to",
        "CC",
        "Bcc",
        "Reply-To",
        "Subject",
        "Date",
        "Message-ID",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
        "Return-Path",
        "Delivered-To",
        "X-Original-To",
        "Received",
        "Received-SPF",
        "Authentication-Results",
        "ARC-Seal",
        "ARC-Authentication-Results",
        "DKIM-Signature",
        "DomainKey-Signature",
        "Sender",
        "Resent-From",
        "Resent-Sender",
        "Resent-Bcc",
        "Content-Disposition",
        "Content-ID",
    ] {
        let mention = format!("`headers.{own}`");
        assert_invalid(&refusing, "headers", json!({own: "v"}), &mention).await;
    }
    for file in [json!({"filename": "a.txt"}), json!({"filename": "a.txt", "content": null})] {
        let mention = "`attachments[0].content`";
        assert_refused(&refusing, "attachments", json!([file]), 422, "invalid_attachment", mention).await;
    }
    refusing.assert_untouched().await;
}

#[tokio::test]
async fn a_value_at_the_edge_of_what_is_allowed_is_accepted() {
    let refusing = Refusing::start(&[]).await;
    let addresses: Vec<_> = (0..50).map(|n| format!("{n}@b.example")).collect();
    let headers: serde_json::Map<_, _> = (0..100).map(|n| (format!("X-{n}"), json!("v"))).collect();
    for (field, value) in [
        ("to", json!(addresses)),
        ("cc", json!(addresses)),
        ("cc", json!([])),
        ("from", json!(format!("{} <{}@b.example>", "ü".repeat(320), "a".repeat(64)))),
        ("subject", json!("ä".repeat(998))),
        ("subject", json!("")),
        ("headers", json!(headers)),
        ("headers", json!({"n".repeat(76): "v".repeat(998)})),
        ("headers", json!({"References": vec!["<a@b.example>"; 1_000].join(" ")})),
        ("headers", json!({"List-Unsubscribe": format!("<{}>", "u".repeat(995))})),
        ("headers", json!({"Message-ID": "<own@b.example>", "Date": "Thu, 26 Nov 2026 09:00:00 +0000"})),
        ("headers", json!({"Reply-To": "Desk <desk@b.example>, b@b.example"})),
        ("tags", json!(vec![json!({"name": "n".repeat(256), "value": "v".repeat(256)}); 100])),
        ("attachments", json!(vec![json!({"content": ""}); 100])),
        ("attachments", json!([{"content": "", "content_type": "message/rfc822", "content_id": "<logo@b.example>"}])),
        ("attachments", json!([{"content": BASE64_STANDARD.encode([0; 100]), "filename": "f".repeat(255)}])),
        ("scheduled_at", json!("in 29 days")),
    ] {
        let mut email = json!({"from": "a@b.example", "to": "a@b.example", "subject": "Hi", "text": "Hello"});
        email[field] = value;
        refusing.api.accept(&email).await;
    }
}
