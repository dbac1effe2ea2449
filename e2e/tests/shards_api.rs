//! A queue of several shards, on one Redis.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};

use e2e::{Answer, Api, Arrivals, Worker, shard_of, shard_queue};
use redis::Commands;
use serde_json::{Value, json};
use testkit::{DEADLINE, RedisServer, SmtpServer, eventually};

const JSON: (&str, &str) = ("content-type", "application/json");

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

async fn api(redis: &RedisServer, shards: &str, variables: &[(&str, &str)]) -> Api {
    let all = [&[("queue", "{emails}"), ("shards", shards)], variables].concat();
    Api::start_with(&redis.url(), &all).await
}

fn email() -> Value {
    json!({"to": "a@b.example", "message": "hi"})
}

fn is_in(redis: &RedisServer, shard: u16, id: &str) -> bool {
    redis.connection().exists(format!("{}:email:{id}", shard_queue(shard))).unwrap()
}

async fn list(api: &Api, query: &str) -> Answer {
    let answer = api.request("GET", &format!("/emails?{query}"), &[], "").await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    answer
}

fn ids(answer: &Answer) -> Vec<String> {
    let ids = answer.json["data"].as_array().unwrap().iter();
    ids.map(|item| item["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn emails_are_in_all_shards_and_their_ids_say_in_which() {
    let redis = redis();
    let api = api(&redis, "3", &[]).await;
    let mut seen = BTreeSet::new();
    for _ in 0..60 {
        let id = api.accept(&email()).await;
        seen.insert(shard_of(&id));
        assert!(is_in(&redis, shard_of(&id), &id), "{id}");
        assert_eq!(api.last_event(&id).await, "queued");
    }
    assert_eq!(seen, BTreeSet::from([0, 1, 2]));

    let batch = Value::from(vec![email(); 20]).to_string();
    let answer = api.request("POST", "/emails/batch", &[JSON], batch).await;
    let ids = ids(&answer);
    let shards: BTreeSet<_> = ids.iter().map(|id| shard_of(id)).collect();
    assert_eq!((ids.len(), shards.len()), (20, 1), "a batch is in one shard");
    let canceled = api.request("POST", &format!("/emails/{}/cancel", ids[0]), &[], "").await;
    assert_eq!((canceled.status, api.last_event(&ids[0]).await.as_str()), (200, "canceled"));
}

#[tokio::test]
async fn a_worker_sends_the_emails_of_all_shards_once_and_the_api_says_so() {
    let redis = redis();
    let (api, server) = (api(&redis, "3", &[]).await, SmtpServer::start().await);
    let mut accepted = Vec::new();
    for number in 0..12 {
        accepted.push(api.accept(&email()).await);
        accepted.push(api.post_with_key(&number.to_string(), &email()).await.text("id").to_owned());
    }
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--queue", "{emails}", "--shards", "3"]).await;
    Arrivals::new(server.wait_for(accepted.len()).await).assert_once(&accepted);
    for id in &accepted {
        eventually(DEADLINE, "an email that is sent", async || api.last_event(id).await == "sent").await;
    }
    assert_eq!(ids(&list(&api, "limit=100&status=sent").await).len(), accepted.len());
}

#[tokio::test]
async fn attachments_are_found_in_every_shard_and_links_to_them_hold_for_all() {
    let redis = redis();
    let api = api(&redis, "3", &[]).await;
    let mut email = email();
    email["attachments"] = json!([{"filename": "a.txt", "content": "aGVsbG8="}]);
    let mut seen = BTreeSet::new();
    while seen.len() < 3 {
        let id = api.accept(&email).await;
        seen.insert(shard_of(&id));
        let listed = api.request("GET", &format!("/emails/{id}/attachments"), &[], "").await;
        let link = listed.json["data"][0]["download_url"].as_str().unwrap();
        let path = &link[link.find("/emails/").unwrap()..];
        let response = reqwest::get(format!("http://{}{path}", api.address())).await.unwrap();
        assert_eq!((response.status().as_u16(), response.text().await.unwrap().as_str()), (200, "hello"));
    }
    assert_eq!(redis.connection().keys::<_, Vec<String>>("*secret").unwrap(), ["{emails}:secret"]);
}

#[tokio::test]
async fn requests_at_the_same_time_are_all_accepted() {
    let redis = redis();
    let api = api(&redis, "4", &[]).await;
    let email = email();
    let posts = (0..64).map(|_| api.accept(&email));
    let accepted: BTreeSet<_> = join(posts).await.into_iter().collect();
    assert_eq!(accepted.len(), 64);
    for id in &accepted {
        assert!(is_in(&redis, shard_of(id), id), "{id}");
    }
}

/// The outputs of futures that run at the same time.
async fn join<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.into_iter().map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            if let std::task::Poll::Ready(ready) = future.as_mut().poll(cx) {
                *output = Some(ready);
            }
        }
        if running.iter().all(|(_, output)| output.is_some()) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

#[tokio::test]
async fn requests_with_one_idempotency_key_are_accepted_once_also_while_the_number_of_shards_is_raised() {
    let redis = redis();
    let (before, after) = (api(&redis, "2", &[]).await, api(&redis, "6", &[("earlier_shards", "2")]).await);
    let other = json!({"to": "other@b.example", "message": "hi"});
    let mut moved = 0;
    for key in 0..20 {
        let key = format!("before-{key}");
        let first = before.post_with_key(&key, &email()).await;
        assert_eq!(before.post_with_key(&key, &email()).await.json, first.json);
        assert_eq!(after.post_with_key(&key, &email()).await.json, first.json, "it is where it was");
        assert_eq!(after.post_with_key(&key, &other).await.status, 409);
    }
    for key in 0..20 {
        let key = format!("after-{key}");
        let first = after.post_with_key(&key, &email()).await;
        assert_eq!(first.status, 200, "{}", first.json);
        // An instance that has not heard of the new shards yet.
        let answer = before.post_with_key(&key, &email()).await;
        if shard_of(first.text("id")) < 2 {
            assert_eq!(answer.json, first.json);
        } else {
            moved += 1;
            assert_eq!(answer.status, 409, "{}", answer.json);
        }
        assert_eq!(after.post_with_key(&key, &email()).await.json, first.json);
    }
    assert!(moved > 0, "some keys have another shard");
    assert_eq!(ids(&list(&after, "limit=100").await).len(), 40);

    // A day later.
    let later = api(&redis, "6", &[]).await;
    let known = after.post_with_key("after-0", &email()).await;
    assert_eq!(later.post_with_key("after-0", &email()).await.json, known.json);
}

#[tokio::test]
async fn emails_of_the_time_of_one_shard_are_found_and_those_of_a_time_of_more() {
    let redis = redis();
    let one = api(&redis, "1", &[]).await;
    let mut all = Vec::new();
    for _ in 0..8 {
        all.push(one.accept(&email()).await);
    }
    let random: BTreeSet<_> = all.iter().map(|id| shard_of(id)).collect();
    assert!(random.len() > 1, "the ids of one shard are random to the end: {all:?}");
    let six = api(&redis, "6", &[]).await;
    let due = json!({"to": "a@b.example", "message": "hi", "scheduled_at": "in 1 hour"});
    let scheduled = one.accept(&due).await;
    let change = json!({"scheduled_at": "in 2 hours"}).to_string();
    let changed = six.request("PATCH", &format!("/emails/{scheduled}"), &[JSON], change).await;
    assert_eq!(changed.status, 200, "{}", changed.json);
    for id in &all {
        assert_eq!(six.get(id).await.text("id"), id);
    }
    let canceled = six.request("POST", &format!("/emails/{}/cancel", all[0]), &[], "").await;
    assert_eq!(canceled.status, 200, "{}", canceled.json);
    assert_eq!(six.get("01890a5d-ac96-774b-bcce-b302099a8057").await.status, 404);

    let mut in_six = Vec::new();
    for _ in 0..20 {
        in_six.push(six.accept(&email()).await);
    }
    let listed = ids(&list(&six, "limit=100").await);
    assert_eq!((listed.len(), listed.is_sorted_by(|a, b| a > b)), (29, true));
    // Fewer again: what is in the others is still found, and no more goes there.
    let fewer = api(&redis, "2", &[("earlier_shards", "6")]).await;
    for id in &in_six {
        assert_eq!(fewer.get(id).await.status, 200);
    }
    for _ in 0..20 {
        assert!(shard_of(&fewer.accept(&email()).await) < 2);
    }
    assert_eq!(ids(&list(&fewer, "limit=100").await).len(), 49);
}

#[tokio::test]
async fn the_pages_of_a_list_are_those_of_all_shards_in_both_directions_with_and_without_a_filter() {
    const EMAILS: usize = 240;
    let redis = redis();
    let api = api(&redis, "4", &[]).await;
    let mut states = BTreeMap::new();
    for batch in 0..EMAILS / 10 {
        let mut batch_of = vec![email(); 10];
        for scheduled in batch_of.iter_mut().skip(7) {
            scheduled["scheduled_at"] = "in 1 hour".into();
        }
        let answer = api.request("POST", "/emails/batch", &[JSON], Value::from(batch_of).to_string()).await;
        assert_eq!(answer.status, 200, "{batch}: {}", answer.json);
        let states_of = ["queued", "queued", "queued", "queued", "queued", "queued", "queued"].into_iter();
        states.extend(ids(&answer).into_iter().zip(states_of.chain(["scheduled"; 3])));
    }
    assert_eq!(states.len(), EMAILS);
    for (filter, wanted) in [("", None), ("&status=scheduled", Some("scheduled"))] {
        let expected: Vec<_> = states
            .iter()
            .filter(|(_, state)| wanted.is_none_or(|wanted| **state == wanted))
            .map(|(id, _)| id.clone())
            .collect();
        let downwards = pages(&api, "after", None, filter).await;
        assert_eq!(downwards.iter().rev().cloned().collect::<Vec<_>>(), expected, "{filter}");
        let oldest = states.keys().next().unwrap().clone();
        let upwards = pages(&api, "before", Some(oldest.clone()), filter).await;
        let newer: Vec<_> = expected.into_iter().filter(|id| *id != oldest).collect();
        assert_eq!(upwards, newer, "{filter}");
    }
}

/// The ids of all pages, in the order in which they come.
async fn pages(api: &Api, direction: &str, mut cursor: Option<String>, filter: &str) -> Vec<String> {
    let mut seen = Vec::new();
    loop {
        let from = cursor.map_or(String::new(), |cursor| format!("&{direction}={cursor}"));
        let answer = list(api, &format!("limit=17{from}{filter}")).await;
        let mut page = ids(&answer);
        assert!(page.is_sorted_by(|a, b| a > b));
        let has_more = answer.json["has_more"] == true;
        assert!(!has_more || page.len() == 17, "a page is full while more follow");
        if direction == "before" {
            page.reverse();
        }
        seen.extend(page);
        if !has_more {
            assert_eq!(answer.json["next"], Value::Null);
            return seen;
        }
        cursor = Some(answer.text("next").to_owned());
    }
}

#[tokio::test]
async fn what_is_only_on_a_list_and_a_pause_of_a_part_are_told_and_a_discard_may_be_repeated() {
    let redis = redis();
    let (all, part) = (api(&redis, "3", &[]).await, api(&redis, "1", &[]).await);
    let ask = async |api: &Api, path: &str, body: Value| {
        let answer = api.request("POST", path, &[JSON], body.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.json);
        answer.json
    };
    ask(&part, "/queue/pause", json!({"lanes": ["low"]})).await;
    for _ in 0..4 {
        redis.connection().lpush::<_, _, ()>("{emails:2}:low", "{}").unwrap();
    }
    let queue = all.request("GET", "/queue", &[], "").await.json;
    let low = &queue["lanes"][2];
    assert_eq!((&low["paused_shards"], &queue["partly_paused"]), (&json!(1), &json!(["low"])), "{queue}");
    assert_eq!((&low["queued"], &low["other_entries"], &low["oldest_ms"]), (&json!(0), &json!(4), &Value::Null));
    let both = ask(&all, "/queue/pause", json!({"lanes": ["high"]})).await;
    assert_eq!(both, json!({"object": "queue", "paused": ["high", "low"], "partly_paused": ["low"]}));
    let none = ask(&all, "/queue/resume", json!({})).await;
    assert_eq!(none, json!({"object": "queue", "paused": [], "partly_paused": []}));

    // No worker runs that would delete it.
    let id = all.accept(&email()).await;
    for _ in 0..2 {
        assert_eq!(all.request("DELETE", &format!("/emails/{id}"), &[], "").await.status, 200);
    }
    let why = all.request("GET", &format!("/emails/{id}/why"), &[], "").await.json;
    assert_eq!((&why["reason"], &why["state"]), (&json!("discarded"), &json!("canceled")), "{why}");
}

#[tokio::test]
async fn a_client_has_one_rate_limit_for_all_shards() {
    let redis = redis();
    let api = api(&redis, "4", &[("rate_limit", "7")]).await;
    eventually(DEADLINE, "eight requests within a second", async || {
        let email = email();
        let answers = join((0..8).map(|_| api.post(&email))).await;
        answers.iter().filter(|answer| answer.status == 429).count() == 1
    })
    .await;
}

#[tokio::test]
async fn the_limits_of_the_queue_are_shared_by_its_shards() {
    let redis = redis();
    let api = api(&redis, "2", &[("backlog_limit", "6")]).await;
    // Whichever shard each is for: where one is full, the other takes it.
    for _ in 0..6 {
        api.accept(&email()).await;
    }
    assert_eq!(api.post(&email()).await.status, 429);
    for shard in [0, 1] {
        assert_eq!(redis.connection().llen::<_, usize>(shard_queue(shard)).unwrap(), 3);
    }
}

#[tokio::test]
async fn where_a_shard_takes_no_emails_another_one_does_and_the_api_is_ready() {
    let redis = redis();
    let api = api(&redis, "2", &[]).await;
    let ready = api.request("GET", "/readyz", &[], "").await;
    assert_eq!((ready.status, &ready.json), (200, &json!({"status": "ready", "shards": {"ready": [0, 1]}})));
    let _: () = redis.connection().set(shard_queue(1), "no list").unwrap();
    for _ in 0..20 {
        assert_eq!(shard_of(&api.accept(&email()).await), 0);
    }
    let ready = api.request("GET", "/readyz", &[], "").await;
    let not_ready = &ready.json["shards"]["not_ready"][0];
    assert_eq!((ready.status, &ready.json["shards"]["ready"], &not_ready["shard"]), (200, &json!([0]), &json!(1)));
    assert!(not_ready["message"].as_str().unwrap().contains("in use for something else"), "{not_ready}");
    let _: () = redis.connection().del("{emails}").unwrap();
    let _: () = redis.connection().set(shard_queue(0), "no list").unwrap();
    assert_eq!(api.request("GET", "/readyz", &[], "").await.status, 503);
    let answer = api.post(&email()).await;
    assert_eq!(answer.status, 503);
    let message = answer.text("message");
    assert!(message.contains("Nothing was accepted") && message.contains("`emailq doctor`"), "{}", answer.json);
}

#[tokio::test]
async fn several_shards_without_a_name_in_braces_are_a_wrong_setting() {
    let redis = redis();
    let variables = [("queue", "emails"), ("shards", "2")];
    let told = match Api::refusal_to_start(&redis.url(), &variables).await {
        Some(told) => told,
        None => {
            let answer = Api::start_with(&redis.url(), &variables).await.post(&email()).await;
            assert_eq!(answer.status, 500);
            answer.text("message").to_owned()
        }
    };
    assert!(told.contains("shards") && told.contains("{emails}"), "{told}");
}
