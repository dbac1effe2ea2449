//! The protocol as a well-behaved server speaks it.

use super::TO;
use crate::smtp_client::Client;
use crate::smtp_server::*;

#[tokio::test]
async fn a_message_arrives_byte_for_byte_with_its_envelope() {
    let server = SmtpServer::start().await;
    let mut client = Client::greeted(server.address()).await;
    client.say("MAIL FROM:<sender@a.example> BODY=8BITMIME", 250).await;
    client.say("RCPT TO:<one@b.example>", 250).await;
    client.say("RCPT TO:<two@b.example>", 250).await;
    client.say("DATA", 354).await;
    // A dot on its own between bare line feeds, a lone carriage return, and bytes that are no UTF-8.
    client.send(b"Subject: x\r\n\r\n\xff\x00 a\n.\nb\rc\r\n\r\n.\r\n").await;
    client.expect(250).await;

    let received = server.wait_for(1).await;
    assert_eq!(
        received,
        [Received {
            envelope_from: "sender@a.example".into(),
            recipients: vec!["one@b.example".into(), "two@b.example".into()],
            mail_parameters: vec!["BODY=8BITMIME".into()],
            data: b"Subject: x\r\n\r\n\xff\x00 a\n.\nb\rc\r\n\r\n".to_vec(),
            connection: 1,
            tls: false,
            authenticated: None,
        }]
    );
}

#[tokio::test]
async fn dot_stuffing_is_undone_at_the_start_of_lines_only() {
    let server = SmtpServer::start().await;
    let mut client = Client::greeted(server.address()).await;
    client.begin_message(TO).await;
    client.send(b"..\r\n...two\r\na.b\r\n.x\r\n.\r\n").await;
    client.expect(250).await;
    assert_eq!(server.received()[0].data, b".\r\n..two\r\na.b\r\nx\r\n");
}

#[tokio::test]
async fn a_message_that_arrives_in_many_pieces_is_the_same() {
    let server = SmtpServer::start().await;
    let mut client = Client::greeted(server.address()).await;
    client.begin_message(TO).await;
    let mut long = vec![b'x'; 200_000];
    long.extend(b"\r\n");
    client.send(&long).await;
    for byte in b"..dot\r\n.\r\n" {
        client.send(&[*byte]).await;
    }
    client.expect(250).await;
    assert_eq!(server.received()[0].data, [long.as_slice(), b".dot\r\n"].concat());
}

#[tokio::test]
async fn an_empty_message_is_a_message() {
    let server = SmtpServer::start().await;
    let mut client = Client::greeted(server.address()).await;
    client.begin_message(TO).await;
    client.send(b".\r\n").await;
    client.expect(250).await;
    assert_eq!(server.received()[0].data, b"");
}

#[tokio::test]
async fn commands_may_be_sent_without_awaiting_replies() {
    let server = SmtpServer::start().await;
    let mut client = Client::greeted(server.address()).await;
    client.send(b"MAIL FROM:<>\r\nRCPT TO:<to@b.example>\r\nDATA\r\n").await;
    for code in [250, 250, 354] {
        client.expect(code).await;
    }
    client.send(b"hi\r\n.\r\nQUIT\r\n").await;
    client.expect(250).await;
    client.expect(221).await;
    assert_eq!(client.reply().await, None);
    assert_eq!(server.received()[0].envelope_from, "");
}

#[tokio::test]
async fn commands_out_of_order_are_refused() {
    let server = SmtpServer::start().await;
    let mut client = Client::connect(server.address()).await;
    client.expect(220).await;
    client.say("MAIL FROM:<a@a.example>", 503).await;
    client.say("EHLO client.example", 250).await;
    client.say("RCPT TO:<b@b.example>", 503).await;
    client.say("DATA", 503).await;
    client.say("MAIL FROM:<a@a.example>", 250).await;
    client.say("MAIL FROM:<a@a.example>", 503).await;
    client.say("DATA", 554).await;
    client.say("RSET", 250).await;
    client.say("RCPT TO:<b@b.example>", 503).await;
    client.say("STARTTLS", 503).await;
    client.say("AUTH PLAIN AGEAYg==", 503).await;
    client.say("NOOP", 250).await;
    client.send(b"NOOP\n").await;
    client.expect(500).await;
}

#[tokio::test]
async fn what_is_not_offered_is_not_taken() {
    let server = SmtpServer::builder().without_eight_bit_mime().start().await;
    let mut client = Client::connect(server.address()).await;
    client.expect(220).await;
    let welcome = client.say("EHLO client.example", 250).await;
    assert!(!welcome.contains("SMTPUTF8") && !welcome.contains("8BITMIME") && !welcome.contains("AUTH"));
    client.say("MAIL FROM:<a@a.example> BODY=8BITMIME", 555).await;
    client.say("MAIL FROM:<a@a.example> SMTPUTF8", 555).await;
    client.say("MAIL FROM:<ä@a.example>", 553).await;
    client.say("MAIL FROM:<a@a.example> SIZE=99999999", 552).await;
    client.say("MAIL FROM:<a@a.example>", 250).await;
    client.say("RCPT TO:<ü@b.example>", 553).await;
}

#[tokio::test]
async fn with_smtputf8_addresses_may_be_any_unicode() {
    let server = SmtpServer::start().await;
    let mut client = Client::greeted(server.address()).await;
    client.say("MAIL FROM:<ä@a.example>", 553).await;
    client.say("MAIL FROM:<ä@a.example> SMTPUTF8", 250).await;
    client.say("RCPT TO:<用户@例子.example>", 250).await;
    client.say("DATA", 354).await;
    client.send(b"hi\r\n.\r\n").await;
    client.expect(250).await;
    assert_eq!(server.received()[0].recipients, ["用户@例子.example"]);
}

#[tokio::test]
async fn dropping_the_server_closes_its_port_and_connections() {
    let server = SmtpServer::start().await;
    let address = server.address();
    let mut client = Client::greeted(address).await;
    drop(server);
    assert_eq!(client.reply().await, None);
    crate::eventually(DEADLINE, "the port to be closed", async || {
        tokio::net::TcpStream::connect(address).await.is_err()
    })
    .await;
}
