use std::fmt::Write;

use email_queue::Submission;
use jiff::Timestamp;
use mail_parser::{Address, HeaderForm, Message, MessageParser, MimeHeaders};
use proptest::prelude::*;

use super::*;

/// The message of an email.
fn message(id: EmailId, email: &Email) -> Vec<u8> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let message = runtime.block_on(build(id, email));
    let bytes = message.to_bytes();
    assert_eq!(smtp_client::Message::size(&message), bytes.len());
    check_wire(&bytes);
    bytes
}

fn posted(json: &str) -> Email {
    Submission::from_request(json.as_bytes(), None, Timestamp::UNIX_EPOCH).unwrap().email
}

/// Builds a message from what a client could have posted.
fn built(fields: &str) -> Vec<u8> {
    let json = format!(r#"{{"from": "Ada <ada@x.example>", "to": "bob@x.example", {fields}}}"#);
    message(EmailId::new(), &posted(&json))
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
    for line in fields(message).split("\r\n") {
        assert!(!line.trim_matches([' ', '\t']).is_empty(), "a line of blanks: {}", fields(message));
    }
    let crlf = message.windows(2).filter(|pair| pair == b"\r\n").count();
    assert_eq!(crlf, message.iter().filter(|byte| **byte == b'\n').count());
}

/// The fields of the message itself.
fn fields(message: &[u8]) -> &str {
    let text = std::str::from_utf8(message).unwrap();
    text.split_once("\r\n\r\n").unwrap().0
}

/// The value of a field as it stands in the message, unfolded.
fn raw(message: &[u8], name: &str) -> String {
    let unfolded = fields(message).replace("\r\n ", " ").replace("\r\n\t", "\t");
    let mut lines = unfolded.split("\r\n");
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    value.trim_matches(' ').to_owned()
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
    let email = posted(&json);
    let before = Timestamp::now().as_second();
    let message = message(id, &email);
    assert!(message.is_ascii());
    let parsed = parsed(&message);
    let person = |name: &str, address: &str| (name.to_owned(), address.to_owned());
    assert_eq!(people(parsed.from()), [person("Jörg Müller", "jm@x.example")]);
    assert_eq!(people(parsed.to()), [person("", "b@x.example"), person("Doe, Jane", "j@x.example")]);
    assert_eq!(people(parsed.cc()), [person("Cc", "cc@x.example")]);
    assert_eq!(people(parsed.reply_to()), [person("", "r1@x.example"), person("R2", "r2@x.example")]);
    assert_eq!(parsed.subject(), Some(email.subject.as_str()));
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
fn html_alone_gets_a_text_that_says_the_same() {
    let message = built(r#""subject": "s", "html": "<h1>Hi</h1><p>Your code is <b>123456</b>, ü.</p>""#);
    let parsed = parsed(&message);
    assert_eq!(parsed.root_part().content_type().unwrap().subtype(), Some("alternative"));
    let text = parsed.body_text(0).unwrap();
    assert!(
        text.contains("Your code is") && text.contains("123456") && text.contains('ü') && !text.contains('<'),
        "{text}"
    );
    assert_eq!(parsed.body_html(0).as_deref(), Some("<h1>Hi</h1><p>Your code is <b>123456</b>, ü.</p>"));
}

#[test]
fn an_empty_text_next_to_html_says_that_none_is_wanted() {
    for (fields, subtype) in [
        (r#""text": "", "html": "<p>only</p>""#, "html"),
        (r#""html": "<img src=\"x\">""#, "html"),
        (r#""text": "only", "html": """#, "plain"),
    ] {
        let message = built(&format!(r#""subject": "s", {fields}"#));
        let parsed = parsed(&message);
        assert_eq!(parsed.root_part().content_type().unwrap().subtype(), Some(subtype), "{fields}");
        assert_eq!(parsed.parts.len(), 1);
    }
}

#[test]
fn hostile_html_arrives_and_costs_no_more_than_its_text() {
    let tags = |tag: &str, count: usize| format!("<{tag}>").repeat(count);
    for html in [
        tags("div", 44_000),
        tags("div", 250) + "end",
        tags("blockquote", 250) + "end",
        tags("ul><li", 250) + "end",
        tags("table><tr><td", 250) + "end",
        tags("b><p", 250) + "end",
        tags("a href=x", 250) + "end",
        tags("svg><math", 120) + "end",
        tags("p", 19_000) + "end",
        "<".repeat(19_000) + "end",
        "&".repeat(40_000),
        "x".repeat(2_000_000),
    ] {
        let message = built(&format!(r#""subject": "s", "html": {}"#, serde_json::Value::from(html.as_str())));
        assert_eq!(parsed(&message).body_html(0).unwrap().trim_end(), html.trim_end());
    }
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

/// The fields and the content of the only part that is a file.
fn file_part(message: &[u8]) -> (String, String) {
    let text = std::str::from_utf8(message).unwrap();
    let boundary = text.split("boundary=\"").nth(1).unwrap().split('"').next().unwrap();
    let part = text.split(&format!("\r\n--{boundary}")).nth(2).unwrap().trim_start_matches("\r\n");
    let (fields, content) = part.split_once("\r\n\r\n").unwrap();
    (fields.to_owned(), content.to_owned())
}

#[test]
fn a_message_within_the_message_is_never_encoded_and_always_sent() {
    let attached = |content: &[u8], more: &str| {
        let content = serde_json::Value::from(content.to_vec());
        let name = r#""filename": "original.eml""#;
        file_part(&built(&format!(
            r#""subject": "s", "text": "t", "attachments": [{{{name}{more}, "content": {content}}}]"#
        )))
    };
    for more in ["", r#", "content_type": "message/rfc822""#, r#", "content_type": "message/delivery-status""#] {
        for content in ["From: a@x.example\r\n\r\nFrom here\r\n.\r\nblanks \r\n", "From: a@x.example\n\nno end"] {
            let (fields, carried) = attached(content.as_bytes(), more);
            assert!(
                fields.contains("Content-Type: message/") && fields.contains("Transfer-Encoding: 7bit"),
                "{fields}"
            );
            assert!(fields.contains("filename=original.eml"), "{fields}");
            assert_eq!(carried.replace("\r\n", "\n"), content.replace("\r\n", "\n"));
        }
        let long = "x".repeat(999);
        for content in ["ü".as_bytes(), b"\0", b"a\rb", b"\xff", long.as_bytes()] {
            let (fields, carried) = attached(content, more);
            assert!(fields.contains("Content-Type: application/octet-stream") && fields.contains("base64"), "{fields}");
            let base64 = carried.replace("\r\n", "");
            assert_eq!(base64::Engine::decode(&base64::prelude::BASE64_STANDARD, base64).unwrap(), content);
        }
    }
}

#[test]
fn parameters_of_a_content_type_are_kept_in_any_language_and_length() {
    let long = "x".repeat(150);
    for (given, name, value) in [
        ("application/pdf; name=\\\"Größe.pdf\\\"", "name", "Größe.pdf"),
        ("text/csv; charset=utf-8", "charset", "utf-8"),
        ("text/x; a=\\\"two words\\\"", "a", "two words"),
        (r#"text/x; a=\"one\\\\two\""#, "a", r"one\two"),
        (&format!("text/x; a={long}"), "a", &long),
        ("text/x; name*=utf-8''Gr%C3%B6%C3%9Fe", "name", "Größe"),
    ] {
        let message = built(&format!(
            r#""subject": "s", "text": "t", "attachments": [{{"content": "eA==", "content_type": "{given}"}}]"#
        ));
        let parsed = parsed(&message);
        let content_type = parsed.attachments().next().unwrap().content_type().unwrap().clone();
        assert_eq!(content_type.attribute(name), Some(value), "{}", String::from_utf8_lossy(&message));
        assert!(message.is_ascii() && !file_part(&message).0.contains("=?"));
    }
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
    let international = message(EmailId::new(), &posted(json));
    assert!(international.is_ascii(), "{}", String::from_utf8_lossy(&international));
    assert_eq!(people(parsed(&international).to()), [(String::new(), "b@xn--bcher-kva.example".to_owned())]);

    let json = json.replace("b@bücher", "jörg@bücher");
    let message = message(EmailId::new(), &posted(&json));
    assert!(String::from_utf8(message).unwrap().contains("jörg@bücher.example"));
}

#[test]
fn many_recipients_are_all_named() {
    let to: Vec<String> = (0..50).map(|i| format!("Person Number {i} <person{i}@x.example>")).collect();
    let json = serde_json::json!({"from": "a@x.example", "to": to, "subject": "s", "text": "t"}).to_string();
    let message = message(EmailId::new(), &posted(&json));
    let named = people(parsed(&message).to());
    assert_eq!(named.len(), 50);
    assert_eq!(named[49], ("Person Number 49".to_owned(), "person49@x.example".to_owned()));
}

#[test]
fn fields_for_programs_are_never_encoded_words() {
    let references: Vec<String> = (0..40).map(|n| format!("<CAF{n:029}thread@mail.example.com>")).collect();
    let (references, link) = (references.join(" "), format!("<https://x.example/{}>", "t".repeat(930)));
    let message = built(&format!(
        r#""subject": "s", "text": "t", "headers": {{"References": "{references}", "List-Unsubscribe": " {link}",
        "In-Reply-To": "<=?utf-8?q?x?=@y>", "List-Help": "<https://x.example/ü?ö> (Größe)", "List-Id": "Größe <l.x.example>"}}"#
    ));
    assert_eq!(raw(&message, "References"), references);
    assert!(fields(&message).contains("0thread@mail.example.com>\r\n <CAF"), "{}", fields(&message));
    assert_eq!(raw(&message, "List-Unsubscribe"), link);
    assert_eq!(raw(&message, "In-Reply-To"), "<=?utf-8?q?x?=@y>");
    assert!(raw(&message, "List-Help").starts_with("<https://x.example/%C3%BC?%C3%B6> =?utf-8?"));
    assert!(raw(&message, "List-Id").ends_with("?= <l.x.example>"));
}

#[test]
fn a_value_that_just_fits_has_a_line_of_its_own() {
    let link = format!("<https://x.example/{}>", "t".repeat(997 - 20));
    let message = built(&format!(r#""subject": "s", "text": "t", "headers": {{"List-Unsubscribe": "{link}"}}"#));
    assert!(fields(&message).contains(&format!("\r\nList-Unsubscribe:\r\n {link}")));
}

#[test]
fn blanks_of_a_text_arrive_as_they_are() {
    let name = "X".repeat(76);
    for value in [
        " ",
        "  leading",
        "trailing ",
        "a  b",
        "a \t b",
        &" ".repeat(998),
        &format!("x{}y", " ".repeat(900)),
        &format!("subject{}{}", " ".repeat(20), "\t".repeat(100)),
        &"two  blanks ".repeat(20),
    ] {
        let json = serde_json::Value::from(value);
        let message =
            built(&format!(r#""subject": {json}, "text": "t", "headers": {{"X-A": {json}, "{name}": {json}}}"#));
        let parsed = parsed(&message);
        assert_eq!(parsed.subject(), Some(value), "{}", fields(&message));
        assert_eq!(header(&parsed, "X-A"), value);
        assert_eq!(header(&parsed, &name), value);
    }
}

#[test]
fn a_message_id_and_a_date_of_the_clients_own_are_the_only_ones() {
    let date = "Thu, 26 Nov 2026 09:00:00 +0100";
    let own = built(&format!(
        r#""subject": "s", "text": "t", "headers": {{"message-id": "<own@x.example>", "Date": "{date}"}}"#
    ));
    let fields = fields(&own).to_ascii_lowercase();
    assert_eq!((fields.matches("message-id:").count(), fields.matches("\r\ndate:").count()), (1, 1), "{fields}");
    assert_eq!(parsed(&own).message_id(), Some("own@x.example"));
    assert_eq!(raw(&own, "Date"), date);
}

#[test]
fn a_reply_to_among_the_headers_is_the_field_itself() {
    for fields in [
        r#""headers": {"Reply-To": "R <r@x.example>"}"#,
        r#""reply_to": "r@x.example", "headers": {"reply-to": "R <r@x.example>"}"#,
    ] {
        let message = built(&format!(r#""subject": "s", "text": "t", {fields}"#));
        let parsed = parsed(&message);
        let answers: Vec<_> = people(parsed.reply_to()).into_iter().map(|(_, address)| address).collect();
        assert_eq!(answers, ["r@x.example"]);
    }
}

/// Whatever the API may accept, at its limits and beyond.
fn any_email() -> impl Strategy<Value = serde_json::Value> {
    let text = prop_oneof![
        "[ -~]{0,100}",
        ".{0,60}",
        "[ \t]{0,1000}",
        "[!-~]{900,1000}",
        "( {1,40}[!-~]{1,90}){0,12}",
        "(=\\?utf-8\\?[qb]\\?[a-z]{0,9}\\?=[ ,]?){0,4}",
        "(<[!-~ü]{1,300}>[ ,]{0,2}){0,9}",
    ];
    let name = prop_oneof![
        "[!-9;-~]{1,76}",
        prop::sample::select(vec![
            "References",
            "List-Unsubscribe",
            "In-Reply-To",
            "List-Id",
            "Message-ID",
            "Date",
            "Precedence",
            "Comments",
            "Reply-To",
            "Content-Language",
        ])
        .prop_map(str::to_owned),
    ];
    let body = prop_oneof![".{0,300}", "[ -~\r\n\t]{0,300}", "[ a.=\nü]{0,300}", "(<[a-z]{1,5}>|x|&[a-z]{1,4};){0,80}"];
    let content_type = prop::option::of("[a-z]{1,9}/[a-z.+]{1,20}(; [a-z*]{1,40}=(\"[ -~ü]{0,90}\"|[a-z]{1,40})){0,2}");
    let message_type = prop::sample::select(vec!["message/rfc822", "message/partial; id=x", "text/plain"]);
    let file = (
        prop::option::of(".{1,80}"),
        prop::collection::vec(any::<u8>(), 0..200),
        content_type,
        message_type,
        any::<bool>(),
    )
        .prop_map(|(filename, content, content_type, message_type, is_message)| {
            let content_type = if is_message { Some(message_type.to_owned()) } else { content_type };
            // With a line that ends its fields: parsers look for that beyond the end of what has none.
            let ascii = content.iter().map(|byte| byte & 0x7f);
            let content =
                if is_message { b"Subject: x\r\n\r\n".iter().copied().chain(ascii).collect() } else { content };
            serde_json::json!({"filename": filename, "content": content, "content_type": content_type})
        });
    let headers = prop::collection::btree_map(name, text.clone(), 0..4);
    let people = prop::collection::vec(("[ -~]{0,60}|.{0,40}", "[a-zü]{1,20}"), 1..5);
    (text, prop::option::of(body.clone()), prop::option::of(body), headers, people, prop::collection::vec(file, 0..3))
        .prop_map(|(subject, text, html, headers, people, files)| {
            let to = people.into_iter().map(|(name, local)| {
                format!("\"{}\" <{local}@y.example>", name.replace('\\', "\\\\").replace('"', "\\\""))
            });
            serde_json::json!({
                "from": "ada@x.example", "to": to.collect::<Vec<_>>(), "subject": subject, "text": text, "html": html,
                "headers": headers, "attachments": files,
            })
        })
}

proptest! {
    #[test]
    fn what_is_accepted_can_be_sent(email in any_email()) {
        let Ok(submission) = Submission::from_request(email.to_string().as_bytes(), None, Timestamp::UNIX_EPOCH) else {
            return Ok(());
        };
        // As the worker finds it in the record.
        let record = submission.email.to_json();
        let listed = Submission::from_list(record.as_slice(), None, Timestamp::UNIX_EPOCH).unwrap();
        prop_assert_eq!(&listed.email, &submission.email);
        let message = message(EmailId::new(), &listed.email);
        let parsed = parsed(&message);
        let subject = Some(listed.email.subject.as_str()).filter(|subject| !subject.is_empty());
        prop_assert_eq!(parsed.subject(), subject, "{}", fields(&message));
        prop_assert_eq!(parsed.attachments().count(), listed.email.attachments.len());
    }
}
