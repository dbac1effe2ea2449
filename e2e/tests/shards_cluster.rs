//! The API on a queue of several shards in a Redis Cluster.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::{collections::BTreeSet, net::SocketAddr};

use e2e::{Answer, Api, shard_of, shard_queue};
use redis::Commands;
use serde_json::{Value, json};
use testkit::{DEADLINE, RedisCluster, RedisServer, eventually};

const SHARDS: u16 = 6;

const SETTINGS: [(&str, &str); 2] = [("queue", "{emails}"), ("shards", "6")];

fn email() -> Value {
    json!({"to": "a@b.example", "message": "hi"})
}

fn addresses(nodes: &[RedisServer]) -> impl Iterator<Item = SocketAddr> {
    nodes.iter().map(RedisServer::address)
}

/// The API by the URL of a node, which may connect to all of them.
async fn api(cluster: &RedisCluster, node: usize, variables: &[(&str, &str)]) -> Api {
    Api::start_on(&cluster.nodes()[node], addresses(cluster.nodes()), &[&SETTINGS, variables].concat()).await
}

/// A shard that another node serves than this one.
fn shard_elsewhere(cluster: &RedisCluster, node: usize) -> u16 {
    (1..SHARDS).find(|shard| cluster.master_of(&shard_queue(*shard)) != node).unwrap()
}

/// A key whose request was accepted in a shard.
async fn key_of(api: &Api, shard: u16) -> String {
    for number in 0.. {
        let key = format!("key-{number}");
        if shard_of(api.post_with_key(&key, &email()).await.text("id")) == shard {
            return key;
        }
    }
    unreachable!("some key is for each shard")
}

fn is_there(cluster: &RedisCluster, id: &str) -> bool {
    let queue = shard_queue(shard_of(id));
    let node: &RedisServer = &cluster.nodes()[cluster.master_of(&queue)];
    node.connection().exists(format!("{queue}:email:{id}")).unwrap()
}

async fn ready(api: &Api) -> Answer {
    api.request("GET", "/readyz", &[], "").await
}

