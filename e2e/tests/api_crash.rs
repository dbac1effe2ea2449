//! The API killed under load: accepted emails arrive, and others are stored completely or not at all.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Api, Arrivals, Load, Records, Worker};
use testkit::{RedisServer, SmtpServer};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_email_that_got_a_2xx_arrives_however_often_the_api_is_killed() {
    const ROUNDS: usize = 6;
    let redis = RedisServer::builder().without_persistence().start();
    let server = SmtpServer::start().await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let mut accepted = Vec::new();
    let mut unanswered = 0;
    for _ in 0..ROUNDS {
        let mut api = Api::start(&redis).await;
        let load = Load::start(&api);
        load.wait_for_more(50).await;
        api.process.kill_now();
        load.wait_until("clients without an answer", |told| told.unanswered > 0).await;
        let told = load.stop().await;
        assert_eq!(told.refused, 0);
        accepted.extend(told.accepted);
        unanswered += told.unanswered;
    }
    let mut records = Records::of(&redis);
    records.wait_until_finished().await;
    records.assert_all_sent();
    let arrivals = Arrivals::new(server.received());
    arrivals.assert_once(&accepted);
    assert!(arrivals.emails() <= accepted.len() + unanswered);
}
