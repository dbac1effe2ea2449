//! Emails to several recipients of which the server refuses some: the others get it, and none gets it twice.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use e2e::{Api, Arrivals, Records, Worker};
use serde_json::{Value, json};
use testkit::{Action, DEADLINE, RedisServer, Rules, SmtpServer, Stage, eventually};

const A: &str = "a@b.example";
const B: &str = "b@b.example";
const C: &str = "c@b.example";

fn later() -> Action {
    Action::reply(450, "4.2.1 mailbox busy")
}

fn never() -> Action {
    Action::reply(550, "5.1.1 no such user")
}

fn email() -> Value {
    json!({"to": [A], "cc": B, "bcc": [C], "subject": "s", "text": "hi"})
}

fn set(recipients: &[&str]) -> BTreeSet<String> {
    recipients.iter().map(|recipient| (*recipient).to_owned()).collect()
}

/// What happened to an email to three under these rules.
struct Outcome {
    /// The recipients of each message, in the order of their coming.
    messages: Vec<BTreeSet<String>>,
    /// How often each recipient was named.
    named: BTreeMap<String, usize>,
    last_event: String,
    last_error: String,
}

async fn deliver(rules: Rules, flags: &[&str]) -> Outcome {
    let redis = RedisServer::builder().without_persistence().start();
    let server = SmtpServer::builder().rules(rules).start().await;
    let api = Api::start(&redis).await;
    let _worker = Worker::ready(&redis.url(), &server.url(), flags).await;
    let id = api.accept(&email()).await;
    Records::of(&redis).wait_until_finished().await;
    let read = api.get(&id).await;
    let arrivals = Arrivals::new(server.received());
    Outcome {
        messages: arrivals.of(&id).iter().map(|mail| mail.received.recipients.iter().cloned().collect()).collect(),
        named: server.rcpt_attempts().into_iter().collect(),
        last_event: read.text("last_event").to_owned(),
        last_error: read.text("last_error").to_owned(),
    }
}

fn times(named: [usize; 3]) -> BTreeMap<String, usize> {
    [A, B, C].map(str::to_owned).into_iter().zip(named).collect()
}

#[tokio::test]
async fn one_of_three_refused_for_now_gets_it_later_and_the_others_once() {
    let outcome = deliver(Rules::new().recipient_first(B, 2, later()), &[]).await;
    assert_eq!(outcome.messages, [set(&[A, C]), set(&[B])]);
    assert_eq!(outcome.named, times([1, 3, 1]));
    assert_eq!(outcome.last_event, "sent");
}

#[tokio::test]
async fn one_of_three_refused_for_good_is_named_in_the_failure_and_the_others_get_it_once() {
    let outcome = deliver(Rules::new().recipient(B, never()), &[]).await;
    assert_eq!(outcome.messages, [set(&[A, C])]);
    assert_eq!(outcome.named, times([1, 1, 1]));
    assert_eq!(outcome.last_event, "failed");
    let error = outcome.last_error;
    assert!(error.contains(B) && error.contains("no such user") && error.contains("1 of 3"), "{error}");
}

#[tokio::test]
async fn one_refused_for_now_and_one_for_good_end_in_a_failure_that_names_only_the_latter() {
    let outcome = deliver(Rules::new().recipient_first(B, 1, later()).recipient(C, never()), &[]).await;
    assert_eq!(outcome.messages, [set(&[A]), set(&[B])]);
    assert_eq!((outcome.named[A], outcome.named[B]), (1, 2));
    assert_eq!(outcome.last_event, "failed");
    let error = outcome.last_error;
    assert!(error.contains("no such user") && !error.contains("busy"), "{error}");
}

#[tokio::test]
async fn a_refusal_of_all_three_for_now_is_tried_again_for_all() {
    let rules = Rules::new().recipient_first(A, 1, later()).recipient_first(B, 1, later());
    let outcome = deliver(rules.recipient_first(C, 1, later()), &[]).await;
    assert_eq!(outcome.messages, [set(&[A, B, C])]);
    assert_eq!((outcome.named, outcome.last_event.as_str()), (times([2, 2, 2]), "sent"));
}

#[tokio::test]
async fn a_message_refused_for_now_after_its_recipients_were_accepted_is_sent_again_to_those() {
    let rules = Rules::new().recipient(B, never()).first(Stage::EndOfData, 1, Action::reply(452, "4.3.1 disk full"));
    let outcome = deliver(rules, &[]).await;
    assert_eq!(outcome.messages, [set(&[A, C])]);
    assert_eq!(outcome.last_event, "failed", "for B");
}

#[tokio::test]
async fn a_recipient_refused_for_now_until_the_attempts_run_out_is_named_and_the_others_have_it_once() {
    let outcome = deliver(Rules::new().recipient(B, later()), &["--max-attempts", "3"]).await;
    assert_eq!(outcome.messages, [set(&[A, C])]);
    // The attempt in which others got it was none.
    assert_eq!(outcome.named, times([1, 4, 1]));
    assert_eq!(outcome.last_event, "failed");
    assert!(outcome.last_error.contains("3 attempts") && outcome.last_error.contains(B), "{}", outcome.last_error);
}

#[tokio::test]
async fn another_worker_does_not_repeat_it_for_those_who_have_it_either() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = SmtpServer::builder().rules(Rules::new().recipient_first(B, 1, later())).start().await;
    let api = Api::start(&redis).await;
    let flags = ["--retry-base", "2s", "--retry-max", "2s"];
    let mut worker = Worker::ready(&redis.url(), &server.url(), &flags).await;
    let id = api.accept(&email()).await;
    eventually(DEADLINE, "a delay", async || api.last_event(&id).await == "delivery_delayed").await;
    worker.process.kill_now();
    let _other = Worker::ready(&redis.url(), &server.url(), &[]).await;
    Records::of(&redis).wait_until_finished().await;
    let arrivals = Arrivals::new(server.received());
    let messages: Vec<_> = arrivals.of(&id).iter().map(|mail| mail.received.recipients.clone()).collect();
    assert_eq!(messages[1..], [[B.to_owned()]]);
    assert_eq!(messages.len(), 2);
    assert_eq!(api.last_event(&id).await, "sent");
}

#[tokio::test]
async fn who_has_got_an_email_is_told_while_others_have_not() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = SmtpServer::builder().rules(Rules::new().recipient_first(B, 1, later())).start().await;
    let api = Api::start(&redis).await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--retry-base", "1h", "--retry-max", "1h"]).await;
    let id = api.accept(&email()).await;
    eventually(DEADLINE, "it to be delayed", async || api.last_event(&id).await == "delivery_delayed").await;
    let sent_to = api.get(&id).await.json["sent_to"].clone();
    let sent_to: BTreeSet<String> = serde_json::from_value(sent_to).unwrap();
    assert_eq!(sent_to, set(&[A, C]));
    let retried = api.request("POST", &format!("/emails/{id}/retry"), &[], "").await;
    assert_eq!(retried.status, 200, "{}", retried.json);
    eventually(DEADLINE, "the rest to get it", async || api.last_event(&id).await == "sent").await;
    assert_eq!(api.get(&id).await.json["sent_to"], Value::Null);
    assert_eq!(server.received().len(), 2);
}
