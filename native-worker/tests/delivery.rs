//! Emails over SMTP, to a server that behaves well or badly.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use common::{Queue, short, to_many};
use mail_parser::MessageParser;
use testkit::{Action, DEADLINE, Received, Rules, SmtpServer, Stage};

fn message_ids(received: &[Received]) -> Vec<String> {
    let id = |received: &Received| MessageParser::default().parse(&received.data)?.message_id().map(str::to_owned);
    received.iter().map(|received| id(received).unwrap()).collect()
}

#[tokio::test]
async fn what_another_program_has_pushed_is_delivered() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let _worker = queue.worker(&smtp.url(), &["--default-from", "Shop <shop@x.example>"]);
    let id = queue.import(r#"{"to":"a@b.example","message":".hi\n..\nbye"}"#).await;
    let received = smtp.wait_for(1).await;
    assert_eq!(received[0].envelope_from, "shop@x.example");
    assert_eq!(received[0].recipients, ["a@b.example"]);
    let message = MessageParser::default().parse(&received[0].data).unwrap();
    assert_eq!(message.body_text(0).unwrap().replace("\r\n", "\n"), ".hi\n..\nbye\n");
    assert_eq!(message.message_id(), Some(format!("{id}@x.example").as_str()));
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(queue.field(&id, "attempts"), "1");
}

#[tokio::test]
async fn a_refusal_for_now_is_tried_again_until_it_works() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(
        Rules::new()
            .nth(Stage::Mail, 1, Action::reply(451, "4.3.0 busy"))
            .nth(Stage::Rcpt, 2, Action::reply(450, "4.2.0 greylisted"))
            .nth(Stage::Data, 1, Action::reply(452, "4.3.1 no room"))
            .nth(Stage::EndOfData, 1, Action::reply(451, "4.3.2 try again")),
    );
    let worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(smtp.received().len(), 1);
    // What MAIL is answered in a new session is about that, and no attempt.
    assert_eq!(queue.field(&id, "attempts"), "4");
    worker.wait_for_line(|line| line.contains("holding off") && line.contains("451 4.3.0 busy")).await;
    for reason in ["450 4.2.0 greylisted", "452 4.3.1 no room", "451 4.3.2 try again"] {
        worker.wait_for_line(|line| line.contains("delayed") && line.contains(reason)).await;
    }
}

#[tokio::test]
async fn a_refusal_for_good_makes_a_dead_letter_at_once() {
    for stage in [Stage::Rcpt, Stage::Data, Stage::EndOfData] {
        let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
        smtp.rules(Rules::new().at(stage, Action::reply(550, "5.1.1 not <a@b.example>")));
        let worker = queue.worker(&smtp.url(), &[]);
        let id = queue.import(&short("a@b.example", "hi")).await;
        queue.wait_for_state(&id, "failed").await;
        assert_eq!(queue.field(&id, "error"), "550 5.1.1 not <a@b.example>", "{stage:?}");
        assert_eq!((smtp.count(stage), queue.field(&id, "attempts").as_str()), (1, "1"), "{stage:?}");
        let line = worker.wait_for_line(|line| line.contains("failed")).await;
        assert!(!line.contains("a@b.example"), "recipients are for the debug level: {line}");
    }
}

