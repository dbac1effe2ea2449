use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::email::with_sender;

const NOW: &str = "2026-11-25T10:20:30Z";

fn read(json: Value) -> Result<Submission, Invalid> {
    Submission::from_request(json.to_string().as_bytes(), None, NOW.parse().unwrap())
}

/// An email of the full form, with some fields replaced; a field given as null is left out.
fn full(fields: Value) -> Value {
    let mut email = json!({"from": "a@example.com", "to": "b@example.com", "subject": "Hi", "text": "Hello"});
    for (name, value) in fields.as_object().unwrap() {
        match value {
            Value::Null => email.as_object_mut().unwrap().remove(name),
            value => email.as_object_mut().unwrap().insert(name.clone(), value.clone()),
        };
    }
    email
}

#[track_caller]
fn check_refused(fields: Value, kind: InvalidKind, field: &str) {
    let refused = read(full(fields)).unwrap_err();
    assert_eq!((refused.kind, refused.field.as_str()), (kind, field), "{refused}");
}

fn texts(mailboxes: &[Mailbox]) -> Vec<String> {
    mailboxes.iter().map(ToString::to_string).collect()
}

#[test]
fn the_short_form_needs_only_a_recipient_and_a_message() {
    let sender: Mailbox = "Queue <queue@example.com>".parse().unwrap();
    for to in ["to", "recipient"] {
        let json = json!({to: "b@example.com", "message": "Hello"}).to_string();
        let submission = Submission::from_request(json.as_bytes(), Some(&sender), NOW.parse().unwrap()).unwrap();
        assert_eq!(submission.email.from, sender);
        assert_eq!(texts(&submission.email.to), ["b@example.com"]);
        assert_eq!((submission.email.subject.as_str(), submission.email.text.as_deref()), ("", Some("Hello")));
        assert_eq!((submission.lane, submission.scheduled_at), (Lane::Normal, None));
    }
}

#[test]
fn the_short_form_leaves_it_to_the_worker_who_sends_it() {
    let json = json!({"to": "b@example.com", "message": "Hello"});
    let submission = read(json.clone()).unwrap();
    assert!(!submission.names_sender);
    let kept = submission.to_json();
    assert_eq!(
        serde_json::from_slice::<Value>(&kept).unwrap(),
        json!({"to": ["b@example.com"], "subject": "", "text": "Hello"})
    );
    let sender: Mailbox = "\"Shop, Inc.\" <shop@example.com>".parse().unwrap();
    let sent = Submission::from_list(kept.as_slice(), Some(&sender), NOW.parse().unwrap()).unwrap();
    assert_eq!((&sent.email.from, sent.names_sender), (&sender, false));
    // Whoever sends it fixes that.
    let named = with_sender(&kept, &sender).unwrap();
    let again = Submission::from_list(named.as_slice(), None, NOW.parse().unwrap()).unwrap();
    assert_eq!((&again.email, again.names_sender), (&sent.email, true));
    assert_eq!(again.to_json(), again.email.to_json());

    check_refused(json!({"from": null}), InvalidKind::Missing, "from");
    // So it is of a record, in any form.
    let record = br#"{"to":["b@example.com"],"subject":"s","html":"h"}"#;
    let stored = Submission::from_list(&record[..], None, NOW.parse().unwrap()).unwrap();
    assert_eq!(stored.to_json(), record);
}

