//! TLS and authentication, and who is not trusted.

mod common;

use common::{Queue, short};
use testkit::{SmtpServer, smtp_server::Security};

const USER: &str = "sender";
const PASSWORD: &str = "s3cret-w0rd";

async fn server(security: Security) -> SmtpServer {
    SmtpServer::builder().security(security).login(USER, PASSWORD).start().await
}

#[tokio::test]
async fn emails_go_over_tls_after_authentication() {
    for security in [Security::StartTls, Security::StartTlsRequired, Security::Implicit] {
        let (queue, smtp) = (Queue::start(), server(security).await);
        let ca = smtp.ca_file();
        let worker = queue.worker(&smtp.url_with_login(), &["--smtp-ca-file", ca.to_str().unwrap()]);
        queue.push(&short("a@b.example", "hi"));
        let received = smtp.wait_for(1).await;
        assert!(received[0].tls, "{security:?}");
        assert_eq!(received[0].authenticated.as_deref(), Some(USER));
        assert!(!worker.lines().join("\n").contains(PASSWORD));
    }
}

#[tokio::test]
async fn user_and_password_can_come_from_the_environment_and_the_certificates_from_the_url() {
    let (queue, smtp) = (Queue::start(), server(Security::StartTls).await);
    let url = format!("{}?tls=required&ca={}", smtp.url(), smtp.ca_file().display());
    let mut command = queue.command(&url, &[]);
    command.env("EMAIL_QUEUE_SMTP_USERNAME", USER).env("EMAIL_QUEUE_SMTP_PASSWORD", PASSWORD);
    let _worker = testkit::Process::start(command);
    queue.push(&short("a@b.example", "hi"));
    assert_eq!(smtp.wait_for(1).await[0].authenticated.as_deref(), Some(USER));
}