#[tokio::test]
async fn attempts_run_out() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Rcpt, Action::reply(450, "4.2.0 never now")));
    let _worker = queue.worker(&smtp.url(), &["--max-attempts", "3"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    queue.wait_for_state(&id, "failed").await;
    assert_eq!(
        queue.field(&id, "error"),
        "given up after 3 attempts; the last failure (deferred): 450 4.2.0 never now"
    );
    assert_eq!(smtp.rcpt_attempts()["a@b.example"], 3);
}

#[tokio::test]
async fn a_server_that_hangs_is_left_and_tried_again() {
    for stage in [Stage::Connect, Stage::Hello, Stage::Mail, Stage::Rcpt, Stage::Data] {
        let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
        smtp.rules(Rules::new().first(stage, 1, Action::Hang));
        let _worker = queue.worker(&smtp.url(), &["--smtp-timeout", "300ms"]);
        let id = queue.import(&short("a@b.example", "hi")).await;
        queue.wait_for_state(&id, "sent").await;
        assert_eq!(smtp.received().len(), 1, "{stage:?}");
    }
}

#[tokio::test]
async fn silence_costs_an_attempt_only_the_third_time_in_a_row() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().first(Stage::Rcpt, 3, Action::Hang));
    let _worker = queue.worker(&smtp.url(), &["--smtp-timeout", "300ms"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(queue.field(&id, "attempts"), "2");
}

#[tokio::test]
async fn who_was_refused_for_good_is_not_asked_again_and_all_are_accounted_for() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(
        Rules::new()
            .recipient("gone@x.example", Action::reply(550, "5.1.1 no such user"))
            .recipient("full@x.example", Action::reply(452, "4.2.2 mailbox full")),
    );
    let _worker = queue.worker(&smtp.url(), &["--max-attempts", "3"]);
    let id = queue.import(&to_many(&["ok@x.example", "gone@x.example", "full@x.example"])).await;
    queue.wait_for_state(&id, "failed").await;
    assert_eq!(
        queue.field(&id, "error"),
        "given up after 3 attempts; the last failure (deferred): not accepted for now for 1 of 3 recipients: \
         full@x.example: 452 4.2.2 mailbox full; refused for 1 of 3 recipients: gone@x.example: 550 5.1.1 no such user"
    );
    assert_eq!(queue.field(&id, "class"), "given_up");
    let attempts = smtp.rcpt_attempts();
    // An attempt in which a recipient got the email does not count.
    assert_eq!((attempts["ok@x.example"], attempts["gone@x.example"], attempts["full@x.example"]), (1, 1, 4));
}

#[tokio::test]
async fn an_email_is_given_up_when_its_retry_period_is_over() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Rcpt, Action::reply(450, "4.2.0 never now")));
    let _worker = queue.worker(&smtp.url(), &["--retry-for", "300ms"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    queue.wait_for_state(&id, "failed").await;
    assert_eq!(queue.field(&id, "error"), "given up after 300 ms; the last failure (deferred): 450 4.2.0 never now");
    assert!(smtp.rcpt_attempts()["a@b.example"] > 1);
}

#[tokio::test]
async fn a_connection_lost_within_the_message_is_tried_again_with_the_same_message_id() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().first(Stage::Body, 1, Action::Drop));
    let _worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(&short("a@b.example", &"a long text\n".repeat(100_000))).await;
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(message_ids(&smtp.received()), [format!("{id}@localhost")]);
    assert_eq!(smtp.data_attempts()["a@b.example"], 2);
}

#[tokio::test]
async fn a_message_that_was_never_answered_is_said_to_be_so_and_sent_again_with_the_same_message_id() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().first(Stage::EndOfData, 1, Action::StoreThenDrop));
    let worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    queue.wait_for_state(&id, "sent").await;
    worker.wait_for_line(|line| line.contains(&id) && line.contains("may have been delivered")).await;
    assert_eq!(message_ids(&smtp.received()), [format!("{id}@localhost"), format!("{id}@localhost")]);
}

#[tokio::test]
async fn one_of_three_recipients_refused_for_now_is_the_only_one_who_is_tried_again() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().recipient_first("b@x.example", 2, Action::reply(450, "4.2.1 mailbox busy")));
    let _worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(&to_many(&["a@x.example", "b@x.example", "c@x.example"])).await;
    queue.wait_for_state(&id, "sent").await;
    let recipients: Vec<_> = smtp.received().into_iter().map(|received| received.recipients).collect();
    assert_eq!(recipients, [vec!["a@x.example", "c@x.example"], vec!["b@x.example"]]);
    let attempts = smtp.rcpt_attempts();
    assert_eq!((attempts["a@x.example"], attempts["b@x.example"], attempts["c@x.example"]), (1, 3, 1));
}

#[tokio::test]
async fn one_of_three_recipients_refused_for_good_makes_a_dead_letter_that_says_who_has_it() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().recipient("b@x.example", Action::reply(550, "5.1.1 no such user")));
    let _worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(&to_many(&["a@x.example", "b@x.example", "c@x.example"])).await;
    queue.wait_for_state(&id, "failed").await;
    assert_eq!(smtp.received()[0].recipients, ["a@x.example", "c@x.example"]);
    assert_eq!(queue.field(&id, "error"), "refused for 1 of 3 recipients: b@x.example: 550 5.1.1 no such user");
    assert_eq!(queue.field(&id, "accepted"), r#"["a@x.example","c@x.example"]"#);
}

