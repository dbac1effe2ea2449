use std::fmt::Write;

use email_queue::Submission;
use jiff::Timestamp;
use mail_parser::{Address, HeaderForm, Message, MessageParser, MimeHeaders};

use super::*;

/// Builds a message from what a client could have posted.
fn built(fields: &str) -> Vec<u8> {
    let json = format!(r#"{{"from": "Ada <ada@x.example>", "to": "bob@x.example", {fields}}}"#);
    let submission = Submission::from_list(json.as_bytes(), None, Timestamp::UNIX_EPOCH).unwrap();
    let message = build(EmailId::new(), &submission.email).unwrap();
    check_wire(&message);
    message
}

/// What every server can carry: lines of CRLF, none too long, and no CR or LF by itself.
#[track_caller]
fn check_wire(message: &[u8]) {
    assert!(message.ends_with(b"\r\n"));
    for line in message.strip_suffix(b"\r\n").unwrap().split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        assert!(line.len() <= 998, "{} bytes", line.len());
        assert!(!line.contains(&b'\r') && !line.contains(&0));
    }
    let crlf = message.windows(2).filter(|pair| pair == b"\r\n").count();
    assert_eq!(crlf, message.iter().filter(|byte| **byte == b'\n').count());
}

fn parsed(message: &[u8]) -> Message<'_> {
    MessageParser::default().parse(message).unwrap()
}

fn header(message: &Message<'_>, name: &str) -> String {
    let values = message.header_as(name, HeaderForm::Text);
    values.first().and_then(|value| value.as_text()).unwrap_or_default().to_owned()
}

fn people(address: Option<&Address<'_>>) -> Vec<(String, String)> {
    let people = address.map(|address| address.clone().into_list()).unwrap_or_default();
    let text = |text: Option<std::borrow::Cow<'_, str>>| text.unwrap_or_default().into_owned();
    people.into_iter().map(|person| (text(person.name), text(person.address))).collect()
}

/// The text of a single part, without the line end that SMTP puts behind the last line.
fn text_of(message: &[u8]) -> String {
    let text = parsed(message).body_text(0).unwrap().into_owned();
    let text = text.strip_suffix("\r\n").or(text.strip_suffix('\n')).unwrap_or(&text);
    text.replace("\r\n", "\n")
}

