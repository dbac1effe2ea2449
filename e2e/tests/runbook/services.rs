//! Incidents of API and worker.

use serde_json::json;
use testkit::{Action, DEADLINE, Rules, SmtpServer, Stage, eventually};

use crate::machine::{KEY, Machine};

#[tokio::test]
async fn no_worker_runs() {
    let smtp = SmtpServer::start().await;
    smtp.rules(Rules::new().nth(Stage::EndOfData, 1, Action::Hold));
    let mut machine = Machine::simple(&smtp.url()).await;
    machine.systemctl("start email-queue-worker").await;
    machine.accept("in flight").await;
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    machine.worker.take().unwrap().kill_now();
    smtp.release();
    machine.accept("waiting").await;
    let before = smtp.received().len();
    machine.run("worker-dead").await;
    smtp.wait_for(before + 2).await;
    let said = machine.run("watch").await;
    let live: Vec<_> = said.lines().collect();
    assert!(live.contains(&r#"{"status":"ready"}"#) && said.contains("accepted"), "{said}");
}

#[tokio::test]
async fn the_backlog_is_full() {
    let smtp = SmtpServer::start().await;
    let redis = testkit::RedisServer::builder().without_persistence().start();
    let mut machine = Machine::start(redis, &smtp.url(), "EMAIL_QUEUE_BACKLOG_LIMIT=3\n").await;
    for _ in 0..3 {
        machine.accept("s").await;
    }
    machine.refused(429).await;
    machine.variable("BACKLOG_LIMIT", "4");
    machine.run("backlog-limit").await;
    machine.accept("within the new limit").await;
    machine.refused(429).await;
    let said = machine.run("backlog-full").await;
    assert!(said.lines().any(|line| line.split_whitespace().take(2).eq(["normal", "4"])), "{said}");
    smtp.wait_for(4).await;
    machine.accept("after").await;
    assert_eq!(smtp.wait_for(5).await.len(), 5);
}

#[tokio::test]
async fn an_api_key_is_lost() {
    let smtp = SmtpServer::start().await;
    let mut machine = Machine::simple(&smtp.url()).await;
    let attachment = json!({"filename": "a.txt", "content": "aGk="});
    let email = json!({"to": "a@b.example", "subject": "s", "text": "t", "attachments": [attachment]}).to_string();
    let id = machine.request("POST", "/emails", KEY, email).await.text("id").to_owned();
    let list = async |machine: &Machine, key: &str| {
        machine.request("GET", &format!("/emails/{id}/attachments"), key, String::new()).await
    };
    let listed = list(&machine, KEY).await;
    let link = listed.json["data"][0]["download_url"].as_str().unwrap().to_owned();
    let path = link.splitn(4, '/').nth(3).unwrap().to_owned();
    let download = async |machine: &Machine| {
        let url = format!("http://{}/{path}", machine.api().address());
        reqwest::get(url).await.unwrap().status().as_u16()
    };
    assert_eq!(download(&machine).await, 200);
    machine.variable("NEW_KEY", "re_new");
    machine.run("lost-key").await;
    assert_eq!(list(&machine, KEY).await.status, 403);
    assert_eq!(list(&machine, "re_new").await.status, 200);
    assert!(matches!(download(&machine).await, 401..=404));
    machine.systemctl("start email-queue-worker").await;
    assert_eq!(smtp.wait_for(1).await.len(), 1);
    eventually(DEADLINE, "all to be idle", async || smtp.open_connections() <= 1).await;
}
