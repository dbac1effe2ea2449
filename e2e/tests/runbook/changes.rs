//! Many emails at once: changed by the API, and moved to another queue.

use std::{fs, os::unix::fs::PermissionsExt};

use serde_json::json;
use testkit::{Action, DEADLINE, RedisServer, Rules, SmtpServer, Stage, eventually};

use crate::machine::{KEY, Machine};

fn number_of(redis: &RedisServer, state: &str) -> usize {
    redis::cmd("ZCARD").arg(format!("emails:{state}")).query(&mut redis.connection()).unwrap()
}

#[tokio::test]
async fn emails_move_to_another_queue_and_none_that_is_accepted_meanwhile_is_lost() {
    const EMAILS: usize = 20;
    let smtp = SmtpServer::start().await;
    let mut machine = Machine::simple(&smtp.url()).await;
    let mut expected = Vec::new();
    for nth in 0..EMAILS {
        let text = format!("number {nth}");
        machine.accept(&text).await;
        expected.push(text);
    }
    // Between the export and the last command.
    let late = json!({"to": "a@b.example", "subject": "s", "text": "meanwhile"}).to_string();
    let post =
        format!("curl -sS --fail-with-body -H \"Authorization: Bearer $KEY\" --json '{late}' \"$API/emails\" >&2");
    let tac = machine.path("tac");
    fs::write(&tac, format!("#!/bin/sh\n{post} || exit 1\nPATH=${{PATH#*:}} exec tac \"$@\"\n")).unwrap();
    fs::set_permissions(&tac, fs::Permissions::from_mode(0o755)).unwrap();
    let other = RedisServer::builder().without_persistence().start();
    let moving = machine.path("moving.jsonl").display().to_string();
    for (name, value) in [("OTHER_REDIS_URL", &*other.url()), ("OTHER_QUEUE", "emails"), ("MOVING", &moving)] {
        machine.variable(name, value);
    }
    let said = machine.run("move-emails").await;
    assert!(said.contains(&format!("\"sent\":{EMAILS}")), "{said}");

    // Those that were moved are sent from there, in their order, and only that which was not is left here.
    let here = machine.redis.url();
    machine.set_worker("EMAIL_QUEUE_CONCURRENCY", "1");
    machine.set_worker("EMAIL_QUEUE_REDIS_URL", &other.url());
    machine.systemctl("start email-queue-worker").await;
    let texts = async |count| {
        let received = smtp.wait_for(count).await.into_iter();
        let text = |received| e2e::Mail::new(received).text("text/plain").unwrap().trim_end().to_owned();
        received.map(text).collect::<Vec<_>>()
    };
    assert_eq!(texts(EMAILS).await, expected);
    machine.set_worker("EMAIL_QUEUE_REDIS_URL", &here);
    machine.systemctl("restart email-queue-worker").await;
    assert_eq!(machine.request("POST", "/queue/resume", KEY, "{}".to_owned()).await.status, 200);
    expected.push("meanwhile".to_owned());
    assert_eq!(texts(EMAILS + 1).await, expected);
}

#[tokio::test]
async fn many_dead_letters_are_sent_again_by_the_api_and_a_failure_shows() {
    const EMAILS: usize = 5;
    let smtp = SmtpServer::start().await;
    smtp.rules(Rules::new().at(Stage::Rcpt, Action::reply(550, "5.7.1 refused by policy")));
    let mut machine = Machine::simple(&smtp.url()).await;
    machine.systemctl("start email-queue-worker").await;
    for nth in 0..EMAILS {
        machine.accept(&format!("number {nth}")).await;
    }
    let all_failed = async || number_of(&machine.redis, "failed") == EMAILS;
    eventually(DEADLINE, "dead letters", all_failed).await;
    smtp.rules(Rules::new());
    let said = machine.run("pause").await;
    assert!(said.contains(r#""paused":["low"]"#) && said.contains(r#""paused":[]"#), "{said}");
    machine.variable("KEY", "re_wrong");
    let said = machine.run("many-emails").await;
    assert!(said.contains("FAILED, not all is done"), "{said}");
    machine.variable("KEY", KEY);
    let said = machine.run("many-emails").await;
    assert!(!said.contains("FAILED"), "{said}");
    assert_eq!(smtp.wait_for(EMAILS).await.len(), EMAILS);
}
