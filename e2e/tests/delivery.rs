//! Emails arrive byte for byte: texts, headers, addresses. Each test uses both mail servers.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::time::{SystemTime, UNIX_EPOCH};

use e2e::{Mail, MailServer, System};
use serde_json::{Value, json};
use testkit::{Aiosmtpd, DEADLINE, SmtpServer, eventually};

fn email(fields: Value) -> Value {
    let mut email = json!({"from": "Ada <ada@x.example>", "to": "bob@y.example", "subject": "s"});
    email.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    email
}

fn person(name: &str, address: &str) -> (String, String) {
    (name.to_owned(), address.to_owned())
}

/// Texts that something on the way may be tempted to change.
fn difficult_texts() -> Vec<String> {
    let texts = [
        "hi",
        "\n",
        "one line\n",
        "three line ends\n\n\n",
        "\n\nbegins with two",
        "Windows\r\nlines\r\n",
        ".",
        ".\n",
        "a\n.\nb\n..\n.hidden\n...\n",
        "a\r\n.\r\nMAIL FROM:<x@y.example>\r\n",
        "From here on\nFrom there\n>From quoted",
        "trailing space \nand tab\t\nend ",
        "   leading space",
        "a lone \r in the middle",
        "\rat the beginning and at the end\r",
        "\r",
        "a NUL \0, an ESC \u{1b}[2J and a DEL \u{7f}",
        "= looks =3D quoted =\nalready=",
        "=?utf-8?Q?looks_encoded?=",
        "--boundary\nContent-Type: text/html\n\n<b>\n--boundary--\n",
        "Subject: not a header\n\nnor a body",
        "Grüße aus Köln, 10 €",
        "日本語のテキスト\nと二行目",
        "😀\u{200d}👩‍👩‍👧 e\u{301} \u{feff}\u{2028}\u{85}",
        "\u{10ffff}",
    ];
    let mut texts: Vec<String> = texts.map(str::to_owned).into();
    for length in [75, 76, 77, 997, 998, 999, 5000] {
        texts.push("x".repeat(length));
        texts.push("ü".repeat(length));
        texts.push(format!("{}.", " .".repeat(length)));
    }
    texts.push("long words and short ones, ".repeat(1000));
    texts.push("line\n".repeat(5000));
    texts
}

#[tokio::test]
async fn a_plain_text_arrives_to_the_letter() {
    let texts = difficult_texts();
    let emails: Vec<_> = texts.iter().map(|text| email(json!({"text": text}))).collect();
    for system in System::with_each_server().await {
        for (text, mail) in texts.iter().zip(system.deliver(&emails).await) {
            assert_eq!(mail.structure(), "text/plain");
            mail.assert_text("text/plain", text);
        }
    }
}

#[tokio::test]
async fn html_arrives_to_the_letter() {
    let texts = difficult_texts();
    let emails: Vec<_> = texts.iter().map(|text| email(json!({"html": format!("<p>{text}</p>")}))).collect();
    for system in System::with_each_server().await {
        for (text, mail) in texts.iter().zip(system.deliver(&emails).await) {
            // Beside a text that is made of it, if there is any in it.
            assert!(mail.structure().ends_with("text/html"));
            mail.assert_text("text/html", &format!("<p>{text}</p>"));
        }
    }
}

#[tokio::test]
async fn text_and_html_arrive_as_alternatives_of_which_the_html_is_preferred() {
    let mut texts = difficult_texts();
    // An empty one says that none is wanted.
    texts.retain(|text| !text.is_empty());
    let both = |text: &String| email(json!({"text": text, "html": format!("<div>{text}")}));
    let emails: Vec<_> = texts.iter().map(both).collect();
    for system in System::with_each_server().await {
        for (text, mail) in texts.iter().zip(system.deliver(&emails).await) {
            assert_eq!(mail.structure(), "multipart/alternative text/plain text/html");
            mail.assert_text("text/plain", text);
            mail.assert_text("text/html", &format!("<div>{text}"));
        }
    }
}

#[tokio::test]
async fn the_short_form_arrives_from_the_default_sender_without_a_subject() {
    for system in System::with_each_server().await {
        let mail = system.deliver_one(&json!({"to": "bob@y.example", "message": "hi"})).await;
        assert_eq!(mail.received.envelope_from, "queue@example.com");
        assert_eq!(mail.received.recipients, ["bob@y.example"]);
        assert_eq!(mail.people("From"), [person("", "queue@example.com")]);
        assert_eq!(mail.people("To"), [person("", "bob@y.example")]);
        assert_eq!(mail.subject(), None);
        mail.assert_text("text/plain", "hi");
    }
}