#[test]
fn the_full_form_keeps_every_field() {
    let submission = read(full(json!({
        "from": "Ada <a@example.com>",
        "to": ["b@example.com", "C <c@example.com>"], "cc": "d@example.com", "bcc": ["e@example.com"], "reply_to": "f@example.com",
        "html": "<p>Hello</p>", "headers": {"List-Unsubscribe": "<https://example.com/u>", "X-Ref": "äöü"},
        "tags": [{"name": "kind", "value": "reset"}, {"name": "bare"}],
        "attachments": [{"filename": "a.pdf", "content": "AAEC"}],
        "scheduled_at": "in 1 hour", "priority": "high",
    })))
    .unwrap();
    let email = &submission.email;
    assert_eq!(email.from.to_string(), "Ada <a@example.com>");
    assert_eq!(texts(&email.to), ["b@example.com", "C <c@example.com>"]);
    assert_eq!(texts(&email.cc), ["d@example.com"]);
    assert_eq!(texts(&email.bcc), ["e@example.com"]);
    assert_eq!(texts(&email.reply_to), ["f@example.com"]);
    assert_eq!(email.headers[1].value, "äöü");
    assert_eq!(email.tags[1].value, "");
    assert_eq!(
        (email.attachments[0].content.decode().as_slice(), email.attachments[0].content_type.as_str()),
        (&[0, 1, 2][..], "application/pdf")
    );
    assert_eq!(submission.lane, Lane::High);
    assert_eq!(submission.scheduled_at, Some("2026-11-25T11:20:30Z".parse().unwrap()));
}

#[test]
fn a_missing_field_is_named() {
    check_refused(json!({"from": null}), InvalidKind::Missing, "from");
    check_refused(json!({"to": null}), InvalidKind::Missing, "to");
    check_refused(json!({"to": []}), InvalidKind::Missing, "to");
    check_refused(json!({"subject": null}), InvalidKind::Missing, "subject");
    check_refused(json!({"text": null}), InvalidKind::Missing, "html");
    check_refused(json!({"tags": [{"value": "x"}]}), InvalidKind::Missing, "tags[0].name");
}

#[test]
fn a_bad_value_is_named_with_its_place() {
    check_refused(json!({"from": "nobody"}), InvalidKind::Value, "from");
    check_refused(json!({"to": ["b@example.com", "nobody"]}), InvalidKind::Value, "to[1]");
    check_refused(json!({"to": {"address": "b@example.com"}}), InvalidKind::Value, "to");
    check_refused(json!({"to": [1]}), InvalidKind::Value, "to[0]");
    check_refused(json!({"cc": "b@example.com\r\n"}), InvalidKind::Value, "cc");
    check_refused(json!({"subject": "Hi\nBcc: x@example.com"}), InvalidKind::Value, "subject");
    check_refused(json!({"subject": "Hi\r"}), InvalidKind::Value, "subject");
    check_refused(json!({"subject": 7}), InvalidKind::Value, "subject");
    check_refused(json!({"headers": {"X-A": "b\r\nc"}}), InvalidKind::Value, "headers.X-A");
    check_refused(json!({"headers": {"X A": "b"}}), InvalidKind::Value, "headers.X A");
    check_refused(json!({"headers": {"X-A\r\nBcc": "b"}}), InvalidKind::Value, "headers.X-A??Bcc");
    check_refused(json!({"headers": {"bcc": "x@example.com"}}), InvalidKind::Value, "headers.bcc");
    check_refused(json!({"headers": {"X-A": "1", "x-a": "2"}}), InvalidKind::Value, "headers.x-a");
    check_refused(json!({"headers": ["X-A"]}), InvalidKind::Value, "headers");
    check_refused(json!({"tags": [{"name": "a b", "value": ""}]}), InvalidKind::Value, "tags[0].name");
    check_refused(json!({"scheduled_at": "yesterday"}), InvalidKind::Value, "scheduled_at");
    check_refused(json!({"scheduled_at": "2020-01-01T00:00:00Z"}), InvalidKind::Value, "scheduled_at");
    check_refused(json!({"scheduled_at": "in 31 days"}), InvalidKind::Value, "scheduled_at");
    check_refused(json!({"priority": "urgent"}), InvalidKind::Value, "priority");
    check_refused(json!({"priority": 1}), InvalidKind::Value, "priority");
    check_refused(json!({"priority": {"high": null}}), InvalidKind::Value, "priority");
    check_refused(json!({"message": "next to text"}), InvalidKind::Value, "message");
    check_refused(json!({"attachments": [{"content": "!"}]}), InvalidKind::Value, "attachments[0].content");
    check_refused(
        json!({"attachments": [{"content": "", "content_type": "multipart/mixed"}]}),
        InvalidKind::Value,
        "attachments[0].content_type",
    );
    check_refused(
        json!({"attachments": [{"content": "", "filename": "a\r\nb"}]}),
        InvalidKind::Value,
        "attachments[0].filename",
    );
}

