//! TLS and authentication.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::TO;
use crate::aiosmtpd::python;
use crate::certificates::LOOPBACK_NAMES;
use crate::process::Process;
use crate::smtp_client::Client;
use crate::smtp_server::*;

#[tokio::test]
async fn starttls_begins_anew_and_the_message_comes_encrypted() {
    let server = SmtpServer::builder().security(Security::StartTlsRequired).start().await;
    let mut client = Client::greeted(server.address()).await;
    client.say("MAIL FROM:<a@a.example>", 530).await;
    client.say("STARTTLS", 220).await;
    let mut client = client.encrypt(server.ca_pem()).await.unwrap();
    client.say("MAIL FROM:<a@a.example>", 503).await;
    assert!(!client.say("EHLO client.example", 250).await.contains("STARTTLS"));
    client.begin_message(TO).await;
    client.send(b"hi\r\n.\r\n").await;
    client.expect(250).await;
    assert!(server.received()[0].tls);
}

#[tokio::test]
async fn implicit_tls_encrypts_from_the_first_byte() {
    let server = SmtpServer::builder().security(Security::Implicit).start().await;
    assert!(server.url().starts_with("smtps://127.0.0.1:"));
    let mut client = Client::connect(server.address()).await.encrypt(server.ca_pem()).await.unwrap();
    client.expect(220).await;
    client.say("EHLO client.example", 250).await;
    client.begin_message(TO).await;
    client.send(b"hi\r\n.\r\n").await;
    client.expect(250).await;
    client.say("QUIT", 221).await;
    assert!(server.received()[0].tls);
}

#[tokio::test]
async fn a_client_notices_a_wrong_authority_and_a_wrong_name() {
    let server = SmtpServer::builder().security(Security::Implicit).start().await;
    let other = Certificates::generate(&LOOPBACK_NAMES, None);
    assert!(Client::connect(server.address()).await.encrypt(other.ca_pem()).await.is_err());

    let server = SmtpServer::builder().security(Security::Implicit).certificate_names(&["mail.example"]).start().await;
    assert!(Client::connect(server.address()).await.encrypt(server.ca_pem()).await.is_err());
    assert_eq!(std::fs::read_to_string(server.ca_file()).unwrap(), server.ca_pem());
}

#[tokio::test]
async fn authentication_is_required_and_checked() {
    let server = SmtpServer::builder().login("user", "pass-word").start().await;
    let right = BASE64_STANDARD.encode("\0user\0pass-word");
    let wrong = BASE64_STANDARD.encode("\0user\0password");

    let mut client = Client::greeted(server.address()).await;
    client.say("MAIL FROM:<a@a.example>", 530).await;
    client.say("AUTH CRAM-MD5", 504).await;
    client.say(&format!("AUTH PLAIN {wrong}"), 535).await;
    client.say("AUTH PLAIN %%%", 501).await;
    client.say("AUTH PLAIN", 334).await;
    client.say("*", 501).await;
    client.say("MAIL FROM:<a@a.example>", 530).await;
    client.say("AUTH PLAIN", 334).await;
    client.say(&right, 235).await;
    client.say("AUTH PLAIN", 503).await;
    client.begin_message(TO).await;
    client.send(b"hi\r\n.\r\n").await;
    client.expect(250).await;

    let mut client = Client::greeted(server.address()).await;
    client.say("AUTH LOGIN", 334).await;
    client.say(&BASE64_STANDARD.encode("user"), 334).await;
    client.say(&BASE64_STANDARD.encode("pass-word"), 235).await;
    client.begin_message(TO).await;

    assert_eq!(server.received()[0].authenticated.as_deref(), Some("user"));
    assert_eq!(server.url_with_login(), format!("smtp://user:pass-word@{}", server.address()));
}

#[tokio::test]
async fn where_tls_can_be_had_authentication_is_offered_only_after_it() {
    let server = SmtpServer::builder().security(Security::StartTls).login("user", "password").start().await;
    let mut client = Client::greeted(server.address()).await;
    client.say("AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=", 503).await;
    client.say("STARTTLS", 220).await;
    let mut client = client.encrypt(server.ca_pem()).await.unwrap();
    assert!(client.say("EHLO client.example", 250).await.contains("AUTH PLAIN LOGIN"));
    client.say("AUTH PLAIN AHVzZXIAcGFzc3dvcmQ=", 235).await;
}

#[tokio::test]
async fn a_client_that_others_wrote_gets_along_with_it() {
    const SMTPLIB: &str = r#"
import smtplib, ssl, sys
port, ca = int(sys.argv[1]), sys.argv[2]
with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
    client.starttls(context=ssl.create_default_context(cafile=ca))
    client.login("user", "secret")
    client.sendmail("ä@a.example", ["to@b.example"], ".dot\r\n\r\nä\r\n".encode(), ["SMTPUTF8", "BODY=8BITMIME"])
"#;
    let server = SmtpServer::builder().security(Security::StartTlsRequired).login("user", "secret").start().await;
    let mut command = std::process::Command::new(python());
    command.args(["-c", SMTPLIB, &server.address().port().to_string()]).arg(server.ca_file());
    let mut client = Process::start(command);
    assert!(client.wait(DEADLINE).await.success());
    assert_eq!(
        server.received(),
        [Received {
            envelope_from: "ä@a.example".into(),
            recipients: vec![TO.into()],
            mail_parameters: vec!["SIZE=12".into(), "SMTPUTF8".into(), "BODY=8BITMIME".into()],
            data: ".dot\r\n\r\nä\r\n".into(),
            connection: 1,
            tls: true,
            authenticated: Some("user".into()),
        }]
    );
}
