//! Emails of any content arrive as they were posted.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Mail, MailServer, System};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// How many batches each server gets.
const BATCHES: u32 = 24;
/// How many emails are in a batch, and so on their way at once.
const BATCH: std::ops::Range<usize> = 1..16;

#[derive(Debug, Clone)]
struct Posted {
    subject: String,
    text: Option<String>,
    html: Option<String>,
    header: String,
    names: Vec<String>,
    files: Vec<(String, Vec<u8>)>,
}

/// A text of a body: any characters, and more often than chance would have it those that mean something on the way.
fn any_text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => any::<String>(),
        3 => "[ -~]{0,90}",
        2 => "[ -~äöü€日本😀\t]{0,200}",
        2 => prop::sample::select(vec!["\r\n", "\n", "\n.\n", "\r\n..\r\n", " \n", "\nFrom ", "=\n", "=3D", "--", "\r"])
            .prop_map(str::to_owned),
        1 => (0_usize..3000).prop_map(|length| "x".repeat(length)),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

/// One line whose words are single spaces apart: more of them may be folded away.
fn any_line() -> impl Strategy<Value = String> {
    let encoded = "=\\?utf-8\\?[qQbB]\\?[!->@-~]{0,10}\\?=";
    let word = prop_oneof![3 => "[!-~]{1,30}", 2 => "[!-~äöü€日本😀]{1,30}", 1 => "[^\\pC\\pZ]{1,20}", 1 => encoded];
    prop::collection::vec(word, 1..12).prop_map(|words| words.join(" "))
}

fn any_email() -> impl Strategy<Value = Posted> {
    // At least one of the two says something: an email without any content is refused.
    let bodies = (prop::option::of(any_text()), prop::option::of(any_text())).prop_map(|(text, html)| {
        let says_nothing = [&text, &html].into_iter().flatten().all(String::is_empty);
        if says_nothing { (Some(".".to_owned()), html) } else { (text, html) }
    });
    let name = "[^\\pC\\pZ\"\\\\]{1,20}( [^\\pC\\pZ\"\\\\]{1,10})?";
    let file = ("[^\\pC\\pZ]{1,30}", prop::collection::vec(any::<u8>(), 0..400));
    let files = prop::collection::vec(file, 0..3);
    (any_line(), bodies, any_line(), prop::collection::vec(name, 1..4), files)
        .prop_map(|(subject, (text, html), header, names, files)| Posted { subject, text, html, header, names, files })
}

impl Posted {
    fn json(&self) -> Value {
        let to = self.names.iter().enumerate().map(|(n, name)| format!("\"{name}\" <{n}@y.example>"));
        let files = self.files.iter().map(|(name, content)| {
            // Or a name that happens to end like that of a text makes it one, which the reader would decode as such.
            json!({"filename": name, "content": content, "content_type": "application/octet-stream"})
        });
        json!({
            "from": "ada@x.example", "to": to.collect::<Vec<_>>(), "subject": self.subject, "text": self.text,
            "html": self.html, "headers": {"X-Any": self.header}, "attachments": files.collect::<Vec<_>>(),
        })
    }

    #[track_caller]
    fn assert_arrived(&self, mail: &Mail) {
        let raw = mail.raw_headers();
        assert_eq!(mail.subject(), Some(self.subject.as_str()), "{raw}");
        assert_eq!(mail.header("X-Any"), [self.header.as_str()], "{raw}");
        let people = self.names.iter().enumerate().map(|(n, name)| (name.clone(), format!("{n}@y.example")));
        assert_eq!(mail.people("To"), people.collect::<Vec<_>>(), "{raw}");
        for (content_type, text) in [("text/plain", &self.text), ("text/html", &self.html)] {
            // An empty one next to the other is no part, and alone it is nothing.
            if let Some(text) = text.as_ref().filter(|text| !text.is_empty()) {
                mail.assert_text(content_type, text);
            }
        }
        let files = mail.files().into_iter().map(|file| (file.name.unwrap_or_default(), file.content));
        assert_eq!(files.collect::<Vec<_>>(), self.files, "{}", String::from_utf8_lossy(&mail.received.data));
    }
}

fn every_email_arrives(server: impl Future<Output = MailServer>) {
    let runtime = Runtime::new().unwrap();
    let system = runtime.block_on(async { System::start(server.await, &[]).await });
    let mut runner = TestRunner::new(Config { cases: BATCHES, failure_persistence: None, ..Config::default() });
    runner
        .run(&prop::collection::vec(any_email(), BATCH), |batch| {
            let emails: Vec<_> = batch.iter().map(Posted::json).collect();
            let mails = runtime.block_on(system.deliver(&emails));
            batch.iter().zip(&mails).for_each(|(posted, mail)| posted.assert_arrived(mail));
            Ok(())
        })
        .unwrap();
}

#[test]
fn any_email_arrives_at_a_server_of_our_own() {
    every_email_arrives(MailServer::testkit());
}

#[test]
fn any_email_arrives_at_a_server_that_others_wrote() {
    every_email_arrives(MailServer::aiosmtpd());
}
