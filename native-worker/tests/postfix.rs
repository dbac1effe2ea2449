//! Emails to a real Postfix, with the limits that such servers have.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::collections::HashSet;

use common::{Queue, short, to_many};
use testkit::{DEADLINE, Postfix};

fn assert_first_attempt(queue: &Queue, state: &str) {
    for id in queue.ids() {
        assert_eq!((queue.field(&id, "state").as_str(), queue.field(&id, "attempts").as_str()), (state, "1"));
    }
}

#[tokio::test]
async fn a_limit_on_connections_is_learned_and_costs_no_email_an_attempt() {
    let Some(postfix) = Postfix::start(&["smtpd_client_connection_count_limit = 5"]).await else { return };
    let queue = Queue::start();
    for number in 0..300 {
        queue.push(&short(&format!("user{number}@x.example"), "hi"));
    }
    let mut worker =
        queue.worker(&postfix.url(), &["--concurrency", "50", "--drain", "--retry-base", "30s", "--retry-max", "60s"]);
    assert!(worker.wait(DEADLINE).await.success());
    assert_first_attempt(&queue, "sent");
    let delivered = postfix.wait_for(300).await;
    assert_eq!((delivered.len(), delivered.into_iter().collect::<HashSet<_>>().len()), (300, 300));
    let refused = postfix.logged("Connection concurrency limit exceeded");
    assert!(refused > 0, "the limit was never met");
    assert!(refused < 20, "the limit was not learned: {refused} connections refused");
}

#[tokio::test]
async fn more_recipients_than_a_transaction_takes_follow_at_once() {
    let Some(postfix) = Postfix::start(&["smtpd_recipient_limit = 10"]).await else { return };
    let queue = Queue::start();
    let recipients: Vec<_> = (0..50).map(|number| format!("user{number}@x.example")).collect();
    queue.push(&to_many(&recipients.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut worker = queue.worker(&postfix.url(), &["--drain", "--retry-base", "30s", "--retry-max", "60s"]);
    assert!(worker.wait(DEADLINE).await.success());
    assert_first_attempt(&queue, "sent");
    let delivered: HashSet<_> = postfix.wait_for(50).await.into_iter().collect();
    assert_eq!(delivered, recipients.into_iter().collect());
}

#[tokio::test]
async fn a_server_that_gives_up_after_many_errors_still_gets_the_good_recipients() {
    let Some(postfix) = Postfix::start(&["smtpd_hard_error_limit = 20", "smtpd_error_sleep_time = 0"]).await else {
        return;
    };
    let queue = Queue::start();
    let recipients: Vec<_> =
        (0..25).flat_map(|number| [format!("unknown{number}@x.example"), format!("user{number}@x.example")]).collect();
    queue.push(&to_many(&recipients.iter().map(String::as_str).collect::<Vec<_>>()));
    let mut worker = queue.worker(&postfix.url(), &["--drain", "--retry-base", "30s", "--retry-max", "60s"]);
    assert!(worker.wait(DEADLINE).await.success());
    assert_first_attempt(&queue, "failed");
    let delivered: HashSet<_> = postfix.wait_for(25).await.into_iter().collect();
    assert_eq!(delivered, recipients.into_iter().filter(|address| address.starts_with("user")).collect());
    assert!(postfix.logged("too many errors") > 0, "the limit was never met");
    assert_eq!(postfix.logged("User unknown in local recipient table"), 25, "who is refused is asked for once");
    let error = queue.field(&queue.ids()[0], "error");
    assert!(error.contains("25 of 50 recipients") && error.contains("User unknown"), "{error}");
}

#[tokio::test]
async fn a_message_that_is_too_large_is_not_sent_at_all() {
    let Some(postfix) = Postfix::start(&["message_size_limit = 20000"]).await else { return };
    let queue = Queue::start();
    queue.push(&short("user@x.example", &"a long line of text\n".repeat(2000)));
    let mut worker = queue.worker(&postfix.url(), &["--drain"]);
    assert!(worker.wait(DEADLINE).await.success());
    assert_first_attempt(&queue, "failed");
    let error = queue.field(&queue.ids()[0], "error");
    assert!(error.contains("takes 20000 at the most"), "{error}");
    assert_eq!(postfix.logged("Message size exceeds"), 0, "it was asked");
}

#[tokio::test]
async fn a_relay_that_wants_a_login_makes_no_dead_letter() {
    let settings = ["mynetworks =", "smtpd_relay_restrictions = reject_unauth_destination"];
    let Some(postfix) = Postfix::start(&settings).await else { return };
    let queue = Queue::start();
    let worker = queue.worker(&postfix.url(), &["--retry-base", "30s", "--retry-max", "60s"]);
    let id = queue.import(&short("somebody@elsewhere.example", "hi")).await;
    worker.wait_for_line(|line| line.contains("authentication") && line.contains("Relay access denied")).await;
    queue.wait_for_state(&id, "delayed").await;
}
