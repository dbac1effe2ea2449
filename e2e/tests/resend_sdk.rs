//! The official SDK of Resend for Node, as it is published, through the real component and the real worker.
//!
//! What it does and expects is in `sdk/resend.test.js`.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{path::Path, process::Command, time::Duration};

use e2e::{Api, Mail, MailServer, Worker, program};
use testkit::{Process, RedisServer};

const KEYS: (&str, &str) = ("api_keys", "re_full,re_sending:sending");
/// As with Resend, every email must name its sender.
const NO_SENDER: (&str, &str) = ("default_from", "");

/// The subjects of all emails that the script sends, sorted. Whatever it says is not sent must not arrive.
const SENT: [&str; 17] = [
    "attachments",
    "batch 1",
    "batch 2",
    "everything",
    "idempotent",
    "idempotent batch 1",
    "idempotent batch 2",
    "listed 1",
    "listed 2",
    "listed 3",
    "listed 4",
    "listed 5",
    "longest key",
    "moved to now",
    "permissive",
    "permissive without errors",
    "sending key",
];

#[tokio::test]
async fn a_program_written_for_resend_runs_with_another_base_url_and_key() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = MailServer::testkit().await;
    let api = Api::start_with(&redis.url(), &[KEYS, NO_SENDER]).await;
    let limited = Api::start_with(&redis.url(), &[KEYS, ("rate_limit", "1")]).await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &[]).await;

    run_script(&api, &limited).await;

    let mut expected = SENT.to_vec();
    expected.push("sending key batch");
    let mut mails: Vec<_> = server.wait_for(expected.len()).await.into_iter().map(Mail::new).collect();
    mails.sort_by_key(|mail| mail.subject().unwrap_or_default().to_owned());
    assert_eq!(mails.iter().map(|mail| mail.subject().unwrap()).collect::<Vec<_>>(), expected);

    let by_subject = |subject: &str| mails.iter().find(|mail| mail.subject() == Some(subject)).unwrap();
    let everything = by_subject("everything");
    assert_eq!(everything.addresses("To"), ["ada@example.com", "bob@example.com"]);
    assert_eq!(everything.addresses("Cc"), ["carol@example.com"]);
    assert_eq!(everything.addresses("Reply-To"), ["support@acme.example"]);
    assert_eq!(everything.header("X-Entity-Ref-ID"), ["42"]);
    assert_eq!(everything.received.recipients.len(), 4);
    everything.assert_text("text/plain", "The text of everything");
    everything.assert_text("text/html", "<p>The HTML of <b>everything</b></p>");
    let files = by_subject("attachments").files();
    assert_eq!(files.len(), 2);
    assert!(files.iter().all(|file| file.content == [0, 1, 2, 253, 254, 255]), "{files:?}");
}

/// Runs the script, which fails the test where it fails; its output is shown then.
async fn run_script(api: &Api, limited: &Api) {
    let modules = program("RESEND_SDK_DIR", "target/test-tools/resend-sdk").join("node_modules");
    let mut command = Command::new("node");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("sdk/resend.test.js"));
    command.env("NODE_PATH", modules);
    command.env("RESEND_BASE_URL", format!("http://{}", api.address()));
    command.env("LIMITED_BASE_URL", format!("http://{}", limited.address()));
    let mut process = Process::start(command);
    let status = process.wait(Duration::from_secs(120)).await;
    assert!(status.success(), "{status}");
}
