use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::smtp_client::Client;

#[tokio::test]
async fn messages_come_back_byte_for_byte_and_in_order() {
    let server = Aiosmtpd::start().await;
    let mut client = Client::greeted(server.address()).await;
    for text in ["..first \u{e4}\r\n", "second\r\n"] {
        client.say("MAIL FROM:<sender@a.example>", 250).await;
        client.say("RCPT TO:<one@b.example>", 250).await;
        client.say("RCPT TO:<two@b.example>", 250).await;
        client.say("DATA", 354).await;
        client.send(format!("{text}.\r\n").as_bytes()).await;
        client.expect(250).await;
    }
    let messages = server.wait_for(2).await;
    assert_eq!(messages.len(), 2);
    assert_eq!(
        messages[0],
        Received {
            envelope_from: "sender@a.example".into(),
            recipients: vec!["one@b.example".into(), "two@b.example".into()],
            mail_parameters: vec![],
            data: ".first \u{e4}\r\n".into(),
            connection: 1,
            tls: false,
            authenticated: None,
        }
    );
    assert_eq!(messages[1].data, b"second\r\n");
}

#[tokio::test]
async fn starttls_and_authentication_are_insisted_on() {
    let server = Aiosmtpd::builder().starttls().login("user", "secret").start().await;
    let mut client = Client::greeted(server.address()).await;
    client.say("MAIL FROM:<a@a.example>", 530).await;
    client.say("STARTTLS", 220).await;
    let mut client = client.encrypt(server.ca_pem()).await.unwrap();
    client.say("EHLO client.example", 250).await;
    client.say("MAIL FROM:<a@a.example>", 530).await;
    client.say(&format!("AUTH PLAIN {}", BASE64_STANDARD.encode("\0user\0wrong")), 535).await;
    client.say(&format!("AUTH PLAIN {}", BASE64_STANDARD.encode("\0user\0secret")), 235).await;
    client.begin_message("to@b.example").await;
    client.send(b"hi\r\n.\r\n").await;
    client.expect(250).await;

    let message = &server.wait_for(1).await[0];
    assert!(message.tls);
    assert_eq!(message.authenticated.as_deref(), Some("user"));
    assert_eq!(std::fs::read_to_string(server.ca_file()).unwrap(), server.ca_pem());
    assert!(server.url_with_login().starts_with("smtp://user:secret@127.0.0.1:"));
}

#[tokio::test]
async fn smtputf8_is_offered_unless_told_otherwise() {
    for (server, offered) in
        [(Aiosmtpd::start().await, true), (Aiosmtpd::builder().without_smtputf8().start().await, false)]
    {
        let mut client = Client::connect(server.address()).await;
        client.expect(220).await;
        assert_eq!(client.say("EHLO client.example", 250).await.contains("SMTPUTF8"), offered);
    }
}