#[track_caller]
fn text_survives(text: &str) {
    let message = built(&format!(r#""subject": "s", "text": {}"#, serde_json::Value::from(text)));
    assert_eq!(text_of(&message), text.replace("\r\n", "\n"), "{}", String::from_utf8_lossy(&message));
}

#[test]
fn a_text_arrives_to_the_letter() {
    for text in [
        "hi",
        "one line\n",
        "two\n\n\n",
        "\r\nWindows\r\nlines\r\n",
        "a\n.\n..\n.hidden\nb",
        "From here on\nFrom there",
        "trailing space \nand tab\t\nend ",
        "a lone \r in the middle",
        "and one at the end\r",
        "\r",
        "a NUL \0, an ESC \x1b[2J and a DEL \x7f",
        "Grüße aus Köln, 10 €",
        "日本語のテキスト",
        "= looks =3D quoted =\nalready",
        "--boundary\nContent-Type: text/html\n\n<b>",
        "😀",
    ] {
        text_survives(text);
    }
    text_survives(&"long ".repeat(1000));
    text_survives(&"x".repeat(5000));
    text_survives(&"ü".repeat(5000));
}

#[test]
fn headers_say_who_what_and_when() {
    let id = EmailId::new();
    let json = r#"{"from": "Jörg Müller <jm@x.example>", "to": ["b@x.example", "\"Doe, Jane\" <j@x.example>"],
        "cc": "Cc <cc@x.example>", "bcc": "secret@x.example", "reply_to": ["r1@x.example", "R2 <r2@x.example>"],
        "subject": "Grüße 😀 und ein langer Betreff, der über mehr als eine Zeile geht, weil er kein Ende nimmt",
        "text": "t", "headers": {"List-Unsubscribe": "<https://x.example/u?a=1>, <mailto:u@x.example>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "X-Größe": "no"}}"#
        .replace("X-Größe\": \"no", "X-Entity\": \"Ünïcode värde");
    let submission = Submission::from_list(json.as_bytes(), None, Timestamp::UNIX_EPOCH).unwrap();
    let before = Timestamp::now().as_second();
    let message = build(id, &submission.email).unwrap();
    check_wire(&message);
    assert!(message.is_ascii());
    let parsed = parsed(&message);
    let person = |name: &str, address: &str| (name.to_owned(), address.to_owned());
    assert_eq!(people(parsed.from()), [person("Jörg Müller", "jm@x.example")]);
    assert_eq!(people(parsed.to()), [person("", "b@x.example"), person("Doe, Jane", "j@x.example")]);
    assert_eq!(people(parsed.cc()), [person("Cc", "cc@x.example")]);
    assert_eq!(people(parsed.reply_to()), [person("", "r1@x.example"), person("R2", "r2@x.example")]);
    assert_eq!(parsed.subject(), Some(submission.email.subject.as_str()));
    assert_eq!(parsed.message_id(), Some(format!("{id}@x.example").as_str()));
    let date = parsed.date().unwrap().to_timestamp();
    assert!((before..=before + 60).contains(&date));
    assert_eq!(header(&parsed, "List-Unsubscribe-Post"), "List-Unsubscribe=One-Click");
    assert_eq!(header(&parsed, "X-Entity"), "Ünïcode värde");
    let raw = String::from_utf8(message.clone()).unwrap();
    assert!(raw.contains("List-Unsubscribe: <https://x.example/u?a=1>, <mailto:u@x.example>\r\n"), "{raw}");
    assert!(!raw.contains("secret@x.example") && !raw.to_lowercase().contains("\nbcc"), "{raw}");
    assert!(raw.contains("MIME-Version: 1.0\r\n"));
}

#[test]
fn a_short_email_has_no_subject_at_all() {
    let message = built(r#""message": "hi""#);
    assert!(!String::from_utf8(message).unwrap().contains("Subject"));
}

#[test]
fn a_header_of_one_long_word_is_broken_up_and_reads_the_same() {
    let (subject, value) = ("s".repeat(998), "v".repeat(998));
    let message = built(&format!(r#""subject": "{subject}", "text": "t", "headers": {{"X-Long": "{value}"}}"#));
    let parsed = parsed(&message);
    assert_eq!(parsed.subject(), Some(subject.as_str()));
    assert_eq!(header(&parsed, "X-Long"), value);
}

#[test]
fn a_header_that_looks_encoded_is_not_decoded_at_the_other_end() {
    for value in ["=?utf-8?Q?a=0D=0Ab?=", "before =?utf-8?b?YQ==?= behind", "ü =?utf-8?q?x?=", "=?x =?a?q?b?="] {
        let message = built(&format!(r#""subject": "{value}", "text": "t", "headers": {{"X-A": "{value}"}}"#));
        let parsed = parsed(&message);
        assert_eq!(parsed.subject(), Some(value), "{}", String::from_utf8_lossy(&message));
        assert_eq!(header(&parsed, "X-A"), value);
    }
    let plain = "<https://x.example/?a=?b&c=?d?=>";
    let message = built(&format!(r#""subject": "s", "text": "t", "headers": {{"List-Unsubscribe": "{plain}"}}"#));
    assert!(String::from_utf8(message).unwrap().contains(plain));
}

#[test]
fn text_and_html_are_alternatives_with_the_html_last() {
    let message = built(r#""subject": "s", "text": "plain ü", "html": "<p>rich ü</p>""#);
    let parsed = parsed(&message);
    assert_eq!(parsed.root_part().content_type().unwrap().subtype(), Some("alternative"));
    assert_eq!(parsed.body_text(0).as_deref(), Some("plain ü"));
    assert_eq!(parsed.body_html(0).as_deref(), Some("<p>rich ü</p>"));
    let kinds: Vec<_> = parsed.parts[1..].iter().map(|part| part.content_type().unwrap().subtype().unwrap()).collect();
    assert_eq!(kinds, ["plain", "html"]);
}

#[test]
fn html_alone_is_a_single_part() {
    let message = built(r#""subject": "s", "html": "<p>only</p>""#);
    let parsed = parsed(&message);
    assert_eq!(parsed.root_part().content_type().unwrap().subtype(), Some("html"));
    assert_eq!(parsed.body_html(0).unwrap().trim_end(), "<p>only</p>");
}

#[test]
fn files_arrive_byte_for_byte_under_their_names() {
    let bytes: Vec<u8> = (0..=255).cycle().take(5000).collect();
    let list = serde_json::Value::from(bytes.clone());
    let long = format!("{} with \\\"quotes\\\".txt", "long name ".repeat(20));
    let message = built(&format!(
        r#""subject": "s", "text": "t", "attachments": [
            {{"filename": "data.bin", "content": {list}}},
            {{"filename": "Rechnung für Jörg €.pdf", "content": "JVBERg=="}},
            {{"filename": "{long}", "content": "bGluZQpsaW5l"}},
            {{"content": "eA==", "content_type": "text/csv; charset=utf-8"}}]"#
    ));
    let parsed = parsed(&message);
    assert_eq!(parsed.body_text(0).as_deref(), Some("t"));
    let files: Vec<_> = parsed.attachments().collect();
    assert_eq!(files.len(), 4);
    assert_eq!(files[0].contents(), bytes);
    assert_eq!(files[1].attachment_name(), Some("Rechnung für Jörg €.pdf"));
    assert_eq!(files[1].content_type().unwrap().subtype(), Some("pdf"));
    assert_eq!(files[2].attachment_name(), Some(long.replace('\\', "").as_str()));
    assert_eq!(files[2].contents(), b"line\nline");
    assert_eq!(files[3].contents(), b"x");
    assert!(files[3].content_disposition().unwrap().is_attachment());
}

#[test]
fn an_image_inside_the_html_is_related_to_it() {
    let message = built(
        r#""subject": "s", "text": "t", "html": "<img src=\"cid:logo\">", "attachments": [
            {"filename": "logo.png", "content": "iVBORw==", "content_id": "logo"},
            {"filename": "a.txt", "content": "YQ=="}]"#,
    );
    let parsed = parsed(&message);
    let mut tree = String::new();
    for part in &parsed.parts {
        let kind = part.content_type().unwrap();
        write!(tree, "{}/{} ", kind.ctype(), kind.subtype().unwrap()).unwrap();
    }
    let expected = "multipart/mixed multipart/alternative text/plain multipart/related text/html image/png text/plain ";
    assert_eq!(tree, expected);
    let logo = parsed.parts.iter().find(|part| part.content_id().is_some()).unwrap();
    assert_eq!(logo.content_id(), Some("logo"));
    assert!(logo.content_disposition().unwrap().is_inline());
    assert_eq!(logo.contents(), b"\x89PNG");
}

#[test]
fn an_international_domain_travels_in_ascii_and_only_a_local_part_needs_more() {
    let json = r#"{"from": "a@exämple.example", "to": "b@bücher.example", "message": "hi"}"#;
    let submission = Submission::from_list(json.as_bytes(), None, Timestamp::UNIX_EPOCH).unwrap();
    let message = build(EmailId::new(), &submission.email).unwrap();
    assert!(message.is_ascii(), "{}", String::from_utf8_lossy(&message));
    assert_eq!(people(parsed(&message).to()), [(String::new(), "b@xn--bcher-kva.example".to_owned())]);

    let json = json.replace("b@bücher", "jörg@bücher");
    let submission = Submission::from_list(json.as_bytes(), None, Timestamp::UNIX_EPOCH).unwrap();
    let message = build(EmailId::new(), &submission.email).unwrap();
    assert!(String::from_utf8(message).unwrap().contains("jörg@bücher.example"));
}

#[test]
fn many_recipients_are_all_named() {
    let to: Vec<String> = (0..50).map(|i| format!("Person Number {i} <person{i}@x.example>")).collect();
    let json = serde_json::json!({"from": "a@x.example", "to": to, "subject": "s", "text": "t"}).to_string();
    let submission = Submission::from_list(json.as_bytes(), None, Timestamp::UNIX_EPOCH).unwrap();
    let message = build(EmailId::new(), &submission.email).unwrap();
    check_wire(&message);
    let named = people(parsed(&message).to());
    assert_eq!(named.len(), 50);
    assert_eq!(named[49], ("Person Number 49".to_owned(), "person49@x.example".to_owned()));
}
