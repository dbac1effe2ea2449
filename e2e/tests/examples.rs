//! The clients in `examples/` each send one email through the real component and worker.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{path::Path, process::Command, time::Duration};

use e2e::{Api, Mail, MailServer, Worker};
use testkit::{Process, RedisServer};

const KEY: &str = "re_example";

const CLIENTS: [(&str, &[&str], &str); 3] =
    [("send.sh", &["sh"], "curl"), ("send.mjs", &["node"], "Node"), ("send.py", &["python3"], "Python")];

/// Runs a client to its end. Returns its exit code and what it said.
async fn run(api: &Api, program: &[&str], file: &str, recipient: &str) -> (Option<i32>, String) {
    let mut command = Command::new(program[0]);
    command
        .args(&program[1..])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(file))
        .arg(recipient)
        .env("EMAIL_API_URL", format!("http://{}", api.address()))
        .env("EMAIL_API_KEY", KEY)
        .env("EMAIL_FROM", "Acme <hello@acme.example>");
    let mut client = Process::start(command);
    let status = client.wait(Duration::from_secs(120)).await;
    (status.code(), client.lines().join("\n"))
}

#[tokio::test]
async fn each_client_hands_in_one_email_and_sees_it_sent() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = MailServer::testkit().await;
    let api = Api::start_with(&redis.url(), &[("api_keys", KEY), ("default_from", "")]).await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &[]).await;
    for (nth, (file, program, name)) in CLIENTS.into_iter().enumerate() {
        let (code, said) = run(&api, program, file, "ada@example.com").await;
        assert_eq!(code, Some(0), "{file}: {said}");
        let mails: Vec<_> = server.wait_for(nth + 1).await.into_iter().map(Mail::new).collect();
        assert_eq!(mails.len(), nth + 1, "{file}");
        let mail = mails.last().unwrap();
        assert_eq!(mail.subject(), Some(format!("Hello from {name}").as_str()));
        assert_eq!(mail.addresses("From"), ["hello@acme.example"]);
        assert!(said.contains(mail.id()), "{file}: {said}");
    }
}

#[tokio::test]
async fn each_client_says_which_field_is_refused_and_does_not_ask_again() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[("api_keys", KEY)]).await;
    for (file, program, _) in CLIENTS {
        let (code, said) = run(&api, program, file, "nobody").await;
        assert_eq!(code, Some(1), "{file}: {said}");
        assert!(said.contains("`to`") && !said.contains("trying again"), "{file}: {said}");
    }
}
