//! Emails for later: they are sent when they are due, can be moved and can be taken back.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{collections::BTreeMap, time::Duration};

use e2e::{Answer, Api, Records, Worker};
use jiff::Timestamp;
use serde_json::{Value, json};
use testkit::{Action, DEADLINE, RedisServer, Rules, SmtpServer, Stage, eventually};

const JSON: (&str, &str) = ("content-type", "application/json");

fn email(subject: &str, scheduled_at: &str) -> Value {
    json!({
        "from": "a@example.com", "to": "b@example.com", "subject": subject, "text": "Hello", "scheduled_at": scheduled_at,
    })
}

async fn cancel(api: &Api, id: &str) -> Answer {
    api.request("POST", &format!("/emails/{id}/cancel"), &[], "").await
}

async fn reschedule(api: &Api, id: &str, scheduled_at: &str) -> Answer {
    let body = json!({"scheduled_at": scheduled_at, "id": "ignored"}).to_string();
    api.request("PATCH", &format!("/emails/{id}"), &[JSON], body).await
}

/// A time so many ms from now, as a client would write it; Redis and the test share a clock.
fn in_ms(ms: u64) -> String {
    (Timestamp::now() + Duration::from_millis(ms)).to_string()
}

/// How often each subject arrived.
fn arrivals(server: &SmtpServer) -> BTreeMap<String, usize> {
    let mut arrivals = BTreeMap::new();
    for received in server.received() {
        let message = mail_parser::MessageParser::default().parse(&received.data).unwrap();
        *arrivals.entry(message.subject().unwrap().to_owned()).or_default() += 1;
    }
    arrivals
}

#[tokio::test]
async fn a_scheduled_email_is_sent_when_it_is_due_also_if_no_worker_ran_then() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start().await;
    let api = Api::start(&redis).await;
    let id = api.accept(&email("due", &in_ms(300))).await;
    let later = api.accept(&email("later", "in 1 hour")).await;
    assert_eq!(api.last_event(&id).await, "scheduled");
    tokio::time::sleep(Duration::from_millis(400)).await; // its time passes, with no worker there
    let _worker = Worker::start(&redis.url(), &smtp.url(), &[]);
    smtp.wait_for(1).await;
    eventually(DEADLINE, "the email to be sent", async || api.last_event(&id).await == "sent").await;
    assert_eq!(api.last_event(&later).await, "scheduled");
}

#[tokio::test]
async fn a_scheduled_email_can_be_moved_forward_and_back() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start().await;
    let api = Api::start(&redis).await;
    let _worker = Worker::ready(&redis.url(), &smtp.url(), &[]).await;
    let id = api.accept(&email("moved", "in 1 hour")).await;
    let moved = reschedule(&api, &id, "in 2 hours").await;
    assert_eq!((moved.status, &moved.json), (200, &json!({"object": "email", "id": id})));
    assert_eq!(reschedule(&api, &id, &in_ms(100)).await.status, 200);
    smtp.wait_for(1).await;
}

#[tokio::test]
async fn a_time_that_cannot_be_is_refused_and_the_old_one_stays() {
    let redis = RedisServer::start();
    let api = Api::start(&redis).await;
    let id = api.accept(&email("stays", "in 1 hour")).await;
    let before = api.get(&id).await.json;
    for time in ["yesterday", "2020-01-01T00:00:00Z", "in 31 days"] {
        let refused = reschedule(&api, &id, time).await;
        assert_eq!((refused.status, refused.text("name")), (422, "validation_error"), "{time}");
        assert!(refused.text("message").contains("scheduled_at"), "{}", refused.json);
    }
    for nothing in ["{}", r#"{"scheduled_at": ""}"#] {
        let missing = api.request("PATCH", &format!("/emails/{id}"), &[JSON], nothing).await;
        assert_eq!((missing.status, missing.text("name")), (422, "missing_required_field"), "{nothing}");
    }
    assert_eq!(api.get(&id).await.json, before);
}

#[tokio::test]
async fn a_canceled_email_is_never_sent_and_cannot_be_scheduled_again() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start().await;
    let api = Api::start(&redis).await;
    let queued = api.accept(&json!({"to": "b@example.com", "message": "hi", "subject": "canceled"})).await;
    let scheduled = api.accept(&email("canceled", "in 1 hour")).await;
    for id in [&queued, &scheduled] {
        let canceled = cancel(&api, id).await;
        assert_eq!((canceled.status, &canceled.json), (200, &json!({"object": "email", "id": id})));
        assert_eq!(api.last_event(id).await, "canceled");
        assert_eq!(reschedule(&api, id, "in 1 hour").await.status, 422);
        assert_eq!(cancel(&api, id).await.status, 422, "a second time it is too late");
    }
    api.accept(&json!({"to": "b@example.com", "message": "hi", "subject": "sent"})).await;
    let _worker = Worker::start(&redis.url(), &smtp.url(), &[]);
    smtp.wait_for(1).await;
    assert_eq!(arrivals(&smtp).into_keys().collect::<Vec<_>>(), ["sent"]);
}

