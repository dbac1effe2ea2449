use testkit::{Authority, RedisCluster, RedisSentinel, RedisServer, TlsRedis};

use crate::{
    program::{emailq, emailq_with},
    queue::TestQueue,
};

fn run(url: &str, arguments: &str) -> crate::program::Run {
    emailq_with(url, &arguments.split_whitespace().collect::<Vec<_>>(), b"")
}

#[test]
fn a_redis_that_cannot_be_used_is_an_error_with_the_way_out_and_a_code() {
    let nobody = format!("redis://:s3cret@127.0.0.1:{}", testkit::ports::free_port());
    let run = run(&nobody, "list").assert(4);
    assert!(run.err.contains("cannot be reached") && run.err.contains("EMAIL_QUEUE_REDIS_URL"), "{}", run.err);
    assert!(!run.err.contains("s3cret"), "{}", run.err);

    let locked = RedisServer::builder().without_persistence().password("secret").start();
    let without = format!("redis://127.0.0.1:{}", locked.port());
    let refused = self::run(&without, "list").assert(1);
    assert!(refused.err.contains("redis://USER:PASSWORD@HOST"), "{}", refused.err);
    self::run(&locked.url(), "list").assert(3);
}

#[test]
fn settings_that_cannot_be_used_are_named() {
    let q = TestQueue::start();
    for arguments in [
        "list --queue ''x y",
        "list --shards 0",
        "list --shards 2",
        "nothing",
        "",
        "list --status lost",
        "show 7",
        "list --redis-url http://h",
    ] {
        emailq(&q, arguments).assert(64);
    }
    let help = emailq(&q, "--help").assert(0).out;
    assert!(help.contains("Exit codes:") && help.contains("Redis cannot be reached"), "{help}");
    // What is looked up at night comes first, and one's own flags before those of all commands.
    let commands =
        ["stats", "top", "list", "why", "workers", "retry", "pause", "send", "export", "doctor", "completions"];
    in_order(&help, &commands.map(|command| format!("\n  {command} ")));
    for command in ["list", "retry", "doctor"] {
        let help = emailq(&q, &format!("{command} -h")).assert(0).out;
        in_order(&help, &["\nOptions:", "\nRedis:", "--redis-url", "\nQueue:", "--shards", "\nOutput:", "--json"]);
    }
    for shell in ["bash", "fish", "zsh"] {
        assert!(emailq(&q, &format!("completions {shell}")).assert(0).out.contains("discard"), "{shell}");
    }
    assert!(emailq(&q, "--generate man").assert(0).out.contains(".TH emailq"));
}

/// Checks that all of this is there, in this order.
fn in_order(text: &str, parts: &[impl AsRef<str>]) {
    let mut rest = text;
    for part in parts {
        let found = rest.split_once(part.as_ref());
        rest = found.unwrap_or_else(|| panic!("{:?} is not there, or too early: {text}", part.as_ref())).1;
    }
}

#[test]
fn redis_may_speak_tls() {
    let authority = Authority::new();
    let server = TlsRedis::start(&authority, false);
    let refused = run(&server.url(), "list").assert(4);
    assert!(refused.err.contains("--redis-ca"), "{}", refused.err);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    run(&server.url(), &format!("list --redis-ca {}", file.display())).assert(3);
}

#[test]
fn on_a_cluster_each_shard_is_asked_where_it_is() {
    let cluster = RedisCluster::start(3, 0);
    let email = |to: usize| {
        format!("{{\"from\":\"a@b.example\",\"to\":\"{to}@b.example\",\"subject\":\"s\",\"text\":\"t\"}}\n")
    };
    let emails: String = (0..100).map(email).collect();
    let arguments = |command: &str| format!("--queue {{emails}} --shards 6 {command}");
    let words = arguments("send");
    emailq_with(&cluster.url(), &words.split(' ').collect::<Vec<_>>(), emails.as_bytes()).assert(0);
    let listed = run(&cluster.url(), &arguments("list --json -n 200")).assert(0).json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 100);
    let id = listed["data"][7]["id"].as_str().unwrap();
    run(&cluster.url(), &arguments(&format!("show {id}"))).assert(0);
    let discarded = run(&cluster.url(), &arguments("discard --status queued --yes")).assert(0);
    assert!(discarded.out.contains("100 emails discarded"), "{}", discarded.out);
}

#[test]
fn sentinels_say_where_redis_is() {
    let sentinel = RedisSentinel::start(1);
    let email = br#"{"from":"a@b.example","to":"c@b.example","subject":"s","text":"t"}"#;
    emailq_with(&sentinel.url(), &["send"], email).assert(0);
    assert_eq!(run(&sentinel.url(), "list --json").assert(0).json()["data"].as_array().unwrap().len(), 1);
}
