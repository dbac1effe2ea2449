//! Outcomes of messages and recipients, with a server on a real connection.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

use std::sync::Mutex;
use std::time::Duration;

use smtp_client::{
    Config, ConnectError, Connector, End, Envelope, Milestone, Options, RecipientOutcome, Session, Step, Transaction,
    Unsupported,
};
use testkit::{Action, Rules, SmtpServer, Stage};

const MESSAGE: &[u8] = b"From: a@x.example\nSubject: s\n\n.first line\nlast line";

fn connector(smtp: &SmtpServer, timeout: Duration) -> Connector {
    Connector::new(&Config::parse(&smtp.url(), Options { timeout, ..Options::default() }).unwrap()).unwrap()
}

async fn connect(smtp: &SmtpServer) -> Session {
    connector(smtp, Duration::from_secs(30)).connect().await.unwrap()
}

async fn send(session: &mut Session, recipients: &[&str]) -> Transaction {
    session.send(&Envelope { sender: "a@x.example", recipients }, MESSAGE, &|_| {}).await
}

#[tokio::test]
async fn each_recipient_has_an_outcome_and_those_accepted_get_the_message() {
    let smtp = SmtpServer::start().await;
    smtp.rules(
        Rules::new()
            .recipient("no@x.example", Action::reply(550, "5.1.1 unknown"))
            .recipient("later@x.example", Action::reply(450, "4.2.0 greylisted")),
    );
    let mut session = connect(&smtp).await;
    let transaction = send(&mut session, &["yes@x.example", "no@x.example", "later@x.example", "too@x.example"]).await;
    let [
        RecipientOutcome::Accepted,
        RecipientOutcome::Refused(no),
        RecipientOutcome::Refused(later),
        RecipientOutcome::Accepted,
    ] = transaction.recipients.as_slice()
    else {
        panic!("{transaction:?}");
    };
    assert_eq!((no.code, later.code, no.enhanced()), (550, 450, Some((1, 1))));
    assert!(matches!(transaction.end, End::Accepted(_)), "{transaction:?}");
    let received = smtp.received();
    assert_eq!(received[0].recipients, ["yes@x.example", "too@x.example"]);
    assert_eq!(received[0].data, b"From: a@x.example\r\nSubject: s\r\n\r\n.first line\r\nlast line\r\n");
    assert!(!session.is_fresh());
    session.quit().await;
}

#[tokio::test]
async fn after_a_refusal_and_a_reset_the_session_takes_the_next_message() {
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data] {
        let smtp = SmtpServer::start().await;
        smtp.rules(Rules::new().nth(stage, 1, Action::reply(550, "not this one")));
        let mut session = connect(&smtp).await;
        let transaction = send(&mut session, &["b@x.example"]).await;
        match (stage, &transaction.end) {
            (Stage::Mail, End::MailRefused(reply)) | (Stage::Data, End::DataRefused(reply)) => {
                assert_eq!(reply.code, 550)
            }
            (Stage::Rcpt, End::NobodyAccepted) => {}
            (_, end) => panic!("{stage:?}: {end:?}"),
        }
        assert!(session.reset().await.unwrap().is_positive());
        let transaction = send(&mut session, &["b@x.example"]).await;
        assert_eq!(transaction.recipients, [RecipientOutcome::Accepted], "{stage:?}");
        assert_eq!((smtp.connections(), smtp.received().len()), (1, 1));
    }
}

#[tokio::test]
async fn a_server_is_not_asked_for_what_it_does_not_support() {
    let smtp = SmtpServer::builder().without_smtputf8().max_message(1000).start().await;
    let mut session = connect(&smtp).await;
    let large = [MESSAGE, &b"\nline".repeat(1000)].concat();
    let header = "From: jörg@x.example\n\nhi\n".as_bytes();
    for (sender, message, expected) in [
        ("a@x.example", large.as_slice(), Unsupported::Size { size: large.len() + 1004, limit: 1000 }),
        ("jörg@x.example", MESSAGE, Unsupported::Sender),
        ("a@x.example", header, Unsupported::Header),
    ] {
        let envelope = Envelope { sender, recipients: &["b@x.example"] };
        let transaction = session.send(&envelope, message, &|_| {}).await;
        assert_eq!(transaction.recipients, [RecipientOutcome::Unsupported(expected)]);
        assert!(matches!(transaction.end, End::NotBegun), "{transaction:?}");
    }
    assert_eq!(smtp.count(Stage::Mail), 0);
    let transaction = send(&mut session, &["jörg@x.example", "b@x.example"]).await;
    assert_eq!(
        transaction.recipients,
        [RecipientOutcome::Unsupported(Unsupported::Recipient), RecipientOutcome::Accepted]
    );
}

