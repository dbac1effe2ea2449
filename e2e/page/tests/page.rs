//! What an operator does with the web page, in headless Chromium: the real component or native server, Redis, worker and mail server.
//!
//! Each test sets a scene, runs the script of its name in `scripts/`, which acts in the browser and fails the test where the page is not as
//! it should be, and then looks at what has arrived.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

mod scene;

use std::collections::BTreeSet;

use e2e::{Api, Worker};
use serde_json::{Value, json};
use testkit::{Action, RedisServer, Rules, SmtpServer, Stage, TcpProxy, proxy::contains};

use scene::{KEYS, Scene, accept, accept_batch, fill};

fn email(to: &str, subject: &str) -> Value {
    json!({"from": "Acme <hello@acme.example>", "to": to, "subject": subject, "text": "Hello"})
}

/// Who got a message.
fn recipients(server: &SmtpServer) -> BTreeSet<String> {
    server.received().into_iter().flat_map(|received| received.recipients).collect()
}

#[tokio::test]
async fn an_email_goes_from_post_to_sent_while_the_page_is_open() {
    let scene = Scene::start(Rules::new()).await;
    scene.run("follow", &[]).await;
    assert_eq!(recipients(&scene.server), ["ada@example.com".to_owned()].into());
}

#[tokio::test]
async fn a_dead_letter_is_retried_from_the_page_by_keyboard_and_arrives() {
    let refused_once = Rules::new().recipient_first("bob@example.com", 1, Action::reply(550, "5.1.1 User unknown"));
    let scene = Scene::start(refused_once).await;
    let id = accept(&scene.api, &email("bob@example.com", "Your invoice")).await;
    scene.run("retry-one", &[("ID", &id)]).await;
    assert_eq!(recipients(&scene.server), ["bob@example.com".to_owned()].into());
}

#[tokio::test]
async fn all_emails_of_a_class_are_retried_and_the_others_stay() {
    let mut rules = Rules::new();
    let unknown: Vec<_> = (0..30).map(|number| format!("unknown{number}@example.com")).collect();
    for address in &unknown {
        rules = rules.recipient_first(address, 1, Action::reply(550, "5.1.1 User unknown"));
    }
    let rules = rules.when(
        |step| step.stage == Stage::Rcpt && step.recipient.is_some_and(|recipient| recipient.contains("spam")),
        Action::reply(554, "5.7.1 Message refused by policy"),
    );
    let scene = Scene::start(rules).await;
    let all = unknown.iter().cloned().chain((0..5).map(|number| format!("spam{number}@example.com")));
    accept_batch(&scene.api, &all.map(|to| email(&to, "Newsletter")).collect::<Vec<_>>()).await;
    scene.run("retry-all", &[]).await;
    scene.server.wait_for(30).await;
    assert_eq!(recipients(&scene.server), unknown.into_iter().collect());
}

#[tokio::test]
async fn all_emails_are_moved_to_a_lane_and_each_lane_has_its_number() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[KEYS]).await;
    let emails = (0..10).map(|number| {
        let priority = if number < 8 { "high" } else { "normal" };
        json!({"from": "a@acme.example", "to": "ada@example.com", "subject": "Waits", "text": "x", "priority": priority})
    });
    accept_batch(&api, &emails.collect::<Vec<_>>()).await;
    scene::run("move-all", &api, &[]).await;
}

#[tokio::test]
async fn the_dialogs_say_who_may_get_an_email_twice_and_who_has_it() {
    let rules = Rules::new().recipient("full@example.com", Action::reply(452, "4.2.2 The mailbox is full")).when(
        |step| step.stage == Stage::EndOfData && step.recipients.iter().any(|to| to.starts_with("silent")),
        Action::StoreThenDrop,
    );
    let scene = Scene::start_with(rules, &["--retry-base", "1h", "--retry-max", "1h"]).await;
    let silent = accept(&scene.api, &email("silent@example.com", "Your invoice")).await;
    let half = accept(&scene.api, &json!({"from": "a@acme.example", "to": ["ada@example.com", "full@example.com"], "subject": "Hello", "text": "x"})).await;
    scene.run("promises", &[("SILENT", &silent), ("HALF", &half)]).await;
}

