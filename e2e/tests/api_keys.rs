//! API keys: their format, their rights, and the limit on guessing.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Answer, Api, HttpConnection};
use testkit::RedisServer;

const JSON: (&str, &str) = ("content-type", "application/json");
const EMAIL: &str = r#"{"to": "a@b.example", "message": "hi"}"#;

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

async fn get(api: &Api, key: &str) -> Answer {
    api.request("GET", "/emails", &[("authorization", &format!("Bearer {key}"))], "").await
}

#[tokio::test]
async fn keys_that_are_not_understood_are_named_by_position_and_open_nothing() {
    let redis = redis();
    for (keys, position, guesses) in [
        ("aaaa: sending,bbbb :sending,cccc:Sending", "key 1", vec!["aaaa", "sending", "bbbb", "cccc", "cccc:Sending"]),
        ("good,bbbb :sending", "key 2", vec!["good", "bbbb"]),
        ("good,bbbb:Sending", "key 2", vec!["good", "bbbb", "bbbb:Sending"]),
        ("good,,eeee", "key 2", vec!["good", "eeee"]),
        ("good,eeee,", "key 3", vec!["good"]),
        ("good,:sending", "key 2", vec!["good", ":sending"]),
        ("good, eeee", "key 2", vec!["good", "eeee"]),
        ("good\neeee", "key 1", vec!["good", "eeee"]),
        ("good,eeee\n", "key 2", vec!["good", "eeee"]),
        (" ", "key 1", vec![""]),
        ("good,good:sending", "key 2", vec!["good"]),
    ] {
        let variables = [("api_keys", keys)];
        if let Some(told) = Api::refusal_to_start(&redis.url(), &variables).await {
            assert!(told.contains("`api_keys`") && told.contains(position), "{told}");
            for text in ["aaaa", "bbbb", "cccc", "good", "eeee"] {
                assert!(!told.contains(text), "{keys:?}: {told}");
            }
            continue;
        }
        let api = Api::start_with(&redis.url(), &variables).await;
        for key in guesses {
            let refused = get(&api, key).await;
            refused.assert_refused(keys, 500, "application_error", position);
            assert!(refused.text("message").contains("`api_keys`"), "{}", refused.json);
        }
        let told = format!("{} {}", get(&api, "x").await.json, api.process.lines().join("\n"));
        for text in ["aaaa", "bbbb", "cccc", "good", "eeee"] {
            assert!(!told.contains(text), "{keys:?}: {told}");
        }
        let ready = api.request("GET", "/readyz", &[], "").await;
        ready.assert_refused(keys, 503, "service_unavailable", "api_keys");
    }
}

/// How often Redis was asked to run a script.
fn scripts(redis: &RedisServer) -> u64 {
    let info: String = redis::cmd("INFO").arg("commandstats").query(&mut redis.connection()).unwrap();
    let calls = |name: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":calls="));
        line.map_or(0, |line| line.split(',').next().unwrap().parse::<u64>().unwrap())
    };
    calls("cmdstat_evalsha")
}

#[tokio::test]
async fn many_wrong_keys_are_slowed_down_at_a_command_each_and_a_right_one_is_served_meanwhile() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("api_keys", "re_right")]).await;
    for nth in 0..10 {
        get(&api, &format!("re_wrong_{nth}")).await.assert_refused("wrong", 403, "invalid_api_key", "API key");
    }
    let before = scripts(&redis);
    for nth in 0..5 {
        let refused = get(&api, &format!("re_wrong_again_{nth}")).await;
        refused.assert_refused("many wrong ones", 429, "rate_limit_exceeded", "API key");
        let seconds: u32 = refused.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&seconds), "{seconds}");
        assert_eq!((refused.header("ratelimit-limit"), refused.header("ratelimit-remaining")), ("10", "0"));
        assert_eq!(refused.header("ratelimit-reset"), refused.header("retry-after"));
    }
    assert_eq!(scripts(&redis) - before, 5);
    // Whatever header such a client sends.
    let forged =
        [("authorization", "Bearer re_wrong"), ("spin-client-addr", "192.0.2.7:1"), ("x-forwarded-for", "192.0.2.8")];
    assert_eq!(api.request("GET", "/emails", &forged, "").await.status, 429);

    assert_eq!(get(&api, "re_right").await.status, 200);
    let before = scripts(&redis);
    let right = [JSON, ("authorization", "Bearer re_right")];
    assert_eq!(api.request("POST", "/emails", &right, EMAIL).await.status, 200);
    assert_eq!(api.request("POST", "/emails", &right, EMAIL).await.status, 200);
    // The first may have been an EVAL, which loads the script.
    assert!(scripts(&redis) - before <= 2);
    let keys: Vec<String> = redis::cmd("KEYS").arg("emails:rate:*").query(&mut redis.connection()).unwrap();
    assert!(keys.len() == 1 && !keys[0].contains("127"), "{keys:?}");
}

#[tokio::test]
async fn a_wrong_key_is_a_wrong_key_also_without_redis() {
    let mut redis = redis();
    let api = Api::start_with(&redis.url(), &[("api_keys", "re_right")]).await;
    redis.kill_now();
    get(&api, "re_wrong").await.assert_refused("wrong", 403, "invalid_api_key", "API key");
}

#[tokio::test]
async fn a_batch_counts_as_many_requests_as_it_has_emails() {
    let redis = redis();
    let api = Api::start_with(&redis.url(), &[("api_keys", "one,two,three"), ("rate_limit", "20")]).await;
    let batch = async |key: &str, emails: usize| {
        let authorization = format!("Bearer {key}");
        let body = format!("[{}]", vec![EMAIL; emails].join(","));
        api.request("POST", "/emails/batch", &[JSON, ("authorization", &authorization)], body).await
    };
    let taken = batch("one", 15).await;
    assert_eq!((taken.status, taken.header("ratelimit-remaining")), (200, "5"), "{}", taken.json);
    // More than are allowed in a second are let pass after a time without any, and take as many seconds.
    let taken = batch("two", 100).await;
    assert_eq!((taken.status, taken.header("ratelimit-remaining")), (200, "0"), "{}", taken.json);
    let refused = batch("two", 1).await;
    refused.assert_refused("after a large one", 429, "rate_limit_exceeded", "batch");
    let seconds: u32 = refused.header("retry-after").parse().unwrap();
    assert!((2..=5).contains(&seconds), "{seconds}");
    // To such a client a large one is refused before it is read: this one never comes.
    let mut unsent = HttpConnection::open(&api).await;
    let head = ["Content-Type: application/json", "Authorization: Bearer two", "Content-Length: 1000000"];
    unsent.send_head("POST", "/emails/batch", &head).await;
    let refused = unsent.answer().await;
    refused.assert_refused("a large one", 429, "rate_limit_exceeded", "batch");
    assert_eq!((refused.header("ratelimit-limit"), refused.header("ratelimit-remaining")), ("20", "0"));
    assert!((1..=5).contains(&refused.header("retry-after").parse::<u32>().unwrap()));
    let large = format!("[{EMAIL}{}]", " ".repeat(100_000));
    let taken = api.request("POST", "/emails/batch", &[JSON, ("authorization", "Bearer one")], large).await;
    assert_eq!(taken.status, 200, "it has some left: {}", taken.json);
    let unread = api.request("POST", "/emails/batch", &[JSON, ("authorization", "Bearer three")], "[").await;
    assert_eq!((unread.status, unread.header("ratelimit-remaining")), (400, "19"));
}
