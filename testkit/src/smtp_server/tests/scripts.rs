//! Scripted behaviour of the server.

use super::TO;
use crate::smtp_client::Client;
use crate::smtp_server::*;

async fn scripted(rules: Rules) -> SmtpServer {
    SmtpServer::builder().rules(rules).start().await
}

#[tokio::test]
async fn one_recipient_is_refused_and_the_others_get_the_message() {
    let server = scripted(Rules::new().recipient("no@b.example", Action::reply(550, "5.1.1 who?"))).await;
    let mut client = Client::greeted(server.address()).await;
    client.say("MAIL FROM:<a@a.example>", 250).await;
    client.say("RCPT TO:<yes@b.example>", 250).await;
    assert_eq!(client.say("RCPT TO:<no@b.example>", 550).await, "550 5.1.1 who?\r\n");
    client.say("RCPT TO:<too@b.example>", 250).await;
    client.say("DATA", 354).await;
    client.send(b"hi\r\n.\r\n").await;
    client.expect(250).await;
    assert_eq!(server.received()[0].recipients, ["yes@b.example", "too@b.example"]);
    assert_eq!(server.rcpt_attempts()["no@b.example"], 1);
    assert_eq!(server.data_attempts().get("no@b.example"), None);
    assert_eq!(server.data_attempts()["too@b.example"], 1);
}

#[tokio::test]
async fn a_refused_message_is_not_stored_and_the_next_one_is() {
    let server = scripted(Rules::new().first(Stage::EndOfData, 1, Action::reply(451, "4.3.0 later"))).await;
    let mut client = Client::greeted(server.address()).await;
    for (number, code) in [(1, 451), (2, 250)] {
        client.begin_message(TO).await;
        client.send(format!("{number}\r\n.\r\n").as_bytes()).await;
        client.expect(code).await;
    }
    let received = server.received();
    assert_eq!(received.len(), 1);
    assert_eq!(received[0].data, b"2\r\n");
    assert_eq!(server.data_attempts()[TO], 2);
}

#[tokio::test]
async fn each_stage_can_be_refused() {
    let server = SmtpServer::start().await;
    let mut client = Client::greeted(server.address()).await;
    for stage in [Stage::Mail, Stage::Rcpt, Stage::Data] {
        server.rules(Rules::new().at(stage, Action::reply(452, "4.3.1\nno room")));
        for (at, command, good) in [
            (Stage::Mail, "MAIL FROM:<a@a.example>", 250),
            (Stage::Rcpt, "RCPT TO:<b@b.example>", 250),
            (Stage::Data, "DATA", 354),
        ] {
            if at == stage {
                assert_eq!(client.say(command, 452).await, "452-4.3.1\r\n452 no room\r\n");
                break;
            }
            client.say(command, good).await;
        }
        client.say("RSET", 250).await;
    }
}

#[tokio::test]
async fn service_not_available_closes_the_connection() {
    let server = scripted(Rules::new().at(Stage::Connect, Action::reply(421, "4.3.2 going down"))).await;
    let mut client = Client::connect(server.address()).await;
    client.expect(421).await;
    assert_eq!(client.reply().await, None);

    server.rules(Rules::new().at(Stage::Mail, Action::reply(421, "4.3.2 going down")));
    let mut client = Client::greeted(server.address()).await;
    client.say("MAIL FROM:<a@a.example>", 421).await;
    assert_eq!(client.reply().await, None);
}