#[tokio::test]
async fn the_url_of_any_node_will_do() {
    let cluster = RedisCluster::start(3, 1);
    let mut all = BTreeSet::new();
    for (node, replicas) in [(0, "0"), (1, "1"), (2, "0"), (3, "0")] {
        let api = api(&cluster, node, &[("require_replicas", replicas), ("rate_limit", "1000")]).await;
        let mut seen = BTreeSet::new();
        for _ in 0..40 {
            let id = api.accept(&email()).await;
            assert!(is_there(&cluster, &id), "{id}");
            seen.insert(shard_of(&id));
            all.insert(id);
        }
        assert!(seen.len() > 3, "{seen:?}");
        let answer = ready(&api).await;
        assert_eq!(answer.json, json!({"status": "ready", "shards": {"ready": [0, 1, 2, 3, 4, 5]}}));
        let listed = api.request("GET", "/emails?limit=100", &[], "").await;
        let newest: Vec<_> = all.iter().rev().take(100).collect();
        let data = listed.json["data"].as_array().unwrap();
        assert_eq!(data.iter().map(|email| email["id"].as_str().unwrap()).collect::<Vec<_>>(), newest);
        for id in newest.into_iter().take(10) {
            assert_eq!(api.last_event(id).await, "queued");
        }
        // A worker announces the default sender there, and links are signed by what is there.
        assert_eq!(api.get(all.first().unwrap()).await.status, 200);
        assert_eq!(api.complaints(), Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_shard_that_is_moved_takes_no_emails_meanwhile_and_all_on_its_new_node() {
    let cluster = RedisCluster::start(3, 0);
    let api = api(&cluster, 0, &[]).await;
    let shard = shard_elsewhere(&cluster, 0);
    let mut accepted = Vec::new();
    // Another queue of as many shards tells the shard of a key, which is then new to this one.
    let other = self::api(&cluster, 0, &[("queue", "{other}")]).await;
    let new = key_of(&other, shard).await;
    let mut answer = api.post_with_key("old", &email()).await;
    let mut key = "old".to_owned();
    while shard_of(answer.text("id")) != shard {
        key += "er";
        answer = api.post_with_key(&key, &email()).await;
    }
    let first = answer.json;
    let from = cluster.master_of(&shard_queue(shard));
    let moving = cluster.begin_move(&shard_queue(shard), 3 - from);
    assert!(moving.move_keys(2));
    for _ in 0..2 {
        let answer = api.post_with_key(&new, &email()).await;
        assert_eq!(answer.status, 503, "{}", answer.json);
        assert!(answer.text("message").contains("Nothing was accepted"), "{}", answer.json);
    }
    // The email of this one is on one of the nodes: it is not accepted a second time on either.
    let answer = api.post_with_key(&key, &email()).await;
    assert!(answer.status == 503 || answer.json == first, "{}", answer.json);
    for _ in 0..12 {
        accepted.push(api.accept(&email()).await);
    }
    assert!(accepted.iter().all(|id| shard_of(id) != shard), "{accepted:?}");
    moving.finish();
    accepted.push(api.post_with_key(&new, &email()).await.text("id").to_owned());
    assert_eq!(shard_of(accepted.last().unwrap()), shard);
    assert_eq!(api.post_with_key(&key, &email()).await.json, first);
    for _ in 0..12 {
        accepted.push(api.accept(&email()).await);
    }
    accepted.push(first["id"].as_str().unwrap().to_owned());
    for id in &accepted {
        assert!(is_there(&cluster, id), "{id}");
        assert_eq!(api.last_event(id).await, "queued");
    }
}

#[tokio::test]
async fn when_a_node_dies_emails_go_to_other_shards_and_then_to_the_replica_that_takes_its_place() {
    let mut cluster = RedisCluster::start(3, 1);
    let api = api(&cluster, 0, &[]).await;
    let shard = shard_elsewhere(&cluster, 0);
    let mut accepted = Vec::new();
    let key = key_of(&api, shard).await;
    let first = api.post_with_key(&key, &email()).await.json;
    let dead = cluster.master_of(&shard_queue(shard));
    cluster.node_mut(dead).kill_now();
    // One that was on its way is lost without an answer, as of any Redis.
    let answers = [api.post(&email()).await, api.post(&email()).await];
    accepted.extend(answers.iter().filter(|answer| answer.status == 200).map(|answer| answer.text("id").to_owned()));
    for _ in 0..12 {
        let answer = api.post(&email()).await;
        if answer.status == 200 {
            accepted.push(answer.text("id").to_owned());
        }
    }
    assert!(accepted.len() > 8, "only what was on its way has no answer: {accepted:?}");
    let replica = cluster.wait_for_fail_over(&shard_queue(shard), dead);
    cluster.node_mut(dead).start_again();
    cluster.wait_until_ready();
    assert_ne!(replica, dead);
    eventually(DEADLINE, "the email of the key in its shard", async || {
        api.post_with_key(&key, &email()).await.json == first
    })
    .await;
    for id in &accepted {
        assert!(is_there(&cluster, id), "{id}");
    }
    if !Api::is_component() {
        // It knows other nodes than that of its URL. An instance of a component does not live for long enough to.
        let first = (0..SHARDS).find(|shard| cluster.master_of(&shard_queue(*shard)) == 0).unwrap();
        cluster.node_mut(0).kill_now();
        cluster.wait_for_fail_over(&shard_queue(first), 0);
        eventually(DEADLINE, "an email in a shard of the node of the URL", async || {
            let answer = api.post(&email()).await;
            answer.status == 200 && shard_of(answer.text("id")) == first
        })
        .await;
    }
}

#[tokio::test]
async fn while_a_node_is_silent_emails_go_to_shards_on_another_within_the_time_of_their_request() {
    if Api::waits_for_redis() {
        return;
    }
    let cluster = RedisCluster::start(3, 0);
    let api = api(&cluster, 0, &[]).await;
    let node = cluster.master_of(&shard_queue(shard_elsewhere(&cluster, 0)));
    let silent: BTreeSet<_> = (0..SHARDS).filter(|shard| cluster.master_of(&shard_queue(*shard)) == node).collect();
    cluster.nodes()[node].freeze();
    let mut accepted = 0;
    for _ in 0..5 {
        let answer = api.post(&email()).await;
        if answer.status == 200 {
            accepted += 1;
            assert!(!silent.contains(&shard_of(answer.text("id"))));
        } else {
            // All three shards that were tried are on that node.
            assert!(answer.text("message").contains("Nothing was accepted"), "{}", answer.json);
        }
    }
    assert!(accepted >= 3, "{accepted}");
    let answer = ready(&api).await;
    assert_eq!(answer.status, 200, "{}", answer.json);
    cluster.nodes()[node].thaw();
    eventually(DEADLINE, "an email on the node that was silent", async || {
        let answer = api.post(&email()).await;
        answer.status == 200 && silent.contains(&shard_of(answer.text("id")))
    })
    .await;
}

#[tokio::test]
async fn a_node_that_the_manifest_does_not_list_is_named_and_others_are_used() {
    if !Api::is_component() {
        return;
    }
    let cluster = RedisCluster::start(2, 0);
    let api = Api::start_on(&cluster.nodes()[0], addresses(&cluster.nodes()[..1]), &SETTINGS).await;
    let mut seen = BTreeSet::new();
    for _ in 0..30 {
        let answer = api.post(&email()).await;
        if answer.status == 200 {
            seen.insert(cluster.master_of(&shard_queue(shard_of(answer.text("id")))));
        } else {
            assert!(answer.text("message").contains("Nothing was accepted"), "{}", answer.json);
        }
    }
    assert_eq!(seen, BTreeSet::from([0]));
    let node = cluster.nodes()[1].address().to_string();
    api.process.wait_for_line(|line| line.contains(&node) && line.contains("`allowed_outbound_hosts`")).await;
    let answer = ready(&api).await;
    assert_eq!(answer.status, 200);
    assert!(!answer.json.to_string().contains(&node), "{}", answer.json);
    assert!(!answer.json["shards"]["not_ready"].as_array().unwrap().is_empty());
}