#[tokio::test]
async fn a_subject_in_any_language_arrives_to_the_letter() {
    let subjects = [
        "Hello".to_owned(),
        "Grüße 😀".to_owned(),
        "日本語の件名です、とても長いので一行には収まりません。それでも一文字も失われません。".to_owned(),
        "a 'quoted' \"subject\" (with) <all> [sorts], of; marks: =20 \\ % _ ?".to_owned(),
        "two  spaces   and four    and five".to_owned(),
        "=?utf-8?Q?looks_encoded?=".to_owned(),
        "before =?utf-8?B?YQ==?= behind".to_owned(),
        "many words ".repeat(60).trim_end().to_owned(),
        "ein längerer Betreff mit Umlauten, ".repeat(20).trim_end().to_owned(),
        "s".repeat(998),
        "ß".repeat(998),
    ];
    let emails: Vec<_> = subjects.iter().map(|subject| email(json!({"text": "t", "subject": subject}))).collect();
    for system in System::with_each_server().await {
        for (subject, mail) in subjects.iter().zip(system.deliver(&emails).await) {
            assert_eq!(mail.subject(), Some(subject.as_str()), "{}", mail.raw_headers());
        }
    }
}

#[tokio::test]
async fn names_of_people_arrive_to_the_letter() {
    let names = [
        "Jörg Müller",
        "Doe, Jane",
        "Dr. O'Neil",
        "a \"quoted\" name",
        "back\\slash",
        "山田 太郎",
        "<angle>",
        "semi;colon",
        "at@sign",
        "(comment)",
        "Ünï, Cödé",
        "=?utf-8?Q?looks_encoded?=",
        "😀",
    ];
    let mailbox =
        |name: &str, address: &str| format!("\"{}\" <{address}>", name.replace('\\', "\\\\").replace('"', "\\\""));
    let long = "Ein sehr langer Name mit Ümläuten ".repeat(8);
    let emails: Vec<_> = names
        .iter()
        .copied()
        .chain([long.trim_end()])
        .map(|name| {
            email(json!({
                "from": mailbox(name, "f@x.example"), "text": "t", "cc": mailbox(name, "c@x.example"),
                "to": [mailbox(name, "t1@x.example"), mailbox(name, "t2@x.example"), "t3@x.example"],
                "reply_to": [mailbox(name, "r1@x.example"), "r2@x.example"],
            }))
        })
        .collect();
    for system in System::with_each_server().await {
        for (name, mail) in names.into_iter().chain([long.trim_end()]).zip(system.deliver(&emails).await) {
            assert_eq!(mail.people("From"), [person(name, "f@x.example")], "{}", mail.raw_headers());
            let to = [person(name, "t1@x.example"), person(name, "t2@x.example"), person("", "t3@x.example")];
            assert_eq!(mail.people("To"), to, "{}", mail.raw_headers());
            assert_eq!(mail.people("Cc"), [person(name, "c@x.example")], "{}", mail.raw_headers());
            assert_eq!(mail.people("Reply-To"), [person(name, "r1@x.example"), person("", "r2@x.example")]);
        }
    }
}

#[tokio::test]
async fn headers_of_the_clients_own_arrive_beside_those_that_every_message_has() {
    let long = "word ".repeat(150).trim_end().to_owned();
    let headers = json!({
        "List-Unsubscribe": "<https://x.example/u?a=1&b=2>, <mailto:u@x.example?subject=unsubscribe>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "X-Entity-Ref-ID": "01890a5d-ac96-774b-bcce-b302099a8057",
        "X-Unicode": "Ünïcode värde 😀", "X-Long": long, "X-Long-Word": "v".repeat(998), "x-lower": "1",
        "In-Reply-To": "<a@x.example>", "References": "<a@x.example> <b@x.example>",
        "X-Encoded": "=?utf-8?Q?as_it_is?=",
    });
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    for system in System::with_each_server().await {
        let before = now();
        let mail = system.deliver_one(&email(json!({"text": "t", "headers": headers}))).await;
        for (name, value) in headers.as_object().unwrap() {
            assert_eq!(mail.header(name), [value.as_str().unwrap()], "{name} in {}", mail.raw_headers());
        }
        // Mail clients look for this one as it is.
        let unsubscribe = format!("List-Unsubscribe: {}\r\n", headers["List-Unsubscribe"].as_str().unwrap());
        let raw = mail.raw_headers();
        assert!(raw.replace("\r\n ", " ").contains(&unsubscribe), "{raw}");
        assert_eq!(mail.message_id(), format!("{}@x.example", mail.id()));
        assert!((before..=now()).contains(&mail.date().unwrap()), "{raw}");
        assert_eq!(mail.header("MIME-Version"), ["1.0"]);
        for name in ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type"] {
            assert_eq!(mail.header(name).len(), 1, "{name} in {raw}");
        }
    }
}