#[test]
fn a_header_may_be_as_long_as_it_can_be_folded() {
    let ids = vec!["<id@mail.example.com>"; 700].join(" ");
    let taken = |name: &str, value: &str| read(full(json!({"headers": {name: value}}))).is_ok();
    assert!(taken("References", &ids) && taken("X-Text", &ids) && taken("List-Unsubscribe", &"u".repeat(997)));
    assert!(!taken("List-Unsubscribe", &"u".repeat(998)) && taken("X-Text", &"u".repeat(16_384)));
    assert!(!taken("X-Text", &"u".repeat(16_385)));
    let many = |count: usize| {
        let headers: serde_json::Map<_, _> =
            (0..count).map(|n| (format!("X-{n}"), Value::from("v".repeat(16_000)))).collect();
        read(full(json!({"headers": headers}))).is_ok()
    };
    assert!(many(8) && !many(9));
}

#[test]
fn what_only_others_write_is_refused_but_sent_where_it_was_accepted_before() {
    for name in [
        "Received",
        "Received-SPF",
        "Authentication-Results",
        "Resent-From",
        "Resent-Message-ID",
        "Sender",
        "DKIM-Signature",
        "ARC-Seal",
        "Delivered-To",
        "Original-Recipient",
        "X-Envelope-From",
        "Content-ID",
    ] {
        check_refused(json!({"headers": {name: "x"}}), InvalidKind::Value, &format!("headers.{name}"));
        let record = full(json!({"headers": {name: "x"}})).to_string();
        assert!(Submission::from_list(record.as_bytes(), None, NOW.parse().unwrap()).is_ok(), "{name}");
    }
    check_refused(json!({"headers": {"Message-ID": "x"}}), InvalidKind::Value, "headers.Message-ID");
    check_refused(json!({"headers": {"Date": "now"}}), InvalidKind::Value, "headers.Date");
}

#[test]
fn a_message_id_of_the_clients_own_is_the_emails() {
    let id = crate::EmailId::new();
    let submission = read(full(json!({"headers": {"message-id": " <own@x.example>"}}))).unwrap();
    assert_eq!(submission.email.message_id(id), "<own@x.example>");
    assert_eq!(read(full(json!({}))).unwrap().email.message_id(id), format!("<{id}@example.com>"));
}