#[tokio::test]
async fn bcc_is_on_the_envelope_only() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let _worker = queue.worker(&smtp.url(), &[]);
    queue.push(r#"{"from": "f@x.example", "to": "a@x.example", "cc": "c@x.example", "bcc": ["B <blind@x.example>"], "subject": "s", "html": "<p>"}"#);
    let received = smtp.wait_for(1).await;
    assert_eq!(received[0].recipients, ["a@x.example", "c@x.example", "blind@x.example"]);
    assert!(!String::from_utf8(received[0].data.clone()).unwrap().contains("blind@x.example"));
}

#[tokio::test]
async fn sessions_are_used_again_and_replaced_when_the_server_has_closed_them() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let _worker = queue.worker(&smtp.url(), &[]);
    for _ in 0..3 {
        let id = queue.import(&short("a@b.example", "hi")).await;
        queue.wait_for_state(&id, "sent").await;
    }
    assert_eq!(smtp.connections(), 1);
    smtp.close_connections();
    smtp.wait_for_open_connections(0).await;
    let id = queue.import(&short("a@b.example", "hi")).await;
    queue.wait_for_state(&id, "sent").await;
    assert_eq!((smtp.connections(), queue.field(&id, "attempts").as_str()), (2, "1"));

    // A server may also close the session in reply to a command (RFC 5321 3.8).
    smtp.rules(
        Rules::new().when(|step| step.stage == Stage::Mail && step.connection == 2, Action::reply(421, "4.4.2 idle")),
    );
    let id = queue.import(&short("a@b.example", "hi")).await;
    queue.wait_for_state(&id, "sent").await;
    assert_eq!((smtp.connections(), queue.field(&id, "attempts").as_str()), (3, "1"));
}

#[tokio::test]
async fn a_refused_email_leaves_the_session_clean_for_the_next() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().recipient("no@x.example", Action::reply(550, "5.1.1 no")));
    let _worker = queue.worker(&smtp.url(), &["--concurrency", "1"]);
    let refused = queue.import(&short("no@x.example", "hi")).await;
    queue.wait_for_state(&refused, "failed").await;
    let sent = queue.import(&short("yes@x.example", "hi")).await;
    queue.wait_for_state(&sent, "sent").await;
    assert_eq!(smtp.received()[0].recipients, ["yes@x.example"]);
    assert_eq!(smtp.connections(), 1);
}

#[tokio::test]
async fn an_address_that_is_not_ascii_needs_a_server_that_knows_them() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let _worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(&short("jörg@bücher.example", "hi")).await;
    queue.wait_for_state(&id, "sent").await;
    let received = &smtp.received()[0];
    assert_eq!(received.recipients, ["jörg@bücher.example"]);
    assert!(received.mail_parameters.contains(&"SMTPUTF8".to_owned()), "{:?}", received.mail_parameters);

    let (queue, smtp) = (Queue::start(), SmtpServer::builder().without_smtputf8().start().await);
    let _worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(&short("jörg@bücher.example", "hi")).await;
    queue.wait_for_state(&id, "failed").await;
    assert!(queue.field(&id, "error").contains("SMTPUTF8"));
    let id = queue.import(&short("joerg@bücher.example", "hi")).await;
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(smtp.received()[0].recipients, ["joerg@xn--bcher-kva.example"]);
}

#[tokio::test]
async fn hundreds_of_emails_arrive_once_each_over_as_many_sessions_as_emails_may_be_in_flight() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    for i in 0..300 {
        queue.push(&short(&format!("user{i}@x.example"), "hi"));
    }
    let mut worker = queue.worker(&smtp.url(), &["--concurrency", "8", "--drain"]);
    assert!(worker.wait(DEADLINE).await.success());
    let mut recipients: Vec<_> = smtp.received().into_iter().flat_map(|received| received.recipients).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((recipients.len(), smtp.received().len()), (300, 300));
    assert!(smtp.connections() <= 8, "{} connections", smtp.connections());
}