#[tokio::test]
async fn html_alone_brings_a_text_and_an_empty_text_brings_none() {
    let html = "<h1>Hello</h1><p>Your code is <b>123456</b>.</p>";
    let emails = [email(json!({"html": html})), email(json!({"html": html, "text": ""}))];
    for system in System::with_each_server().await {
        let [alone, wanted_alone] = system.deliver(&emails).await.try_into().unwrap();
        assert_eq!(alone.structure(), "multipart/alternative text/plain text/html");
        assert!(alone.text("text/plain").unwrap().contains("123456"));
        assert_eq!(wanted_alone.structure(), "text/html");
    }
}

#[tokio::test]
async fn who_gets_a_blind_copy_is_on_the_envelope_and_nowhere_else() {
    let fields = json!({
        "text": "t", "html": "<p>", "to": "to@y.example", "cc": ["cc@y.example"], "tags": [{"name": "secret-tag"}],
        "bcc": ["Blind <blind@y.example>", "second@y.example"],
    });
    for system in System::with_each_server().await {
        let mail = system.deliver_one(&email(fields.clone())).await;
        let recipients = ["to@y.example", "cc@y.example", "blind@y.example", "second@y.example"];
        assert_eq!(mail.received.recipients, recipients);
        let message = String::from_utf8(mail.received.data.clone()).unwrap().to_lowercase();
        for secret in ["bcc", "blind", "second@", "secret-tag"] {
            assert!(!message.contains(secret), "{message}");
        }
    }
}

#[tokio::test]
async fn fifty_recipients_in_each_field_all_get_it_in_one_transaction() {
    let addresses =
        |field: &str| (0..50).map(|n| format!("Person Number {n} <{field}{n}@y.example>")).collect::<Vec<_>>();
    let fields = json!({"text": "t", "to": addresses("to"), "cc": addresses("cc"), "bcc": addresses("bcc")});
    for system in System::with_each_server().await {
        let mail = system.deliver_one(&email(fields.clone())).await;
        let expected = ["to", "cc", "bcc"].map(|field| (0..50).map(move |n| format!("{field}{n}@y.example")));
        assert_eq!(mail.received.recipients, expected.into_iter().flatten().collect::<Vec<_>>());
        for field in ["To", "Cc"] {
            let people: Vec<_> = (0..50)
                .map(|n| person(&format!("Person Number {n}"), &format!("{}{n}@y.example", field.to_lowercase())))
                .collect();
            assert_eq!(mail.people(field), people);
        }
    }
}

#[tokio::test]
async fn somebody_who_is_named_several_times_gets_one_copy() {
    let fields = json!({
        "text": "t", "to": ["a@y.example", "A <a@y.example>", "b@y.example"], "cc": ["b@y.example", "c@y.example"],
        "bcc": ["a@y.example", "c@y.example", "d@y.example"],
    });
    for system in System::with_each_server().await {
        let mail = system.deliver_one(&email(fields.clone())).await;
        assert_eq!(mail.received.recipients, ["a@y.example", "b@y.example", "c@y.example", "d@y.example"]);
        assert_eq!(mail.addresses("To"), ["a@y.example", "a@y.example", "b@y.example"]);
    }
}

