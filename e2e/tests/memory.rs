//! No request body or list entry makes the API or the worker exceed its memory.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use std::fs;

use e2e::{Api, Worker};
use testkit::{DEADLINE, RedisServer, eventually};

/// What hosts such as Fermyon Cloud give an instance; here it is all that the host takes besides.
const OF_A_REQUEST: usize = 128 * 1024 * 1024;

/// The largest body that is taken by default.
const LARGEST_BODY: usize = 10 * 1024 * 1024;

/// The largest entry that is taken off a list.
const LARGEST_ENTRY: usize = 40 * 1024 * 1024;

const BEGINNING: &str = r#"{"from":"a@b.example","subject":"s""#;

/// As many pieces as make up so many bytes with what is before and behind them.
fn filled(before: &str, piece: &str, behind: &str, bytes: usize) -> String {
    let times = (bytes - before.len() - behind.len()) / piece.len();
    format!("{BEGINNING}{before}{}{behind}", piece.repeat(times))
}

/// The peak memory of a process in bytes, or of its child if it has one, as Spin has.
fn peak_memory(process: u32) -> usize {
    let children = fs::read_to_string(format!("/proc/{process}/task/{process}/children")).unwrap();
    if let Some(child) = children.split_whitespace().last() {
        return peak_memory(child.parse().unwrap());
    }
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
    peak.unwrap().trim().parse::<usize>().unwrap() * 1024
}

#[tokio::test]
async fn no_body_takes_more_memory_than_an_instance_is_given() {
    let to = r#","to":"a@b.example","#;
    let text = |field: &str| format!(r#"{to}"text":"t",{field}"#);
    for (before, piece, behind, status) in [
        (text(r#""attachments":["#), "{},", "{}]}", 422),
        (text(r#""cc":["#), r#""a@b.example","#, r#""a@b.example"]}"#, 422),
        (text(r#""tags":["#), r#"{"name":"a"},"#, "]}", 422),
        (text(r#""headers":{"X-A":""#), "a ", r#""}}"#, 422),
        (text(r#""attachments":[{"content":"","content_type":"a/b"#), "; a=b", r#""}]}"#, 422),
        (text(r#""attachments":[{"content":["#), "1,", "1]}]}", 200),
        (text(r#""attachments":[{"content":""#), "QUJD", r#""}]}"#, 200),
        (r#","text":"t","to":"a@"#.to_owned(), "é.", r#"example"}"#, 422),
        (r#","text":"t","to":"\""#.to_owned(), "é", r#"\" <a@b.example>"}"#, 422),
        (format!(r#"{to}"text":""#), "\\n", r#""}"#, 200),
        (format!(r#"{to}"html":""#), "<b>", r#""}"#, 200),
    ] {
        let redis = RedisServer::builder().without_persistence().start();
        let api = Api::start(&redis).await;
        api.request("GET", "/healthz", &[], "").await;
        let before_it = peak_memory(api.process.id());
        let body = filled(&before, piece, behind, LARGEST_BODY - BEGINNING.len());
        let answer = api.request("POST", "/emails", &[("content-type", "application/json")], body).await;
        assert_eq!(answer.status, status, "{before}: {}", answer.json);
        let taken = peak_memory(api.process.id()) - before_it;
        assert!(taken < OF_A_REQUEST, "{before}{piece} took {taken} bytes");
    }
}

#[tokio::test]
async fn an_entry_of_many_small_things_takes_a_worker_no_more_memory_than_its_bytes() {
    let redis = RedisServer::builder().without_persistence().start();
    let entry =
        filled(r#","to":"a@b.example","text":"t","attachments":["#, "{},", "{}]}", LARGEST_ENTRY - BEGINNING.len());
    redis::cmd("LPUSH").arg("emails").arg(entry).exec(&mut redis.connection()).unwrap();
    let worker = Worker::start(&redis.url(), "null:", &[]);
    let failed = || redis::cmd("ZCARD").arg("emails:failed").query::<usize>(&mut redis.connection()).unwrap() == 1;
    eventually(DEADLINE, "the entry to be given up", async || failed()).await;
    let taken = peak_memory(worker.process.id());
    assert!(taken < 8 * LARGEST_ENTRY, "{taken} bytes");
}
