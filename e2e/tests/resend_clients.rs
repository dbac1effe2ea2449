//! Published clients of Resend through the real component and worker: Payload's adapter, nodemailer's transport,
//! Resend's command line and MCP server, its SDK for Python, django-anymail.
//!
//! What they do and expect is in `sdk/clients.test.mjs` and `resend-python/clients_test.py`.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use e2e::{Api, Mail, MailServer, Worker, program};
use testkit::{Process, RedisServer};

const KEY: &str = "re_full";

/// Runs a script against the API, and returns what has arrived once as many emails have as have a subject here, sorted by
/// subject.
async fn mails(script: &mut Command, subjects: &[&str]) -> Vec<Mail> {
    let redis = RedisServer::builder().without_persistence().start();
    let server = MailServer::testkit().await;
    let api = Api::start_with(&redis.url(), &[("api_keys", KEY), ("default_from", "")]).await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &[]).await;

    let url = format!("http://{}", api.address());
    let mut process = Process::start({
        let mut command = Command::new(script.get_program());
        command.args(script.get_args());
        command.envs(script.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.env("RESEND_BASE_URL", &url).env("RESEND_API_URL", &url).env("RESEND_API_KEY", KEY);
        command
    });
    let status = process.wait(Duration::from_secs(180)).await;
    assert!(status.success(), "{status}");

    let mut mails: Vec<_> = server.wait_for(subjects.len()).await.into_iter().map(Mail::new).collect();
    mails.sort_by_key(|mail| mail.subject().unwrap_or_default().to_owned());
    // Whatever the scripts call "not sent" must not arrive.
    assert_eq!(mails.iter().map(|mail| mail.subject().unwrap()).collect::<Vec<_>>(), subjects);
    mails
}

fn script(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(file)
}

#[tokio::test]
async fn programs_on_node_run_with_another_base_url_and_key() {
    let mut script = Command::new("node");
    script
        .arg(self::script("sdk/clients.test.mjs"))
        .env("CLIENTS", program("RESEND_SDK_DIR", "target/test-tools/resend-sdk"));
    let mails = mails(&mut script, &["cli", "mcp", "nodemailer", "payload", "payload file"]).await;
    let [cli, _, nodemailer, _, file] = mails.as_slice() else { panic!("{}", mails.len()) };
    assert_eq!(cli.header("X-Entity-Ref-ID"), ["42"]);
    assert_eq!(nodemailer.header("X-Number"), ["7"]);
    assert_eq!(nodemailer.addresses("Reply-To"), ["support@acme.example"]);
    for mail in [cli, nodemailer, file] {
        assert_eq!(mail.files()[0].content, b"file");
    }
}

#[tokio::test]
async fn programs_in_python_run_with_another_base_url_and_key() {
    let mut script = Command::new(program("RESEND_PYTHON", "target/test-tools/resend-python/bin/python"));
    script.arg(self::script("resend-python/clients_test.py"));
    let mails = mails(&mut script, &["anymail", "python", "python batch 1", "python batch 2"]).await;
    assert_eq!(mails[0].header("X-Number"), ["7"]);
    assert_eq!(mails[0].addresses("Cc"), ["carol@example.com"]);
    mails[0].assert_text("text/html", "<p>Hello</p>");
    for mail in &mails[..2] {
        assert_eq!(mail.files()[0].content, b"file");
    }
}