#[tokio::test]
async fn a_session_lost_before_the_end_of_the_message_is_told_from_one_lost_after_it() {
    for (stage, recipient, milestones) in [
        (Stage::Mail, RecipientOutcome::Unanswered, &[][..]),
        (Stage::Data, RecipientOutcome::Pending, &[Milestone::MailAccepted]),
        (Stage::EndOfData, RecipientOutcome::Pending, &[Milestone::MailAccepted, Milestone::MessageBegins]),
    ] {
        let smtp = SmtpServer::start().await;
        smtp.rules(Rules::new().at(stage, Action::Drop));
        let mut session = connect(&smtp).await;
        let reached = Mutex::new(Vec::new());
        let envelope = Envelope { sender: "a@x.example", recipients: &["b@x.example"] };
        let transaction = session.send(&envelope, MESSAGE, &|milestone| reached.lock().unwrap().push(milestone)).await;
        assert_eq!(
            (transaction.recipients.as_slice(), reached.lock().unwrap().as_slice()),
            (&[recipient][..], milestones)
        );
        match (stage, &transaction.end) {
            (Stage::EndOfData, End::Unanswered(_)) | (Stage::Mail | Stage::Data, End::Lost(_)) => {}
            (_, end) => panic!("{stage:?}: {end:?}"),
        }
    }
}

#[tokio::test]
async fn a_reply_that_ends_the_session_leaves_known_what_was_decided_before() {
    let smtp = SmtpServer::start().await;
    smtp.rules(Rules::new().recipient("no@x.example", Action::reply(550, "5.1.1 unknown")).nth(
        Stage::Rcpt,
        3,
        Action::reply(421, "4.7.0 too many errors"),
    ));
    let transaction =
        send(&mut connect(&smtp).await, &["yes@x.example", "no@x.example", "b@x.example", "c@x.example"]).await;
    let [
        RecipientOutcome::Pending,
        RecipientOutcome::Refused(_),
        RecipientOutcome::Refused(last),
        RecipientOutcome::Unanswered,
    ] = transaction.recipients.as_slice()
    else {
        panic!("{transaction:?}");
    };
    assert!(last.ends_session() && matches!(&transaction.end, End::Closed(reply) if reply == last), "{transaction:?}");
    assert!(smtp.received().is_empty());
}

#[tokio::test]
async fn an_address_cannot_smuggle_in_a_command() {
    let smtp = SmtpServer::start().await;
    let transaction = send(&mut connect(&smtp).await, &["b@x.example>\r\nRCPT TO:<c@x.example"]).await;
    assert!(matches!(transaction.end, End::Lost(_)), "{transaction:?}");
    assert_eq!(smtp.count(Stage::Rcpt), 0);
}

#[tokio::test]
async fn a_session_that_cannot_be_opened_says_which_step_failed() {
    let smtp = SmtpServer::start().await;
    let connector = connector(&smtp, Duration::from_millis(300));
    smtp.rules(Rules::new().at(Stage::Hello, Action::reply(421, "4.3.2 not now")));
    let refused = connector.connect().await.err().unwrap();
    assert!(matches!(refused, ConnectError::Refused { step: Step::Hello, .. }), "{refused}");
    smtp.rules(Rules::new().at(Stage::Hello, Action::Hang));
    let silent = connector.connect().await.err().unwrap();
    assert!(silent.to_string().contains("no answer within 300ms"), "{silent}");
    drop(smtp);
    let unreachable = connector.connect().await.err().unwrap();
    assert!(matches!(unreachable, ConnectError::Unreachable { .. }), "{unreachable}");
}
