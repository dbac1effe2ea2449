//! First in, first out within a lane; high before normal before low.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Api, Worker};
use serde_json::json;
use testkit::{Action, RedisServer, Rules, SmtpServer, Stage};

/// How many emails each lane gets.
const EACH: usize = 25;

async fn post(api: &Api, lane: &str, number: usize) {
    let to = format!("{lane}{number}@y.example");
    api.accept(&json!({"to": to, "message": "hi", "priority": lane})).await;
}

fn lanes_in_order() -> Vec<String> {
    let lane = |lane: &'static str| (0..EACH).map(move |number| format!("{lane}{number}@y.example"));
    ["high", "normal", "low"].into_iter().flat_map(lane).collect()
}

#[tokio::test]
async fn what_waits_is_sent_lane_by_lane_and_within_a_lane_in_the_order_of_acceptance() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let server = SmtpServer::start().await;
    for number in 0..EACH {
        for lane in ["low", "normal", "high"] {
            post(&api, lane, number).await;
        }
    }
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--concurrency", "1"]).await;
    let received = server.wait_for(3 * EACH).await;
    let arrived: Vec<_> = received.into_iter().flat_map(|mail| mail.recipients).collect();
    assert_eq!(arrived, lanes_in_order());
}

#[tokio::test]
async fn an_urgent_email_overtakes_all_that_wait_when_it_comes() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let server = SmtpServer::builder().rules(Rules::new().nth(Stage::EndOfData, 1, Action::Hold)).start().await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--concurrency", "1"]).await;
    post(&api, "low", 100).await;
    server.wait_for_stage(Stage::EndOfData, 1).await;
    // The worker has its hands full, and all these wait.
    for lane in ["low", "normal", "high"] {
        for number in 0..EACH {
            post(&api, lane, number).await;
        }
    }
    server.release();
    let received = server.wait_for(1 + 3 * EACH).await;
    let arrived: Vec<_> = received.into_iter().flat_map(|mail| mail.recipients).collect();
    assert_eq!(arrived[0], "low100@y.example");
    assert_eq!(arrived[1..], lanes_in_order());
}

#[tokio::test]
async fn emails_that_come_one_by_one_are_sent_in_their_order() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start(&redis).await;
    let server = SmtpServer::start().await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--concurrency", "1"]).await;
    for number in 0..EACH {
        post(&api, "normal", number).await;
    }
    let received = server.wait_for(EACH).await;
    let arrived: Vec<_> = received.into_iter().flat_map(|mail| mail.recipients).collect();
    assert_eq!(arrived, (0..EACH).map(|number| format!("normal{number}@y.example")).collect::<Vec<_>>());
}