#[tokio::test]
async fn the_focus_stays_near_a_row_that_leaves_the_list() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[KEYS]).await;
    for subject in ["Oldest", "Middle", "Newest"] {
        accept(&api, &email("ada@example.com", subject)).await;
    }
    scene::run("focus", &api, &[]).await;
}

#[tokio::test]
async fn an_email_is_shown_as_it_is_now_in_the_zone_of_the_browser() {
    let scene = Scene::start(Rules::new()).await;
    scene.run("changes", &[]).await;
}

#[tokio::test]
async fn a_large_email_in_flight_is_shown_on_a_slow_link() {
    let held = Rules::new().recipient("slow@example.com", Action::Hold);
    let scene = Scene::start_with(held, &["--smtp-timeout", "5min"]).await;
    scene.run("slow", &[]).await;
}

#[tokio::test]
async fn an_email_that_stops_halfway_is_given_up_and_asked_for_again() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[KEYS]).await;
    let rest = "x".repeat(300_000);
    // Twice, as one may be in two pieces.
    let text = format!("The beginning {rest} halfway halfway {rest}");
    let id =
        accept(&api, &json!({"from": "a@acme.example", "to": "ada@example.com", "subject": "Hello", "text": text}))
            .await;
    let proxy = TcpProxy::start(api.address().parse().unwrap()).await;
    proxy.silence_when_server_sends(|piece| contains(piece, b"halfway"));
    let address = format!("http://{}", proxy.address());
    let variables = [("ID", id.as_str()), ("API", &address)];
    tokio::join!(scene::run("stalls", &api, &variables), async {
        proxy.silenced().await;
        proxy.heal();
    });
}

#[tokio::test]
async fn what_is_past_is_not_shown_as_the_present() {
    let held = Rules::new().recipient("slow@example.com", Action::Hold);
    let mut scene = Scene::start_with(held, &["--smtp-timeout", "5min"]).await;
    accept(&scene.api, &email("slow@example.com", "Hello")).await;
    let at = scene.die_after_a_pause().await;
    scene.run("past", &[("AT", &at)]).await;
}

#[tokio::test]
async fn an_action_that_fails_says_so_and_is_tried_again() {
    let refused_once = Rules::new().recipient_first("bob@example.com", 1, Action::reply(550, "5.1.1 User unknown"));
    let scene = Scene::start(refused_once).await;
    let id = accept(&scene.api, &email("bob@example.com", "Your invoice")).await;
    scene.run("fails", &[("ID", &id), ("REDIS_PID", &scene.redis_pid())]).await;
}

#[tokio::test]
async fn an_action_for_all_that_fails_halfway_says_how_far_it_came_and_goes_on() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[KEYS]).await;
    fill(&api, 40_000).await;
    scene::run("fails-halfway", &api, &[("REDIS_PID", &scene::redis_pid(&redis))]).await;
}

#[tokio::test]
async fn a_pause_stops_delivery_and_a_resume_starts_it() {
    let scene = Scene::start(Rules::new()).await;
    scene.run("pause", &[]).await;
    assert_eq!(scene.server.received().len(), 1);
}

#[tokio::test]
async fn an_email_is_found_by_its_recipient_among_a_hundred_thousand() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[KEYS]).await;
    accept(&api, &email("Needle <needle.in@haystack.example>", "The one")).await;
    fill(&api, 100_000).await;
    scene::run("search", &api, &[]).await;
}

#[tokio::test]
async fn a_hostile_email_is_shown_as_text_and_can_do_nothing() {
    let scene = Scene::start(Rules::new()).await;
    let script = "<script>window.harmed = 1</script><img src=x onerror=window.harmed=1>";
    let hostile = json!({
        "from": format!("\"{script}\" <evil@example.com>"),
        "to": format!("\"{script}\" <ada@example.com>"),
        "subject": format!("{script} {{{{7*7}}}}"),
        "text": format!("{script} in the text"),
        "html": format!(
            "<h1 style='color: red'>In the HTML</h1>{script}<img src='http://outside.example/pixel.png'>\
             <iframe srcdoc='<script>top.harmed=1</script>'></iframe><a href='http://outside.example/' target='_top'>a link</a>\
             <form action='http://outside.example/'><button>Send</button></form><meta http-equiv='refresh' content='0;url=http://outside.example/'>"
        ),
        "headers": {"X-Hostile": script},
        "tags": [{"name": "campaign", "value": "november"}],
        "attachments": [{"filename": format!("{script}.html"), "content": "PHNjcmlwdD4=", "content_type": "text/html"}],
    });
    let id = accept(&scene.api, &hostile).await;
    scene.server.wait_for(1).await;
    scene.run("hostile", &[("ID", &id), ("SCRIPT", script)]).await;
}