#[tokio::test]
async fn an_international_domain_travels_in_ascii_and_an_international_local_part_with_smtputf8() {
    let domains = email(json!({"from": "a@exämple.example", "to": "b@bücher.example", "text": "ü"}));
    let local_part =
        email(json!({"from": "jürgen@x.example", "to": ["jörg@bücher.example", "b@y.example"], "text": "ü"}));
    for system in System::with_each_server().await {
        let mails = system.deliver(&[domains.clone(), local_part.clone()]).await;
        assert_eq!(mails[0].received.envelope_from, "a@xn--exmple-cua.example");
        assert_eq!(mails[0].received.recipients, ["b@xn--bcher-kva.example"]);
        assert_eq!(mails[0].addresses("To"), ["b@xn--bcher-kva.example"]);
        assert_eq!(mails[0].message_id(), format!("{}@xn--exmple-cua.example", mails[0].id()));
        assert!(mails[0].received.data.is_ascii());
        assert!(!mails[0].received.mail_parameters.contains(&"SMTPUTF8".to_owned()));

        assert_eq!(mails[1].received.envelope_from, "jürgen@x.example");
        assert_eq!(mails[1].received.recipients, ["jörg@bücher.example", "b@y.example"]);
        assert_eq!(mails[1].addresses("To"), ["jörg@bücher.example", "b@y.example"]);
        assert!(mails[1].received.mail_parameters.contains(&"SMTPUTF8".to_owned()));
        mails[1].assert_text("text/plain", "ü");
    }
}

#[tokio::test]
async fn an_international_local_part_is_a_clear_failure_where_the_server_has_no_smtputf8() {
    for server in [
        MailServer::Testkit(SmtpServer::builder().without_smtputf8().start().await),
        MailServer::Aiosmtpd(Aiosmtpd::builder().without_smtputf8().start().await),
    ] {
        let system = System::start(server, &[]).await;
        let id = system.api.accept(&email(json!({"to": ["jörg@y.example", "b@y.example"], "text": "t"}))).await;
        eventually(DEADLINE, "the failure", async || system.api.last_event(&id).await == "failed").await;
        let failed = system.api.get(&id).await;
        assert!(failed.text("last_error").contains("SMTPUTF8"), "{}", failed.json);
        assert_eq!(failed.json["attempts"], 1);
        // Names, subjects and texts of all languages need no extension of the server, and the worker continues.
        let fields = json!({"from": "Jörg <j@exämple.example>", "subject": "Grüße", "text": "日本語"});
        let mail = system.deliver_one(&email(fields)).await;
        assert_eq!(mail.people("From"), [person("Jörg", "j@xn--exmple-cua.example")]);
        assert_eq!(mail.subject(), Some("Grüße"));
        mail.assert_text("text/plain", "日本語");
    }
}

#[tokio::test]
async fn a_message_is_delivered_over_starttls_to_a_server_that_asks_for_a_password() {
    let server = Aiosmtpd::builder().starttls().login("user", "smtp_pass").start().await;
    let (url, ca_file) = (server.url_with_login(), server.ca_file());
    let flags = ["--smtp-ca-file", ca_file.to_str().unwrap()];
    let system = System::start_with(MailServer::Aiosmtpd(server), &url, &flags).await;
    let texts = difficult_texts();
    let emails: Vec<_> = texts.iter().map(|text| email(json!({"text": text}))).collect();
    for (text, mail) in texts.iter().zip(system.deliver(&emails).await) {
        assert!(mail.received.tls);
        assert_eq!(mail.received.authenticated.as_deref(), Some("user"));
        mail.assert_text("text/plain", text);
    }
    let told = system.worker.process.lines().join("\n");
    assert!(!told.contains("smtp_pass") && !told.contains("bob@y.example"), "{told}");
}

#[tokio::test]
async fn the_same_email_is_the_same_message_for_both_servers() {
    let fields = json!({"text": ".\n..\nFrom ü ", "html": "<p>.", "subject": "Grüße", "headers": {"X-A": "ä"}});
    let mut messages = Vec::new();
    for system in System::with_each_server().await {
        let mail: Mail = system.deliver_one(&email(fields.clone())).await;
        let message = String::from_utf8(mail.received.data.clone()).unwrap().replace(mail.id(), "<id>");
        let boundary = message.split("boundary=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
        let message = message.replace(boundary, "<boundary>");
        let lines = message.split("\r\n").filter(|line| !line.starts_with("Date: "));
        messages.push(lines.map(str::to_owned).collect::<Vec<_>>());
    }
    assert_eq!(messages[0], messages[1]);
}
