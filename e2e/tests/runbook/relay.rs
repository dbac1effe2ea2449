//! Incidents of the relay.

use testkit::{Action, DEADLINE, Rules, SmtpServer, Stage, eventually, ports::free_port};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};

use crate::machine::{KEY, Machine};

async fn wait_until_held_off(machine: &Machine) {
    let mut redis = machine.redis.connection();
    let held = async || redis::cmd("EXISTS").arg("emails:held").query(&mut redis) == Ok(1);
    eventually(DEADLINE, "the workers to hold off", held).await;
}

#[tokio::test]
async fn the_relay_refuses_the_login() {
    let smtp = SmtpServer::builder().login("user", "right").start().await;
    let url = |password: &str| smtp.url().replace("smtp://", &format!("smtp://user:{password}@"));
    let mut machine = Machine::simple(&url("wrong")).await;
    machine.systemctl("start email-queue-worker").await;
    machine.accept("s").await;
    wait_until_held_off(&machine).await;
    machine.variable("TRANSPORT", url("right"));
    let said = machine.run("relay-login").await;
    assert!(said.contains("authentication"), "{said}");
    assert_eq!(smtp.wait_for(1).await.len(), 1);
}

#[tokio::test]
async fn the_relay_is_down() {
    let (smtp, port) = (SmtpServer::start().await, free_port());
    let mut machine = Machine::simple(&format!("smtp://127.0.0.1:{port}")).await;
    machine.systemctl("start email-queue-worker").await;
    machine.accept("s").await;
    wait_until_held_off(&machine).await;
    // It is back, and nobody would try it for an hour.
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    let upstream = smtp.address();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut server = TcpStream::connect(upstream).await.unwrap();
                let _closed = copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    let said = machine.run("relay-down").await;
    assert!(said.contains("connection"), "{said}");
    assert_eq!(smtp.wait_for(1).await.len(), 1);
}

#[tokio::test]
async fn dead_letters_are_sent_again_after_a_fault() {
    let smtp = SmtpServer::start().await;
    smtp.rules(Rules::new().at(Stage::Rcpt, Action::reply(550, "5.1.1 no such user")));
    let mut machine = Machine::simple(&smtp.url()).await;
    machine.systemctl("start email-queue-worker").await;
    let texts = ["one", "ümläut \"two\"\nlines"];
    for text in texts {
        let id = machine.accept(text).await;
        let path = format!("/emails/{id}");
        let failed = async || machine.request("GET", &path, KEY, String::new()).await.text("last_event") == "failed";
        eventually(DEADLINE, "a dead letter", failed).await;
    }
    smtp.rules(Rules::new());
    let said = machine.run("dead-letters").await;
    assert!(said.contains("a@b.example"), "{said}");
    let received = smtp.wait_for(2).await;
    let mut texts: Vec<_> = texts.iter().map(|text| text.replace('\n', "\r\n")).collect();
    let mut arrived: Vec<_> = received
        .into_iter()
        .map(|received| e2e::Mail::new(received).text("text/plain").unwrap().trim_end().replace('\n', "\r\n"))
        .collect();
    texts.sort();
    arrived.sort();
    assert_eq!(arrived, texts);
}
