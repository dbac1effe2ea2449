//! Sessions that come to their end, servers that say odd things, and what still goes out at the first attempt.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::{sync::Mutex, time::Duration};

use common::{Queue, short, to_many};
use testkit::{Action, DEADLINE, Rules, SmtpServer, Stage};

/// What would make a second attempt wait for longer than a test does.
const NO_SECOND_ATTEMPT: [&str; 4] = ["--retry-base", "90s", "--retry-max", "90s"];

async fn sent_at_first_attempt(queue: &Queue, json: &str) {
    let id = queue.import(json).await;
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(queue.field(&id, "attempts"), "1");
}

#[tokio::test]
async fn a_session_that_takes_no_more_emails_is_followed_by_another_at_once() {
    for refusal in ["4.7.1 too many messages in this session", "4.3.2 reconnect"] {
        let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
        let emails_in_session = Mutex::new(std::collections::HashMap::<usize, usize>::new());
        smtp.script(move |step| {
            let mut emails = emails_in_session.lock().unwrap();
            let emails = emails.entry(step.connection).or_default();
            if step.stage == Stage::Mail {
                *emails += 1;
            }
            match step.stage {
                Stage::Mail if *emails > 2 => Action::reply(451, refusal),
                _ => Action::Accept,
            }
        });
        let _worker = queue.worker(&smtp.url(), &[&NO_SECOND_ATTEMPT[..], &["--concurrency", "1"]].concat());
        for _ in 0..6 {
            sent_at_first_attempt(&queue, &short("a@b.example", "hi")).await;
        }
        assert_eq!((smtp.connections(), smtp.received().len()), (3, 6));
    }
}

#[tokio::test]
async fn a_session_that_was_closed_while_it_waited_costs_no_attempt_whatever_was_said() {
    for last in ["451 4.4.2 idle for too long", "421 4.4.2 bye", "554 5.0.0 go away", "* nonsense"] {
        let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
        smtp.rules(Rules::new().nth(Stage::EndOfData, 1, Action::raw(250, format!("250 2.0.0 taken\r\n{last}\r\n"))));
        let _worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
        for _ in 0..2 {
            sent_at_first_attempt(&queue, &short("a@b.example", "hi")).await;
        }
        assert_eq!((smtp.connections(), smtp.received().len()), (2, 2), "{last}");
    }
}

#[tokio::test]
async fn an_answer_counts_by_its_code_however_long_it_is() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let long = "x".repeat(100_000);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::raw(250, format!("250-{long}\r\n250 {long}\r\n"))));
    let _worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
    for _ in 0..2 {
        sent_at_first_attempt(&queue, &short("a@b.example", "hi")).await;
    }
    assert_eq!((smtp.connections(), smtp.received().len()), (1, 2));
}

#[tokio::test]
async fn recipients_beyond_what_a_transaction_takes_follow_in_the_same_session() {
    for too_many in [Action::reply(452, "4.5.3 too many recipients"), Action::reply(552, "enough")] {
        let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
        smtp.rules(Rules::new().when(|step| step.stage == Stage::Rcpt && step.recipients.len() >= 10, too_many));
        let _worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
        let recipients: Vec<_> = (0..50).map(|number| format!("user{number}@x.example")).collect();
        sent_at_first_attempt(&queue, &to_many(&recipients.iter().map(String::as_str).collect::<Vec<_>>())).await;
        let served: Vec<_> = smtp.received().into_iter().flat_map(|received| received.recipients).collect();
        assert_eq!((served, smtp.received().len(), smtp.connections()), (recipients, 5, 1));
    }
}

#[tokio::test]
async fn who_is_left_when_a_server_gives_up_is_asked_for_in_a_new_session() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(
        Rules::new()
            .when(|step| step.recipient.is_some_and(|to| to.starts_with("no")), Action::reply(550, "5.1.1 no"))
            .nth(Stage::Rcpt, 4, Action::reply(421, "4.7.0 too many errors")),
    );
    let _worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
    let id = queue.import(&to_many(&["no1@x.example", "yes1@x.example", "no2@x.example", "yes2@x.example"])).await;
    queue.wait_for_state(&id, "failed").await;
    assert_eq!(queue.field(&id, "attempts"), "1");
    assert_eq!(smtp.received()[0].recipients, ["yes1@x.example", "yes2@x.example"]);
    let asked = smtp.rcpt_attempts();
    assert_eq!((asked["no1@x.example"], asked["no2@x.example"], smtp.received().len()), (1, 1, 1));
}

#[tokio::test]
async fn a_session_lost_in_the_middle_of_an_email_is_followed_by_another_if_it_had_been_used() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data] {
        let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
        smtp.rules(Rules::new().nth(stage, 2, Action::Drop));
        let _worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
        for _ in 0..2 {
            sent_at_first_attempt(&queue, &short("a@b.example", "hi")).await;
        }
        assert_eq!((smtp.connections(), smtp.received().len()), (2, 2), "{stage:?}");
    }
}