#[tokio::test]
async fn hidden_characters_are_shown_and_endless_words_fit() {
    // Right to left, an isolate, and no space.
    let hidden = "\u{202e}gpj.exe\u{2066}\u{200b}";
    let refused = Rules::new().recipient("ada@example.com", Action::reply(550, format!("5.1.1 User {hidden} unknown")));
    let scene = Scene::start(refused).await;
    let endless = "W".repeat(250);
    let id = accept(
        &scene.api,
        &json!({
            "from": format!("\"{hidden} {endless}\" <evil@example.com>"),
            "to": format!("\"{hidden}{endless}\" <ada@example.com>"),
            "subject": format!("{hidden} שלום {endless} {endless}"),
            "text": format!("{hidden}\u{1b}[31m {endless}\nشكرا"),
            "headers": {"X-Hidden": format!("{hidden} {endless}"), "X-Endless": endless},
            "tags": [{"name": "endless", "value": endless}],
            "attachments": [{"filename": format!("{hidden}{}.txt", &endless[..100]), "content": "YQ=="}],
        }),
    )
    .await;
    scene.run("hidden", &[("ID", &id), ("HIDDEN", hidden)]).await;
}

#[tokio::test]
async fn a_key_may_do_on_the_page_what_it_may_do() {
    let refused = Rules::new().recipient("bob@example.com", Action::reply(550, "5.1.1 User unknown"));
    let scene = Scene::start(refused).await;
    let id = accept(&scene.api, &email("bob@example.com", "Your invoice")).await;
    scene.run("keys", &[("ID", &id)]).await;
}

#[tokio::test]
async fn what_is_only_on_the_lists_and_a_pause_of_a_part_are_seen_and_a_discarded_email_is_called_so() {
    let redis = RedisServer::builder().without_persistence().start();
    let api = Api::start_with(&redis.url(), &[KEYS, ("queue", "{emails}"), ("shards", "2")]).await;
    for _ in 0..3 {
        redis::cmd("LPUSH").arg("{emails}:low").arg("{}").exec(&mut redis.connection()).unwrap();
    }
    let now = jiff::Timestamp::now().as_millisecond();
    redis::cmd("HSET").arg("{emails:1}:paused").arg("low").arg(now).exec(&mut redis.connection()).unwrap();
    scene::run("counts", &api, &[]).await;
}

#[tokio::test]
async fn shards_that_no_worker_serves_are_seen() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = SmtpServer::start().await;
    let api = Api::start_with(&redis.url(), &[KEYS, ("queue", "{emails}"), ("shards", "2")]).await;
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--queue", "{emails}"]).await;
    // Each request takes a shard by chance: that one gets none of so many happens once in half a million times.
    for number in 0..20 {
        accept(&api, &email("ada@example.com", &format!("Number {number}"))).await;
    }
    scene::run("unserved", &api, &[]).await;
}

#[tokio::test]
async fn a_lost_server_is_shown_and_a_hidden_page_asks_for_nothing() {
    let scene = Scene::start(Rules::new()).await;
    scene.run("lost", &[]).await;
}

#[tokio::test]
async fn the_page_has_no_barrier_in_light_and_dark_and_on_a_phone() {
    let redis = RedisServer::builder().without_persistence().start();
    let server = SmtpServer::builder().rules(scene::trouble()).start().await;
    let api = Api::start_with(&redis.url(), &[KEYS]).await;
    let _worker = Worker::ready(
        &redis.url(),
        &server.url(),
        &["--retry-base", "1h", "--retry-max", "1h", "--smtp-timeout", "5min"],
    )
    .await;
    let id = scene::busy_hour(&redis, &api, &server).await;
    scene::run("looks", &api, &[("ID", &id)]).await;
}
