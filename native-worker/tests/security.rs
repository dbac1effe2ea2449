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
    command.env("SMTP_USERNAME", USER).env("SMTP_PASSWORD", PASSWORD);
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
        let id = queue.adopt(&short("a@b.example", "hi")).await;
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
    let id = queue.adopt(&short("a@b.example", "hi")).await;
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