#[tokio::test]
async fn a_server_with_a_certificate_of_somebody_unknown_gets_nothing() {
    let other = SmtpServer::builder().security(Security::StartTls).start().await;
    for security in [Security::StartTls, Security::Implicit] {
        let (queue, smtp) = (Queue::start(), server(security).await);
        let ca = other.ca_file();
        let worker = queue.worker(&smtp.url_with_login(), &["--smtp-ca-file", ca.to_str().unwrap()]);
        let id = queue.import(&short("a@b.example", "hi")).await;
        worker.wait_for_line(|line| line.contains("ERROR") && line.contains("TLS with")).await;
        worker.wait_for_line(|line| line.contains(&id) && line.contains("delayed")).await;
        assert!(smtp.received().is_empty());
        assert!(!worker.lines().join("\n").contains(PASSWORD));
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_not_trusted() {
    let smtp = SmtpServer::builder().security(Security::Implicit).certificate_names(&["other.example"]).start().await;
    let queue = Queue::start();
    let worker = queue.worker(&smtp.url(), &["--smtp-ca-file", smtp.ca_file().to_str().unwrap()]);
    queue.push(&short("a@b.example", "hi"));
    worker.wait_for_line(|line| line.contains("delayed") && line.contains("TLS with")).await;
    assert!(smtp.received().is_empty());
}

#[tokio::test]
async fn a_wrong_password_delays_emails_and_makes_no_dead_letters() {
    let (queue, smtp) = (Queue::start(), server(Security::StartTls).await);
    let url = smtp.url_with_login().replace(PASSWORD, "wr0ng");
    let worker = queue.worker(&url, &["--smtp-ca-file", smtp.ca_file().to_str().unwrap(), "--retry-base", "50ms"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    worker.wait_for_line(|line| line.contains("ERROR") && line.contains("refused the user and password")).await;
    worker.wait_for_line(|line| line.contains(&id) && line.contains("delayed")).await;
    assert_ne!(queue.field(&id, "state"), "failed");
    assert!(!worker.lines().join("\n").contains("wr0ng"));
}

#[tokio::test]
async fn where_tls_is_required_a_server_without_it_gets_nothing() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let ca = SmtpServer::builder().security(Security::Implicit).start().await;
    let url = format!("{}?tls=required&ca={}", smtp.url(), ca.ca_file().display());
    let worker = queue.worker(&url, &[]);
    queue.push(&short("a@b.example", "hi"));
    worker.wait_for_line(|line| line.contains("delayed") && line.contains("does not offer STARTTLS")).await;
    assert!(smtp.received().is_empty());
}

#[tokio::test]
async fn a_certificate_that_signed_itself_is_trusted_where_it_is_named_and_only_there() {
    for is_authority in [true, false] {
        let builder = SmtpServer::builder().security(Security::Implicit).self_signed(is_authority);
        let (queue, smtp) = (Queue::start(), builder.start().await);
        let other = SmtpServer::builder().security(Security::Implicit).self_signed(is_authority).start().await;
        let distrusting = queue.worker(&smtp.url(), &["--smtp-ca-file", other.ca_file().to_str().unwrap()]);
        queue.push(&short("a@b.example", "hi"));
        distrusting.wait_for_line(|line| line.contains("TLS with")).await;
        drop(distrusting);
        assert!(smtp.received().is_empty());

        let queue = Queue::start();
        let _worker = queue.worker(&format!("{}?ca={}", smtp.url(), smtp.ca_file().display()), &[]);
        queue.push(&short("a@b.example", "hi"));
        smtp.wait_for(1).await;
    }
}

#[tokio::test]
async fn a_named_certificate_for_another_name_is_not_trusted() {
    let builder = SmtpServer::builder().security(Security::Implicit).self_signed(true);
    let (queue, smtp) = (Queue::start(), builder.certificate_names(&["other.example"]).start().await);
    let worker = queue.worker(&smtp.url(), &["--smtp-ca-file", smtp.ca_file().to_str().unwrap()]);
    queue.push(&short("a@b.example", "hi"));
    worker.wait_for_line(|line| line.contains("TLS with")).await;
    assert!(smtp.received().is_empty());
}

#[tokio::test]
async fn a_server_that_waits_for_tls_is_recognised_and_what_to_write_is_said() {
    let smtp = SmtpServer::builder().security(Security::Implicit).start().await;
    let queue = Queue::start();
    let worker = queue.worker(&smtp.url().replace("smtps://", "smtp://"), &["--smtp-timeout", "2s"]);
    queue.push(&short("a@b.example", "hi"));
    let expected = format!("write smtps://{}", smtp.address());
    worker.wait_for_line(|line| line.contains("WARN") && line.contains(&expected)).await;
    assert!(smtp.received().is_empty());
}

#[tokio::test]
async fn a_server_that_does_not_speak_tls_is_recognised_and_what_to_write_is_said() {
    let smtp = SmtpServer::start().await;
    let queue = Queue::start();
    let worker = queue.worker(&smtp.url().replace("smtp://", "smtps://"), &[]);
    queue.push(&short("a@b.example", "hi"));
    let expected = format!("write smtp://{}", smtp.address());
    worker.wait_for_line(|line| line.contains("tls") && line.contains(&expected)).await;
}

#[tokio::test]
async fn plain_smtp_to_the_port_of_tls_is_refused_at_the_start() {
    let queue = Queue::start();
    let mut worker = queue.worker("smtp://127.0.0.1:465", &[]);
    worker.wait_for_line(|line| line.contains("smtps://")).await;
    assert!(!worker.wait(testkit::DEADLINE).await.success());
}

#[tokio::test]
async fn that_emails_go_in_the_clear_is_said_once_and_louder_where_it_was_otherwise() {
    let smtp = SmtpServer::builder().security(Security::StartTls).start().await;
    let queue = Queue::start();
    let worker = queue.worker(&smtp.url(), &["--smtp-ca-file", smtp.ca_file().to_str().unwrap()]);
    queue.push(&short("a@b.example", "hi"));
    assert!(smtp.wait_for(1).await[0].tls);
    smtp.close_connections();
    smtp.wait_for_open_connections(0).await;
    smtp.rules(
        testkit::Rules::new().at(testkit::Stage::Hello, testkit::Action::reply(250, "testkit.example\nXXXXXXXA")),
    );
    queue.push(&short("a@b.example", "hi"));
    assert!(!smtp.wait_for(2).await[1].tls);
    worker.wait_for_line(|line| line.contains("WARN") && line.contains("STARTTLS is no longer offered")).await;
}

#[tokio::test]
async fn a_server_may_ask_for_the_response_of_plain_or_for_another_mechanism() {
    use testkit::{Action, Rules, Stage};
    let asking = SmtpServer::builder().login(USER, PASSWORD).asking_for_response().start().await;
    let other = SmtpServer::builder().login(USER, PASSWORD).start().await;
    other.rules(Rules::new().nth(Stage::Auth, 1, Action::reply(504, "5.7.4 unrecognized authentication type")));
    for smtp in [asking, other] {
        let queue = Queue::start();
        let _worker = queue.worker(&smtp.url_with_login(), &[]);
        queue.push(&short("a@b.example", "hi"));
        assert_eq!(smtp.wait_for(1).await[0].authenticated.as_deref(), Some(USER));
        assert_eq!(smtp.connections(), 1);
    }
}

#[tokio::test]
async fn a_password_that_a_server_repeats_is_shown_nowhere() {
    use base64::{Engine, prelude::BASE64_STANDARD};
    let response = BASE64_STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
    let encoded = BASE64_STANDARD.encode(PASSWORD);
    for echo in [format!("AUTH PLAIN {response}"), encoded.clone(), format!("{USER}:{PASSWORD}")] {
        let (queue, smtp) = (Queue::start(), SmtpServer::builder().login(USER, PASSWORD).start().await);
        let refusal = testkit::Action::reply(535, format!("5.7.8 no: {echo}"));
        smtp.rules(testkit::Rules::new().at(testkit::Stage::Auth, refusal));
        let mut command = queue.command(&smtp.url_with_login(), &[]);
        command.env("RUST_LOG", "trace");
        let worker = testkit::Process::start(command);
        let id = queue.import(&short("a@b.example", "hi")).await;
        worker.wait_for_line(|line| line.contains("535 5.7.8 no: ") && line.contains("[redacted]")).await;
        queue.wait_for_state(&id, "delayed").await;
        let shown = format!("{}{}", worker.lines().join("\n"), queue.field(&id, "error"));
        for secret in [PASSWORD, &encoded, &response, &response[8..]] {
            assert!(!shown.contains(secret), "{echo}: {shown}");
        }
    }
}
