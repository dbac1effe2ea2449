use email_queue::{
    Submission,
    email::{
        MAX_ATTACHMENT_BYTES, MAX_ATTACHMENTS, MAX_HEADERS, MAX_RECIPIENTS, MAX_SUBJECT, MAX_TAGS,
        batch::{self, MAX_BATCH},
        schedule::MAX_AHEAD,
    },
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::document::Document;

#[test]
fn every_field_that_is_read_is_described_and_no_other() {
    let document = Document::load();
    let wire = include_str!("../../../email-queue/src/email/wire.rs");
    let tag = include_str!("../../../email-queue/src/email/tag.rs");
    for (schema, source, name) in [
        ("NewEmail", wire, "Submission"),
        ("NewAttachment", wire, "Attachment"),
        ("Reschedule", wire, "Change"),
        ("NewTag", tag, "Tag"),
    ] {
        assert_eq!(fields(source, name), document.properties(schema), "{schema}");
    }
}

/// The names of the fields of a struct, sorted. They are what serde reads, as none is renamed; another spelling is an alias.
fn fields<'a>(source: &'a str, name: &str) -> Vec<&'a str> {
    let (_, body) = source.split_once(&format!("struct {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    assert!(!body.contains("rename"), "{name}");
    let lines = body.lines().filter_map(|line| line.trim().strip_prefix("pub"));
    let mut names: Vec<_> = lines.map(|line| line.trim_start_matches("(super)").trim()).collect();
    names.iter_mut().for_each(|line| *line = line.split_once(':').unwrap().0);
    names.sort_unstable();
    names
}

fn email(field: &str, value: Value) -> Value {
    let mut email = json!({"from": "a@b.example", "to": "a@b.example", "subject": "s", "text": "t"});
    email[field] = value;
    email
}

/// Checks that document and code say the same of an email.
#[track_caller]
fn check(document: &Document, email: &Value, allowed: bool) {
    let accepted = Submission::from_request(email.to_string().as_bytes(), None, Timestamp::now());
    assert_eq!(accepted.is_ok(), allowed, "the code on {email:.300}: {accepted:.300?}");
    assert_eq!(document.schema("NewEmail").is_valid(email), allowed, "the document on {email:.300}");
}

#[test]
fn every_limit_is_the_same_in_the_document_and_in_the_code() {
    let document = Document::load();
    let addresses = |count: usize| json!(vec!["a@b.example"; count]);
    let files = |count: usize| json!(vec![json!({"content": ""}); count]);
    let tags = |count: usize| json!(vec![json!({"name": "n"}); count]);
    let headers = |count: usize| (0..count).map(|n| (format!("X-{n}"), json!("v"))).collect::<Value>();
    let text = |length: usize| json!("x".repeat(length));
    let file = |field: &str, length: usize| json!([{"content": "", field: "x".repeat(length)}]);
    let tag = |name: usize, value: usize| json!([{"name": "x".repeat(name), "value": "x".repeat(value)}]);
    let time = |length: usize| json!(format!("{:<length$}", "in 1 hour"));
    let header = |name: usize, value: usize| json!({"x".repeat(name): "x".repeat(value)});
    for (field, at_the_edge, beyond) in [
        ("to", addresses(MAX_RECIPIENTS), addresses(MAX_RECIPIENTS + 1)),
        ("cc", addresses(MAX_RECIPIENTS), addresses(MAX_RECIPIENTS + 1)),
        ("bcc", addresses(MAX_RECIPIENTS), addresses(MAX_RECIPIENTS + 1)),
        ("reply_to", addresses(MAX_RECIPIENTS), addresses(MAX_RECIPIENTS + 1)),
        ("subject", text(MAX_SUBJECT), text(MAX_SUBJECT + 1)),
        ("headers", headers(MAX_HEADERS), headers(MAX_HEADERS + 1)),
        ("headers", header(76, 998), header(77, 998)),
        ("headers", header(1, 16_384), header(1, 16_385)),
        ("headers", header(1, 0), header(0, 1)),
        ("tags", tags(MAX_TAGS), tags(MAX_TAGS + 1)),
        ("tags", tag(256, 256), tag(257, 256)),
        ("tags", tag(1, 0), tag(0, 0)),
        ("tags", headers(MAX_TAGS), headers(MAX_TAGS + 1)),
        ("tags", tag(1, 256), tag(1, 257)),
        ("attachments", files(MAX_ATTACHMENTS), files(MAX_ATTACHMENTS + 1)),
        ("attachments", file("filename", 255), file("filename", 256)),
        ("attachments", file("content_id", 128), file("content_id", 129)),
        ("attachments", file("inline_content_id", 128), file("inline_content_id", 129)),
        ("scheduled_at", time(100), time(101)),
    ] {
        check(&document, &email(field, at_the_edge), true);
        check(&document, &email(field, beyond), false);
    }
    // What no schema can count is said in words.
    for (pointer, limit) in [
        ("NewEmail/properties/attachments", format!("{} MiB", MAX_ATTACHMENT_BYTES >> 20)),
        ("Time", format!("{} days", MAX_AHEAD.as_hours() / 24)),
    ] {
        let description = document.at(&format!("/components/schemas/{pointer}/description")).as_str().unwrap();
        assert!(description.contains(&limit), "{description}");
    }
    let requests = document.at("/paths/~1emails~1batch/post/requestBody/content/application~1json/schema");
    let requests = document.validator(requests);
    for (count, allowed) in [(0, false), (1, true), (MAX_BATCH, true), (MAX_BATCH + 1, false)] {
        let batch = json!(vec![email("cc", Value::Null); count]);
        assert_eq!(batch::read(batch.to_string().as_bytes(), None, Timestamp::now()).is_ok(), allowed, "{count}");
        assert_eq!(requests.is_valid(&batch), allowed, "{count}");
    }
}

#[test]
fn what_a_field_may_be_is_the_same_in_the_document_and_in_the_code() {
    let document = Document::load();
    for field in [
        "cc",
        "bcc",
        "reply_to",
        "html",
        "headers",
        "tags",
        "attachments",
        "scheduled_at",
        "priority",
        "template",
        "topic_id",
        "message",
        "recipient",
    ] {
        check(&document, &email(field, Value::Null), true);
        // A list can only be a list.
        check(&document, &email(field, json!("")), field != "attachments");
        check(&document, &email(field, json!(7)), false);
    }
    for (field, value, allowed) in [
        ("from", json!(7), false),
        ("from", json!(["a@b.example"]), false),
        ("to", json!([7]), false),
        ("to", Value::Null, false),
        ("to", json!("a@b.example\r\n"), false),
        ("subject", Value::Null, false),
        ("subject", json!("tab\tis good"), true),
        ("subject", json!("line\nbreak"), false),
        ("subject", json!("\u{85}"), false),
        ("text", Value::Null, false),
        ("text", json!(""), false),
        ("to", json!(""), false),
        ("to", json!([]), false),
        ("message", json!("and a text"), false),
        ("recipient", json!("and@a.to"), false),
        ("headers", json!({"X-A": "b"}), true),
        ("headers", json!({"X-A": 7, "X-B": 1.5, "X-C": null}), true),
        ("headers", json!({"X-A": ["b"]}), false),
        ("headers", json!([]), true),
        ("headers", json!({"X A": "b"}), false),
        ("headers", json!({"X:A": "b"}), false),
        ("headers", json!({"X-A": "b\r\nBcc: c"}), false),
        ("headers", json!(["X-A: b"]), false),
        ("tags", json!([{"name": "a b"}]), false),
        ("tags", json!([{"value": "a"}]), false),
        ("tags", json!([{"name": "a", "value": null}]), true),
        ("tags", json!([{"name": 7, "value": 7}, "a", {"X-Tag": "b"}]), true),
        ("tags", json!({"name": "a", "value": "b"}), true),
        ("tags", json!({"a": "b", "c": 7}), true),
        ("tags", json!({}), true),
        ("tags", json!([{}]), false),
        ("tags", json!({"name": null}), false),
        ("tags", json!([{"name": null, "a": "b"}]), false),
        ("tags", json!({"a": 1.5}), false),
        ("tags", json!({"a": "b c"}), false),
        ("tags", json!({"a": {"b": "c"}}), false),
        ("tags", json!(["a b"]), false),
        ("attachments", json!([{"content": [0, 255]}]), true),
        ("attachments", json!([{"content": {"type": "Buffer", "data": [0]}}]), true),
        ("attachments", json!([{"content": [256]}]), false),
        ("attachments", json!([{"content": {"type": "Buffer"}}]), false),
        ("attachments", json!([{"content": null}]), false),
        ("attachments", json!([{"filename": "a"}]), false),
        ("attachments", json!([{"content": "", "path": null, "filename": null, "content_type": null}]), true),
        (
            "attachments",
            json!([{"content": "", "path": "", "filename": "", "content_type": "", "content_id": ""}]),
            true,
        ),
        ("attachments", json!([{"content": "", "path": "https://example.com/a"}]), false),
        ("attachments", json!([{"content": "", "content_type": "text"}]), false),
        ("attachments", json!([{"content": "", "content_id": "<a>"}]), true),
        ("attachments", json!([{"content": "", "content_id": "a", "inline_content_id": "<a"}]), false),
        ("attachments", json!([{"content": "", "filename": "a\nb"}]), false),
        ("priority", json!("high"), true),
        ("priority", json!("urgent"), false),
        ("scheduled_at", json!("tomorrow at 9am"), true),
        ("template", json!({"id": "welcome"}), false),
        ("topic_id", json!("news"), false),
        ("unknown", json!("is ignored"), true),
    ] {
        check(&document, &email(field, value), allowed);
    }
    for (short_form, allowed) in [
        (json!({"from": "a@b.example", "recipient": "a@b.example", "message": "hi"}), true),
        (json!({"from": "a@b.example", "to": "a@b.example", "message": "hi", "html": "hi"}), true),
        (json!({"from": "a@b.example", "to": "a@b.example", "message": "hi", "html": "hi", "text": ""}), true),
        (json!({"from": "a@b.example", "to": "", "recipient": "a@b.example", "message": "hi", "text": ""}), true),
        (json!({"from": "a@b.example", "to": "a@b.example", "message": ""}), false),
        (json!({"from": "a@b.example", "to": "a@b.example", "html": "hi"}), false),
        (json!({"from": "a@b.example", "message": "hi"}), false),
        (json!("a@b.example"), false),
    ] {
        check(&document, &short_form, allowed);
    }
}