#[test]
fn reply_to_may_be_given_among_the_headers_too() {
    let header = |value: &str, more: Value| {
        let mut fields = json!({"headers": {"Reply-To": value, "X-A": "1"}});
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        read(full(fields))
    };
    let two = r#""Doe, Jane" <j@example.com>, k@example.com"#;
    let submission = header(two, json!({})).unwrap();
    assert_eq!(texts(&submission.email.reply_to), [r#""Doe, Jane" <j@example.com>"#, "k@example.com"]);
    assert_eq!(submission.email.headers.len(), 1);
    assert!(header(two, json!({"reply_to": ["j@example.com", "K <k@example.com>"]})).is_ok());
    assert_eq!(header(two, json!({"reply_to": "j@example.com"})).unwrap_err().field, "headers.Reply-To");
    assert_eq!(header("nobody", json!({})).unwrap_err().field, "headers.Reply-To");
}

#[test]
fn a_message_can_be_attached_and_a_content_id_stand_in_brackets() {
    let file =
        |file: Value| read(full(json!({"attachments": [file]}))).map(|mut read| read.email.attachments.remove(0));
    assert_eq!(file(json!({"content": "", "filename": "a.eml"})).unwrap().content_type, "message/rfc822");
    assert_eq!(file(json!({"content": "", "content_type": "message/rfc822"})).unwrap().content_type, "message/rfc822");
    assert!(file(json!({"content": "", "content_type": format!("a/{}", "b".repeat(254))})).is_err());
    let logo = file(json!({"content": "", "content_id": "<logo@example>"})).unwrap();
    assert_eq!(logo.content_id.as_deref(), Some("logo@example"));
    assert!(file(json!({"content": "", "content_id": "<a><b>"})).is_err());
}

#[test]
fn an_attachment_without_bytes_and_a_remote_one_are_refused() {
    check_refused(json!({"attachments": [{"filename": "a"}]}), InvalidKind::Attachment, "attachments[0].content");
    let remote = json!({"attachments": [{"path": "http://169.254.169.254/"}]});
    check_refused(remote, InvalidKind::NotServed, "attachments[0].path");
}

#[test]
fn what_is_not_served_is_refused_and_a_null_is_nothing() {
    check_refused(json!({"template": {"id": "x"}}), InvalidKind::NotServed, "template");
    check_refused(json!({"topic_id": "x"}), InvalidKind::NotServed, "topic_id");
    let json =
        br#"{"from": "a@b.c", "to": "a@b.c", "subject": "", "text": "x", "topic_id": null, "cc": null, "tags": null}"#;
    assert!(Submission::from_request(json, None, NOW.parse().unwrap()).is_ok());
}

#[test]
fn an_empty_text_for_what_may_be_left_out_means_none() {
    let empty = full(json!({
        "cc": "", "bcc": "", "reply_to": "", "html": "", "message": "", "recipient": "", "headers": "", "tags": "",
        "scheduled_at": "", "priority": "", "template": "", "topic_id": "",
        "attachments": [{"content": "", "filename": "", "content_type": "", "content_id": "", "path": ""}],
    }));
    let without = full(json!({"attachments": [{"content": ""}]}));
    assert_eq!(read(empty).unwrap(), read(without).unwrap());
    for field in ["from", "to"] {
        check_refused(json!({field: ""}), InvalidKind::Missing, field);
    }
}

#[test]
fn an_empty_text_next_to_html_asks_for_no_text_and_nothing_at_all_is_refused() {
    let html = json!("<p>Hello</p>");
    assert_eq!(read(full(json!({"text": "", "html": html}))).unwrap().email.text.as_deref(), Some(""));
    assert_eq!(read(full(json!({"text": null, "html": html}))).unwrap().email.text, None);
    assert_eq!(read(full(json!({"html": ""}))).unwrap().email.html, None);
    check_refused(json!({"text": ""}), InvalidKind::Missing, "html");
    check_refused(json!({"text": "", "html": ""}), InvalidKind::Missing, "html");
    check_refused(json!({"text": "", "html": "", "message": ""}), InvalidKind::Missing, "html");
}

#[test]
fn names_as_sdks_spell_them_mean_the_same() {
    let snake = full(json!({
        "reply_to": "c@example.com", "scheduled_at": "in 1 hour", "topic_id": null,
        "attachments": [{"content": "", "content_type": "text/css", "content_id": "a"}],
    }));
    let camel = full(json!({
        "replyTo": "c@example.com", "scheduledAt": "in 1 hour", "topicId": null,
        "attachments": [{"content": "", "contentType": "text/css", "inlineContentId": "a"}],
    }));
    assert_eq!(read(camel).unwrap(), read(snake).unwrap());
    check_refused(json!({"replyTo": "c@example.com", "reply_to": "d@example.com"}), InvalidKind::Value, "");
}

#[test]
fn an_unknown_name_is_refused_where_a_known_one_is_close_and_else_ignored() {
    let refused = read(full(json!({"schedule_at": "in 1 hour"}))).unwrap_err();
    assert_eq!((refused.kind, refused.field.as_str()), (InvalidKind::Value, "schedule_at"));
    assert!(refused.reason.contains("scheduled_at"), "{refused}");
    check_refused(json!({"Bcc": "c@example.com"}), InvalidKind::Value, "Bcc");
    let file = json!({"attachments": [{"content": ""}, {"content": "", "contenttype": "a/b"}]});
    check_refused(file, InvalidKind::Value, "attachments[1].contenttype");
    assert!(read(full(json!({"react": {}, "metadata": null, "id": 7, "Größe": [], "": ""}))).is_ok());
    // No client would get the error then.
    let pushed = full(json!({"schedule_at": "in 1 hour"})).to_string();
    assert!(Submission::from_list(pushed.as_bytes(), None, NOW.parse().unwrap()).is_ok());
}

#[test]
fn half_a_surrogate_pair_becomes_a_replacement_character_wherever_it_stands() {
    let json = r#"{"from": "A\udf89 <a@b.c>", "to": "a@b.c", "subject": "Party \ud83c", "text": "\ud83c\udf89 \\ud83c",
        "x\ud83c": "\ud83c", "headers": {"X-A": "\ud83c."}}"#;
    let email = Submission::from_request(json.as_bytes(), None, NOW.parse().unwrap()).unwrap().email;
    assert_eq!((email.from.name(), email.subject.as_str()), (Some("A\u{fffd}"), "Party \u{fffd}"));
    assert_eq!((email.text.as_deref(), email.headers[0].value.as_str()), (Some("\u{1f389} \\ud83c"), "\u{fffd}."));
    check_refused(json!({"headers": {"X\u{fffd}": ""}}), InvalidKind::Value, "headers.X\u{fffd}");
}

#[test]
fn headers_and_tags_are_read_in_every_form_that_clients_send() {
    let headers = |headers: Value| {
        let email = read(full(json!({"headers": headers}))).unwrap().email;
        email.headers.into_iter().map(|header| (header.name, header.value)).collect::<Vec<_>>()
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(headers(json!([])), []);
    let numbers = json!({"X-A": 7, "X-B": -1, "X-C": 1.5, "X-D": true, "X-E": null});
    assert_eq!(headers(numbers), [pair("X-A", "7"), pair("X-B", "-1"), pair("X-C", "1.5"), pair("X-D", "true")]);

    let tags = |tags: Value| {
        let email = read(full(json!({"tags": tags}))).unwrap().email;
        email.tags.into_iter().map(|tag| (tag.name, tag.value)).collect::<Vec<_>>()
    };
    assert_eq!(tags(json!([])), []);
    assert_eq!(tags(json!({})), []);
    assert_eq!(tags(json!([{"name": "kind", "value": 7}, "bare"])), [pair("kind", "7"), pair("bare", "")]);
    for object in [json!({"X-Tag": "reset", "kind": 7}), json!([{"X-Tag": "reset"}, {"kind": 7}])] {
        assert_eq!(tags(object), [pair("X-Tag", "reset"), pair("kind", "7")]);
    }
    assert_eq!(tags(json!({"name": "kind", "value": "reset"})), [pair("kind", "reset")]);
    check_refused(json!({"tags": [{}]}), InvalidKind::Missing, "tags[0].name");
}

#[test]
fn lists_are_read_no_further_than_they_may_go() {
    check_refused(json!({"to": vec![""; 100_000]}), InvalidKind::Value, "to");
    check_refused(json!({"tags": vec![""; 100_000]}), InvalidKind::Value, "tags");
    let many = |n: usize| (0..n).map(|i| (format!("h{i}"), Value::from(""))).collect::<serde_json::Map<_, _>>();
    check_refused(json!({"headers": many(101)}), InvalidKind::Value, "headers");
    check_refused(json!({"tags": many(101)}), InvalidKind::Value, "tags");
    check_refused(json!({"tags": [many(100_000)]}), InvalidKind::Value, "tags");
}

#[test]
fn a_mailbox_is_one_recipient_in_whatever_spellings_its_domain_is_given() {
    let to = ["a@x.example", "A <a@X.EXAMPLE>", "a@x\u{ff0e}example", "b@x.example", "A@x.example"];
    let email = read(full(json!({"to": to, "cc": "a@x.exam\u{ad}ple", "bcc": "b@x.Example"}))).unwrap().email;
    let addresses: Vec<&str> = email.recipients().iter().map(|mailbox| mailbox.address().as_ref()).collect();
    assert_eq!(addresses, ["a@x.example", "b@x.example", "A@x.example"]);
}

#[test]
fn the_three_forms_of_bytes_mean_the_same() {
    for content in
        [json!("AP+A"), json!("AP\n+A"), json!([0, 255, 128]), json!({"type": "Buffer", "data": [0, 255, 128]})]
    {
        let submission = read(full(json!({"attachments": [{"content": content}]}))).unwrap();
        assert_eq!(submission.email.attachments[0].content.decode(), [0, 255, 128]);
    }
    for content in [json!([256]), json!([-1]), json!({"type": "Buffer"}), json!(7), json!(["a"])] {
        assert!(read(full(json!({"attachments": [{"content": content}]}))).is_err());
    }
}

#[test]
fn all_attachments_together_have_40_mib_at_the_most() {
    let of_sizes = |sizes: [usize; 2]| {
        let wire = sizes.map(|size| {
            let value = wire::Attachment {
                filename: None,
                content: Some(wire::FileContent::of_list(&vec![0; size])),
                path: None,
                content_type: None,
                content_id: None,
                inline_content_id: None,
            };
            wire::Object { value, misspelt: None, unknown: Vec::new() }
        });
        attachments(Some(wire::AtMost(wire.into())), Origin::Request)
    };
    assert_eq!(of_sizes([MAX_ATTACHMENT_BYTES - 1, 1]).unwrap().len(), 2);
    let refused = of_sizes([MAX_ATTACHMENT_BYTES, 1]).unwrap_err();
    assert_eq!((refused.kind, refused.field.as_str()), (InvalidKind::Value, "attachments"));
}

#[test]
fn limits_hold_at_their_edge() {
    let addresses = |n: usize| (0..n).map(|i| format!("{i}@example.com")).collect::<Vec<_>>();
    assert!(read(full(json!({"to": addresses(50)}))).is_ok());
    check_refused(json!({"to": addresses(51)}), InvalidKind::Value, "to");
    assert!(read(full(json!({"tags": [{"name": "n".repeat(256), "value": "v".repeat(256)}]}))).is_ok());
    check_refused(json!({"tags": [{"name": "n".repeat(257)}]}), InvalidKind::Value, "tags[0].name");
    assert!(read(full(json!({"subject": "ä".repeat(998)}))).is_ok());
    check_refused(json!({"subject": "ä".repeat(999)}), InvalidKind::Value, "subject");
}

#[test]
fn text_that_is_not_json_is_told_from_json_that_is_no_email() {
    let kind = |json: &[u8]| Submission::from_request(json, None, NOW.parse().unwrap()).unwrap_err().kind;
    for json in [&b""[..], b"{", b"{\"to\":\"a@b.c\",}", b"{} x", b"{'to':1}", b"{\"to\": NaN}", b"{\"to\": \"\xff\"}"]
    {
        assert_eq!(kind(json), InvalidKind::NotJson, "{}", String::from_utf8_lossy(json));
    }
    for json in [&b"[]"[..], b"7", b"null", br#"{"to": "a@b.c", "to": "d@e.f"}"#] {
        assert_eq!(kind(json), InvalidKind::Value, "{}", String::from_utf8_lossy(json));
    }
}

#[test]
fn what_is_nested_too_deep_is_refused_wherever_it_stands() {
    let email = |depth: usize| {
        let (open, close) = ("[".repeat(depth), "]".repeat(depth));
        format!(r#"{{"from": "a@b.c", "to": "a@b.c", "message": "\\\"[[", "x": {open}{close}}}"#)
    };
    let read = |json: String| Submission::from_request(json.as_bytes(), None, NOW.parse().unwrap());
    assert!(read(email(127)).is_ok());
    for depth in [128, 100_000] {
        assert_eq!(read(email(depth)).unwrap_err().kind, InvalidKind::NotJson);
    }
}

#[test]
fn a_list_is_not_taken_for_an_object_with_its_values() {
    check_refused(json!({"tags": [["kind", "reset"]]}), InvalidKind::Value, "tags[0]");
    let file = json!(["a.txt", "YQ==", null, null, null, null]);
    check_refused(json!({"attachments": [file]}), InvalidKind::Value, "attachments[0]");
    let mut fields = vec![Value::Null; 17];
    (fields[0], fields[1], fields[7]) = (json!("a@b.c"), json!("a@b.c"), json!("hi"));
    let refused = read(Value::from(fields)).unwrap_err();
    assert_eq!(refused.to_string(), "Invalid body: expected an object.");
}

#[test]
fn an_error_shows_only_the_beginning_of_a_name_that_was_made_up() {
    let name = format!("X\r\n{}", "x".repeat(5000));
    for fields in [json!({"headers": {&name: []}}), json!({"headers": {&name: "v"}}), json!({"tags": {&name: []}})] {
        let refused = read(full(fields)).unwrap_err().to_string();
        assert!(refused.len() < 300 && !refused.contains(char::is_control), "{refused}");
    }
}

#[test]
fn an_error_repeats_nothing_of_what_was_sent() {
    for fields in [
        json!({"attachments": "hunter2, expected"}),
        json!({"to": ["hunter2"]}),
        json!({"priority": "hunter2"}),
        json!({"tags": ["hunter2 hunter2"]}),
    ] {
        let refused = read(full(fields)).unwrap_err();
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
}

#[test]
fn an_email_that_says_nothing_is_sent_if_an_earlier_version_has_accepted_it() {
    let sender: Mailbox = "a@x.example".parse().unwrap();
    for body in [json!({"text": ""}), json!({"html": ""}), json!({"text": "", "html": ""})] {
        let mut record = json!({"from": "a@x.example", "to": ["b@y.example"], "subject": "Nothing"});
        record.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        let record = serde_json::to_vec(&record).unwrap();
        let read = |from_request: bool| match from_request {
            true => Submission::from_request(&record, Some(&sender), NOW.parse().unwrap()),
            false => Submission::from_list(record.as_slice(), Some(&sender), NOW.parse().unwrap()),
        };
        assert_eq!(read(false).unwrap().email.text.as_deref(), Some(""), "{body}");
        assert!(read(true).is_err(), "{body}");
    }
}

#[test]
fn a_time_that_is_over_is_no_mistake_in_an_email_that_waited_on_the_list() {
    let json = full(json!({"scheduled_at": "2020-01-01T00:00:00Z"})).to_string();
    let submission = Submission::from_list(json.as_bytes(), None, NOW.parse().unwrap()).unwrap();
    assert_eq!(submission.scheduled_at, Some("2020-01-01T00:00:00Z".parse().unwrap()));
}

prop_compose! {
    fn any_email()(
        names in prop::collection::vec(prop::option::of("[ -~ä€]{1,20}"), 1..5),
        subject in "[ -~ä€]{0,60}",
        text in prop::option::of(".{0,200}"),
        html in ".{1,200}",
        header in "[ -~ä€]{0,60}",
        content in prop::collection::vec(any::<u8>(), 0..100),
        filename in prop::option::of("[ -~ä€]{1,20}"),
    ) -> Value {
        let to: Vec<String> = names.iter().enumerate().map(|(i, name)| match name {
            Some(name) => format!("\"{}\" <{i}@example.com>", name.replace('\\', "\\\\").replace('"', "\\\"")),
            None => format!("{i}@example.com"),
        }).collect();
        json!({
            "from": "a@example.com", "to": to, "subject": subject, "text": text, "html": html,
            "headers": {"X-Any": header}, "attachments": [{"content": content, "filename": filename}],
        })
    }
}

proptest! {
    #[test]
    fn what_a_record_keeps_reads_back_the_same(json in any_email()) {
        let submission = read(json).unwrap();
        let again = Submission::from_list(submission.email.to_json().as_slice(), None, NOW.parse().unwrap()).unwrap();
        prop_assert_eq!(again.email, submission.email);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Submission::from_request(&bytes, None, NOW.parse().unwrap());
    }

    #[test]
    fn no_value_in_any_field_makes_it_panic(
        field in prop::sample::select(vec![
            "from", "to", "cc", "bcc", "reply_to", "subject", "message", "text", "html", "headers", "tags",
            "attachments", "scheduled_at", "priority", "template", "topic_id",
        ]),
        value in any_json(),
    ) {
        let _ = read(full(json!({field: value})));
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        let key = prop_oneof![
            Just("content".to_owned()),
            Just("data".to_owned()),
            Just("name".to_owned()),
            "[a-zA-Z -]{0,8}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..5).prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

#[test]
fn a_program_that_pushes_can_schedule_as_far_ahead_as_a_client() {
    let now = Timestamp::UNIX_EPOCH;
    let read = |time: &str| {
        let json = format!(r#"{{"from":"a@b.c","to":"a@b.c","message":"t","scheduled_at":"{time}"}}"#);
        Submission::from_program(json.as_bytes(), None, now).map(|submission| submission.scheduled_at)
    };
    assert_eq!(read("1970-01-31"), Ok(Some("1970-01-31T00:00:00Z".parse().unwrap())));
    for far in ["1970-01-31T00:00:01Z", "2286-11-20T17:46:41Z", "2999-12-31T00:00:00Z"] {
        assert_eq!(read(far).unwrap_err().field, "scheduled_at", "{far}");
    }
    assert_eq!(read("1969-12-30"), Ok(None), "what is over is sent now");
}

#[test]
fn of_a_list_that_is_too_long_no_more_is_kept_than_shows_it() {
    let mut json = br#"{"from":"a@b.c","to":"a@b.c","message":"t","attachments":["#.to_vec();
    json.extend(b"{},".repeat(100_000));
    json.extend(b"{}]}");
    let wire = wire::read::<wire::Submission>(&json).unwrap().value;
    assert_eq!(wire.attachments.unwrap().0.len(), MAX_ATTACHMENTS + 1);
    assert_eq!(Submission::from_request(&json, None, Timestamp::now()).unwrap_err().field, "attachments");
}

#[test]
fn what_a_program_has_pushed_is_not_refused_for_unknown_fields_and_tells_the_first_few() {
    let mut json =
        json!({"to": "a@b.example", "message": "hi", "subjekt": "close to one", "colour": "far from all", "a b": 1});
    let pushed = Submission::from_program(json.to_string().as_bytes(), None, NOW.parse().unwrap()).unwrap();
    assert_eq!(pushed.unknown_fields, ["colour", "subjekt"]);
    for nth in 0..1000 {
        json[format!("x{nth}")] = json!(nth);
    }
    let pushed = Submission::from_program(json.to_string().as_bytes(), None, NOW.parse().unwrap()).unwrap();
    assert_eq!(pushed.unknown_fields.len(), 8);
}