#[tokio::test]
async fn a_recipient_who_needs_smtputf8_fails_alone_where_there_is_none() {
    let (queue, smtp) = (Queue::start(), SmtpServer::builder().without_smtputf8().start().await);
    let _worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
    let id = queue.import(&to_many(&["a@x.example", "jörg@x.example", "b@x.example"])).await;
    queue.wait_for_state(&id, "failed").await;
    let received = smtp.received();
    assert_eq!(
        (received.len(), received[0].recipients.as_slice()),
        (1, ["a@x.example", "b@x.example"].map(str::to_owned).as_slice())
    );
    assert!(received[0].data.is_ascii(), "the server never said that it takes anything else");
    let error = queue.field(&id, "error");
    assert!(error.contains("jörg@x.example") && error.contains("SMTPUTF8"), "{error}");
}

#[tokio::test]
async fn a_message_over_the_size_that_a_server_names_is_not_sent() {
    let (queue, smtp) = (Queue::start(), SmtpServer::builder().max_message(5000).start().await);
    let _worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
    let id = queue.import(&short("a@b.example", &"a long text\n".repeat(1000))).await;
    queue.wait_for_state(&id, "failed").await;
    assert!(queue.field(&id, "error").contains("takes 5000 at the most"));
    assert_eq!(smtp.count(Stage::Mail), 0);
    sent_at_first_attempt(&queue, &short("a@b.example", "hi")).await;
    assert_eq!(smtp.connections(), 1);
}

#[tokio::test]
async fn a_refusal_within_the_message_is_its_answer() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Body, Action::reply(552, "5.3.4 that is too much")));
    let _worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
    let id = queue.import(&short("a@b.example", &"a long text\n".repeat(100_000))).await;
    queue.wait_for_state(&id, "failed").await;
    assert_eq!(queue.field(&id, "error"), "552 5.3.4 that is too much");
}

#[tokio::test]
async fn a_server_that_is_down_is_asked_by_one_email_and_all_others_hear_of_it() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(
        Rules::new().at(
            Stage::Connect,
            Action::After(Duration::from_millis(500), Box::new(Action::reply(421, "4.3.2 closed"))),
        ),
    );
    for number in 0..30 {
        queue.push(&short(&format!("user{number}@x.example"), "hi"));
    }
    let worker = queue.worker(&smtp.url(), &[&NO_SECOND_ATTEMPT[..], &["--concurrency", "30"]].concat());
    worker.wait_for_line(|line| line.contains("421 4.3.2 closed")).await;
    assert_eq!(smtp.connections(), 1);
    smtp.rules(Rules::new());
}

#[tokio::test]
async fn what_is_no_smtp_is_said_to_be_none() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Connect, Action::raw(220, "HTTP/1.1 400 Bad Request\r\n\r\n")));
    let worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
    queue.push(&short("a@b.example", "hi"));
    worker
        .wait_for_line(|line| line.contains("protocol") && line.contains("not SMTP") && line.contains("HTTP/1.1 400"))
        .await;
}

#[tokio::test]
async fn the_reason_for_which_a_greeting_is_refused_is_told() {
    for code in [421, 450, 550] {
        let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
        smtp.rules(Rules::new().at(Stage::Hello, Action::reply(code, "4.7.1 your name is none")));
        let worker = queue.worker(&smtp.url(), &NO_SECOND_ATTEMPT);
        queue.push(&short("a@b.example", "hi"));
        worker.wait_for_line(|line| line.contains(&format!("refused EHLO: {code} 4.7.1 your name is none"))).await;
    }
}

#[tokio::test]
async fn hundreds_of_emails_wait_for_the_sessions_that_a_server_takes() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    for number in 0..200 {
        queue.push(&short(&format!("user{number}@x.example"), "hi"));
    }
    // Any connection from the fourth on is one too many.
    smtp.rules(
        Rules::new()
            .when(|step| step.stage == Stage::Connect && step.connection > 3, Action::reply(421, "4.7.0 no more")),
    );
    let mut worker = queue.worker(&smtp.url(), &[&NO_SECOND_ATTEMPT[..], &["--concurrency", "20", "--drain"]].concat());
    assert!(worker.wait(DEADLINE).await.success());
    assert_eq!(smtp.received().len(), 200);
    for id in queue.ids() {
        assert_eq!((queue.field(&id, "state").as_str(), queue.field(&id, "attempts").as_str()), ("sent", "1"));
    }
    assert!(smtp.connections() < 10, "{} connections", smtp.connections());
}

#[tokio::test]
async fn the_answer_to_a_message_may_take_ten_times_as_long_as_others() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::accept_after(Duration::from_secs(2))));
    let _worker = queue.worker(&smtp.url(), &[&NO_SECOND_ATTEMPT[..], &["--smtp-timeout", "500ms"]].concat());
    sent_at_first_attempt(&queue, &short("a@b.example", "hi")).await;
    assert_eq!(smtp.received().len(), 1);
}

#[tokio::test]
async fn a_silence_after_the_message_is_told_from_one_before_it() {
    for (stage, class) in [(Stage::Rcpt, "timeout"), (Stage::EndOfData, "may have been delivered")] {
        let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
        smtp.rules(Rules::new().at(stage, Action::Hang));
        let worker = queue.worker(&smtp.url(), &[&NO_SECOND_ATTEMPT[..], &["--smtp-timeout", "200ms"]].concat());
        queue.push(&short("a@b.example", "hi"));
        worker.wait_for_line(|line| line.contains(class)).await;
    }
}