#[tokio::test]
async fn a_script_sees_the_whole_step() {
    let server = SmtpServer::builder()
        .script(|step| match step.stage {
            Stage::EndOfData => {
                Action::reply(250, format!("{} {} {:?} {:?}", step.nth, step.sender, step.recipients, step.data))
            }
            Stage::Rcpt => Action::reply(251, format!("{:?} attempt {}", step.recipient, step.attempt)),
            _ => Action::Accept,
        })
        .start()
        .await;
    let mut client = Client::greeted(server.address()).await;
    client.say("MAIL FROM:<a@a.example>", 250).await;
    assert_eq!(client.say("RCPT TO:<b@b.example>", 251).await, "251 Some(\"b@b.example\") attempt 1\r\n");
    client.say("DATA", 354).await;
    client.send(b"x\r\n.\r\n").await;
    assert_eq!(client.expect(250).await, "250 1 a@a.example [\"b@b.example\"] [120, 13, 10]\r\n");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_hanging_server_answers_nothing_and_stays_connected() {
    let server = scripted(Rules::new().nth(Stage::EndOfData, 1, Action::Hang)).await;
    let mut client = Client::greeted(server.address()).await;
    client.begin_message(TO).await;
    client.send(b"hi\r\n.\r\n").await;
    server.wait_for_stage(Stage::EndOfData, 1).await;
    let silence = tokio::time::timeout(Duration::from_millis(100), client.reply()).await;
    assert!(silence.is_err());
    assert_eq!(server.open_connections(), 1);
    assert!(server.received().is_empty());
    drop(client);
    server.wait_for_open_connections(0).await;
}

#[tokio::test]
async fn a_held_step_goes_on_when_released() {
    let server = scripted(Rules::new().at(Stage::EndOfData, Action::Hold)).await;
    let mut client = Client::greeted(server.address()).await;
    for _ in 0..2 {
        client.begin_message(TO).await;
        client.send(b"hi\r\n.\r\n").await;
        let held = tokio::time::timeout(Duration::from_millis(50), client.reply()).await;
        assert!(held.is_err());
        server.release();
        client.expect(250).await;
    }
    assert_eq!(server.received().len(), 2);
}

#[tokio::test]
async fn a_slow_server_answers_in_the_end() {
    let delay = Duration::from_millis(50);
    let server = scripted(Rules::new().at(Stage::EndOfData, Action::accept_after(delay))).await;
    let mut client = Client::greeted(server.address()).await;
    client.begin_message(TO).await;
    let start = std::time::Instant::now();
    client.send(b"hi\r\n.\r\n").await;
    client.expect(250).await;
    assert!(start.elapsed() >= delay);
}

#[tokio::test]
async fn the_connection_can_be_dropped_in_mid_data() {
    let server = scripted(Rules::new().at(Stage::Body, Action::Drop)).await;
    let mut client = Client::greeted(server.address()).await;
    client.begin_message(TO).await;
    client.send(b"Subject: the first line of man").await;
    assert_eq!(client.reply().await, None);
    assert!(server.received().is_empty());
    assert_eq!(server.count(Stage::EndOfData), 0);
}

#[tokio::test]
async fn the_connection_can_be_dropped_after_the_dot_with_or_without_storing() {
    for (action, stored) in [(Action::Drop, 0), (Action::StoreThenDrop, 1)] {
        let server = scripted(Rules::new().at(Stage::EndOfData, action)).await;
        let mut client = Client::greeted(server.address()).await;
        client.begin_message(TO).await;
        client.send(b"hi\r\n.\r\n").await;
        assert_eq!(client.reply().await, None);
        assert_eq!(server.received().len(), stored);
    }
}

#[tokio::test]
async fn open_connections_can_be_closed_and_new_ones_are_served() {
    let server = SmtpServer::start().await;
    let mut client = Client::greeted(server.address()).await;
    server.close_connections();
    assert_eq!(client.reply().await, None);
    Client::greeted(server.address()).await;
    assert_eq!(server.connections(), 2);
}

#[tokio::test]
#[should_panic(expected = "in vain for messages that satisfy the condition; the SMTP server saw 0 messages, 1 conn")]
async fn waiting_in_vain_says_what_was_seen() {
    let server = SmtpServer::start().await;
    let _client = Client::greeted(server.address()).await;
    server.wait_until_within(Duration::from_millis(20), |received| !received.is_empty()).await;
}