#[tokio::test]
async fn what_was_sent_can_be_neither_canceled_nor_moved() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start().await;
    let api = Api::start(&redis).await;
    let _worker = Worker::start(&redis.url(), &smtp.url(), &[]);
    let id = api.accept(&json!({"to": "b@example.com", "message": "hi"})).await;
    eventually(DEADLINE, "the email to be sent", async || api.last_event(&id).await == "sent").await;
    for refused in [cancel(&api, &id).await, reschedule(&api, &id, "in 1 hour").await] {
        assert_eq!((refused.status, refused.text("name")), (422, "validation_error"));
        assert!(refused.text("message").contains("sent"), "{}", refused.json);
    }
    assert_eq!(api.last_event(&id).await, "sent");
    let unknown = "01890a5d-ac96-774b-bcce-b302099a8057";
    assert_eq!(cancel(&api, unknown).await.status, 404);
    assert_eq!(reschedule(&api, unknown, "in 1 hour").await.status, 404);
    assert_eq!(cancel(&api, "7").await.status, 422);
}

#[tokio::test]
async fn a_cancellation_that_races_with_the_due_time_wins_or_is_refused_and_no_email_is_sent_twice_or_lost() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start().await;
    let api = Api::start(&redis).await;
    let _workers =
        [Worker::ready(&redis.url(), &smtp.url(), &[]).await, Worker::ready(&redis.url(), &smtp.url(), &[]).await];
    let mut answers = BTreeMap::new();
    let (mut canceled, mut sent) = (0, 0);
    for round in 0..40 {
        let subject = format!("round {round}");
        let id = api.accept(&email(&subject, &in_ms(50))).await;
        // Maintenance runs once a second: from well before it to well after.
        tokio::time::sleep(Duration::from_millis(round * 29)).await;
        let answer = cancel(&api, &id).await;
        assert!(matches!(answer.status, 200 | 422), "{}", answer.json);
        answers.insert(subject, (id, answer.status == 200));
    }
    for (subject, (id, was_canceled)) in &answers {
        let expected = if *was_canceled { "canceled" } else { "sent" };
        eventually(DEADLINE, "every email to come to its end", async || api.last_event(id).await == expected).await;
        assert_eq!(arrivals(&smtp).get(subject).copied().unwrap_or(0), usize::from(!was_canceled), "{subject}");
        if *was_canceled { canceled += 1 } else { sent += 1 }
    }
    assert!(canceled > 0 && sent > 0, "the race was one-sided: {canceled} canceled, {sent} sent");
}

#[tokio::test]
async fn a_change_of_time_that_races_with_maintenance_sends_each_email_once() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start().await;
    let api = Api::start(&redis).await;
    let _workers =
        [Worker::ready(&redis.url(), &smtp.url(), &[]).await, Worker::ready(&redis.url(), &smtp.url(), &[]).await];
    let rounds = 30;
    for round in 0..rounds {
        let id = api.accept(&email(&format!("round {round}"), &in_ms(20))).await;
        for step in 0..4 {
            tokio::time::sleep(Duration::from_millis(round * 7)).await;
            let answer = reschedule(&api, &id, &in_ms(10 * step)).await;
            assert!(matches!(answer.status, 200 | 422), "{}", answer.json);
        }
    }
    smtp.wait_until(|received| received.len() >= rounds as usize).await;
    Records::of(&redis).wait_until_finished().await;
    let arrivals = arrivals(&smtp);
    assert_eq!(arrivals.len(), rounds as usize);
    assert!(arrivals.values().all(|count| *count == 1), "{arrivals:?}");
}

#[tokio::test]
async fn a_dead_letter_is_retried_and_arrives_or_is_discarded_and_forgotten() {
    let redis = RedisServer::start();
    let smtp = SmtpServer::start().await;
    smtp.rules(Rules::new().at(Stage::Rcpt, Action::reply(550, "5.1.1 no such user")));
    let api = Api::start(&redis).await;
    let _worker = Worker::ready(&redis.url(), &smtp.url(), &[]).await;
    let mut ids = Vec::new();
    for subject in ["retried", "discarded"] {
        let id = api.accept(&json!({"to": "b@example.com", "message": "hi", "subject": subject})).await;
        eventually(DEADLINE, "a dead letter", async || api.last_event(&id).await == "failed").await;
        ids.push(id);
    }
    smtp.rules(Rules::new());
    let retried = api.request("POST", &format!("/emails/{}/retry", ids[0]), &[], "").await;
    assert_eq!((retried.status, &retried.json), (200, &json!({"object": "email", "id": ids[0]})));
    let discarded = api.request("DELETE", &format!("/emails/{}", ids[1]), &[], "").await;
    assert_eq!((discarded.status, &discarded.json), (200, &json!({"object": "email", "id": ids[1]})));
    smtp.wait_for(1).await;
    eventually(DEADLINE, "the email to be sent", async || api.last_event(&ids[0]).await == "sent").await;
    eventually(DEADLINE, "the other one to be forgotten", async || api.get(&ids[1]).await.status == 404).await;
    assert_eq!(arrivals(&smtp).into_iter().collect::<Vec<_>>(), [("retried".to_owned(), 1)]);
    // What was sent is not sent again.
    let again = api.request("POST", &format!("/emails/{}/retry", ids[0]), &[], "").await;
    assert_eq!((again.status, again.text("name")), (422, "validation_error"));
}
