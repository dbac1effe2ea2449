//! What is taken from the queue, in which order, and what comes back to it.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by unwrapping it")]

mod common;

use std::time::Duration;

use common::{Queue, shards::ShardClient, short, wait_for_heartbeat};
use email_queue::{
    Shards,
    transition::{Changed, reschedule},
};
use jiff::Timestamp;
use redis::Commands;
use testkit::{Action, DEADLINE, Process, RedisServer, Rules, SmtpServer, Stage, eventually, process::Stream, record};

#[tokio::test]
async fn what_cannot_be_read_becomes_a_dead_letter_with_its_raw_text_kept() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let worker = queue.worker(&smtp.url(), &[]);
    for (raw, error) in [
        ("not json, but secret", "The body is not valid JSON"),
        (r#"{"to": "nobody", "message": "hi"}"#, "Invalid `to` field"),
        (r#"{"message": "hi"}"#, "Missing `to` field"),
    ] {
        let id = queue.import(raw).await;
        queue.wait_for_state(&id, "failed").await;
        assert!(queue.field(&id, "error").contains(error), "{}", queue.field(&id, "error"));
        assert_eq!(record::email(&mut queue.redis.connection(), &id), Some(raw.into()));
    }
    assert!(!worker.lines().join("\n").contains("secret"));
    let id = queue.import(&short("a@b.example", "the worker goes on")).await;
    queue.wait_for_state(&id, "sent").await;
}

#[tokio::test]
async fn first_in_is_first_out_within_a_lane_and_urgent_lanes_come_first() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let lanes = ["emails:low", "emails", "emails:high"];
    for i in 0..5 {
        for lane in lanes {
            queue.push_to(lane, &short(&format!("{}{i}@x.example", lane.replace(':', "-")), "hi"));
        }
    }
    let mut worker = queue.worker(&smtp.url(), &["--concurrency", "1", "--drain"]);
    assert!(worker.wait(DEADLINE).await.success());
    let received: Vec<_> = smtp.received().into_iter().flat_map(|received| received.recipients).collect();
    let lane = |name: &str| (0..5).map(|i| format!("{name}{i}@x.example")).collect::<Vec<_>>();
    assert_eq!(received, [lane("emails-high"), lane("emails"), lane("emails-low")].concat());
}

#[tokio::test]
async fn an_email_for_later_waits_for_its_time() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let _worker = queue.worker(&smtp.url(), &[]);
    let json = r#"{"to": "a@b.example", "message": "hi", "scheduled_at": "in 1 hour"}"#;
    let id = queue.import(json).await;
    queue.wait_for_state(&id, "scheduled").await;
    assert_eq!(queue.field(&id, "attempts"), "");
    // The hour is over.
    let created = "0000000000000";
    let _: () = queue.redis.connection().setrange(format!("emails:email:{id}"), 45, created).unwrap();
    queue.pass_time("scheduled", &id);
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(smtp.received().len(), 1);
}

#[tokio::test]
async fn a_time_that_was_changed_goes_before_the_one_that_a_program_has_pushed() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let _worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(r#"{"to": "a@b.example", "message": "hi", "scheduled_at": "in 1 hour"}"#).await;
    queue.wait_for_state(&id, "scheduled").await;
    let shards = Shards::new("emails".parse().unwrap(), 1).unwrap();
    let client = ShardClient::new(queue.redis.connection(), &shards, shards.all().next().unwrap());
    let changed = client.run(&reschedule(&client.queue, id.parse().unwrap(), Timestamp::now()));
    assert_eq!(changed, Changed::Done);
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(smtp.received().len(), 1);
}

#[tokio::test]
async fn asked_to_stop_it_ends_what_is_in_flight_and_takes_no_more() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let mut worker = queue.worker(&smtp.url(), &["--concurrency", "1"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    worker.terminate();
    worker.wait_for_line(|line| line.contains("no more emails are claimed")).await;
    queue.push(&short("b@b.example", "too late"));
    smtp.release();
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    assert_eq!(queue.field(&id, "state"), "sent");
    assert_eq!(queue.redis.connection().llen("emails"), Ok(1));
    assert_eq!(queue.redis.connection().zcard("emails:workers"), Ok(0));
    smtp.wait_for_open_connections(0).await;
    assert_eq!(smtp.count(Stage::Quit), 1);
}

#[tokio::test]
async fn an_idle_worker_stops_on_either_signal() {
    let queue = Queue::start();
    for signal in [testkit::Process::terminate, testkit::Process::interrupt] {
        let mut worker = queue.worker("log:", &[]);
        worker.wait_for_line(|line| line.contains("ready")).await;
        signal(&mut worker);
        assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    }
}

#[tokio::test]
async fn when_the_grace_is_over_what_has_not_begun_to_be_handed_over_goes_back_to_the_front() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::Mail, Action::Hang));
    let mut worker = queue.worker(&smtp.url(), &["--grace", "200ms"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    smtp.wait_for_stage(Stage::Mail, 1).await;
    queue.push(&short("b@b.example", "behind it"));
    smtp.wait_for_stage(Stage::Mail, 2).await;
    worker.terminate();
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    assert_eq!((queue.field(&id, "state"), queue.field(&id, "attempts")), ("queued".to_owned(), String::new()));
    assert_eq!(queue.redis.connection().lrange("emails", -1, -1), Ok(vec![id]));
    assert_eq!(queue.redis.connection().llen("emails"), Ok(2));
}

#[tokio::test]
async fn when_the_grace_is_over_what_may_have_been_sent_is_left_to_its_lease() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().first(Stage::EndOfData, 1, Action::Hang));
    let mut worker = queue.worker(&smtp.url(), &["--grace", "200ms", "--lease", "2s"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    worker.terminate();
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    assert_eq!(queue.field(&id, "state"), "sending");
    let _successor = queue.worker(&smtp.url(), &[]);
    queue.wait_for_state(&id, "sent").await;
}

#[tokio::test]
async fn a_second_signal_ends_the_worker_at_once() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hang));
    let mut worker = queue.worker(&smtp.url(), &["--grace", "1h"]);
    queue.push(&short("a@b.example", "hi"));
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    worker.terminate();
    worker.wait_for_line(|line| line.contains("no more emails are claimed")).await;
    worker.terminate();
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(143));
}

#[tokio::test]
async fn draining_ends_when_the_queue_is_empty_and_says_what_is_for_later() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    for i in 0..20 {
        queue.push(&short(&format!("user{i}@x.example"), "hi"));
    }
    queue.push(r#"{"to": "a@b.example", "message": "hi", "scheduled_at": "in 1 hour"}"#);
    queue.push("nonsense");
    let mut worker = queue.worker(&smtp.url(), &["--drain"]);
    assert_eq!(worker.wait(DEADLINE).await.code(), Some(0));
    assert_eq!(smtp.received().len(), 20);
    worker.wait_for_line(|line| line.contains("empty") && line.contains("scheduled=1 failed=1")).await;
}

#[tokio::test]
async fn what_a_killed_worker_had_in_flight_is_sent_by_another() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().first(Stage::EndOfData, 1, Action::Hang));
    let mut first = queue.worker(&smtp.url(), &["--lease", "1s"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    first.kill_now();
    let second = queue.worker(&smtp.url(), &["--lease", "1s"]);
    queue.wait_for_state(&id, "sent").await;
    second.wait_for_line(|line| line.contains("requeued emails of workers")).await;
    assert_eq!(smtp.received().len(), 1);
}

#[tokio::test]
async fn an_email_whose_lease_was_lost_comes_back_to_the_same_worker_and_is_still_sent_once() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let worker = queue.worker(&smtp.url(), &[]);
    wait_for_heartbeat(&queue).await;
    let id = queue.import(&short("a@b.example", "hi")).await;
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    // As after a time without Redis that was longer than the lease.
    queue.pass_time("workers", &queue.lease().0);
    worker.wait_for_line(|line| line.contains(&id) && line.contains("claimed again")).await;
    smtp.release();
    queue.wait_for_state(&id, "sent").await;
    assert_eq!((smtp.received().len(), queue.field(&id, "claims").as_str()), (1, "2"));
}

#[tokio::test]
async fn leases_are_renewed_for_as_long_as_a_delivery_takes() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let _worker = queue.worker(&smtp.url(), &["--lease", "1s"]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    let (_, first) = queue.lease();
    eventually(DEADLINE, "a lease that ends two leases later", async || queue.lease().1 > first + 2000.0).await;
    smtp.release();
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(queue.field(&id, "recovered"), "");
}

#[tokio::test]
async fn a_worker_waits_for_a_redis_that_is_not_there_yet() {
    let mut queue = Queue { redis: RedisServer::start() };
    queue.redis.kill_now();
    let smtp = SmtpServer::start().await;
    let worker = queue.worker(&smtp.url(), &[]);
    worker.wait_for_line(|line| line.contains("Redis is unreachable")).await;
    queue.redis.start_again();
    worker.wait_for_line(|line| line.contains("ready")).await;
    queue.push(&short("a@b.example", "hi"));
    smtp.wait_for(1).await;

    // And for one that goes away while it waits in BRPOP.
    queue.redis.kill_now();
    worker
        .wait_for_output(|lines| lines.iter().filter(|line| line.contains("Redis is unreachable")).count() == 2)
        .await;
    queue.redis.start_again();
    queue.push(&short("b@b.example", "hi"));
    smtp.wait_for(2).await;
    let away = worker.lines().iter().filter(|line| line.contains("Redis is unreachable")).count();
    assert_eq!(away, 2, "said once each time");
}

#[tokio::test]
async fn outcomes_wait_for_redis_and_are_not_lost_with_it() {
    let mut queue = Queue { redis: RedisServer::start() };
    let smtp = SmtpServer::start().await;
    smtp.rules(Rules::new().at(Stage::EndOfData, Action::Hold));
    let worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(&short("a@b.example", "hi")).await;
    smtp.wait_for_stage(Stage::EndOfData, 1).await;
    queue.redis.kill_now();
    smtp.release();
    worker.wait_for_line(|line| line.contains(&id) && line.contains("sent")).await;
    queue.redis.start_again();
    queue.wait_for_state(&id, "sent").await;
    assert_eq!(smtp.received().len(), 1);
}

#[tokio::test]
async fn it_warns_of_a_redis_that_may_lose_emails_and_shows_no_password() {
    let redis = RedisServer::builder()
        .without_persistence()
        .setting("maxmemory-policy", "allkeys-lru")
        .password("s3cret")
        .start();
    let queue = Queue { redis };
    let worker = queue.worker("log:", &[]);
    worker.wait_for_line(|line| line.contains("maxmemory-policy is allkeys-lru")).await;
    worker.wait_for_line(|line| line.contains("no persistence")).await;
    worker.wait_for_line(|line| line.contains("ready")).await;
    assert!(!worker.lines().join("\n").contains("s3cret"));
}

#[tokio::test]
async fn emails_are_printed_or_written_to_files_where_that_is_asked_for() {
    let queue = Queue::start();
    queue.push(&short("a@b.example", "hello there"));
    let mut worker = queue.worker("log:", &["--drain"]);
    assert!(worker.wait(DEADLINE).await.success());
    assert!(worker.lines().iter().any(|line| line.contains("WARN") && line.contains("sends nothing")));
    let printed = worker.lines_of(Stream::Stdout).join("\n");
    assert!(printed.contains("To: a@b.example") && printed.contains("hello there"), "{printed}");
    assert!(!worker.lines_of(Stream::Stderr).join("\n").contains("hello there"));

    let directory = tempfile::tempdir().unwrap();
    let outbox = directory.path().join("out/box");
    queue.push(&short("a@b.example", "hello there"));
    let mut worker = queue.worker(&format!("file:{}", outbox.display()), &["--drain"]);
    assert!(worker.wait(DEADLINE).await.success());
    let id = queue.ids().pop().unwrap();
    let message = std::fs::read(outbox.join(format!("{id}.eml"))).unwrap();
    assert_eq!(
        mail_parser::MessageParser::default().parse(&message).unwrap().body_text(0).unwrap().trim(),
        "hello there"
    );
}

#[tokio::test]
async fn emails_can_be_counted_and_not_sent_for_measuring() {
    let queue = Queue::start();
    queue.push(&short("a@b.example", "hello"));
    queue.push(&short("c@d.example", "there"));
    let mut worker = queue.worker("null:", &["--drain"]);
    assert!(worker.wait(DEADLINE).await.success());
    let lines = worker.lines();
    assert!(
        lines.iter().any(|line| line.contains("sent none of these emails") && line.contains("emails=2")),
        "{lines:?}"
    );
    assert_eq!(queue.ids().len(), 2, "what happened to them can be looked up");
}

#[tokio::test]
async fn a_key_of_another_type_is_told_of_by_name_and_does_not_keep_what_comes_later() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let mut redis = queue.redis.connection();
    let _: () = redis.set("emails", "something else").unwrap();
    let worker = queue.worker(&smtp.url(), &[]);
    worker.wait_for_line(|line| line.contains("WARN") && line.contains("a string, where a list is needed")).await;
    worker
        .wait_for_line(|line| line.contains("WARN") && line.contains("Redis refuses") && line.contains("BRPOP"))
        .await;
    let _: () = redis.del("emails").unwrap();
    queue.push(&short("a@b.example", "hi"));
    smtp.wait_for(1).await;
}

#[tokio::test]
async fn a_queue_of_another_version_is_left_alone_and_one_without_is_marked() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let mut redis = queue.redis.connection();
    let _: () = redis.set("emails:version", "7").unwrap();
    queue.push(&short("a@b.example", "hi"));
    let mut worker = queue.worker(&smtp.url(), &[]);
    assert!(!worker.wait(Duration::from_secs(10)).await.success());
    let said = worker.lines().join("\n");
    assert!(said.contains("the queue emails is of version 7, and this worker reads version 1"), "{said}");
    assert_eq!(redis.llen::<_, usize>("emails").unwrap(), 1);

    let _: () = redis.del("emails:version").unwrap();
    let _worker = queue.worker(&smtp.url(), &[]);
    smtp.wait_for(1).await;
    assert_eq!(redis.get::<_, String>("emails:version").unwrap(), "1");
}

#[tokio::test]
async fn a_time_that_the_api_would_refuse_is_refused_to_a_program_that_pushes() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let _worker = queue.worker(&smtp.url(), &[]);
    let id = queue.import(r#"{"to": "a@b.example", "message": "hi", "scheduled_at": "2999-12-31T00:00:00Z"}"#).await;
    queue.wait_for_state(&id, "failed").await;
    assert!(queue.field(&id, "error").contains("30 days"), "{}", queue.field(&id, "error"));
}

#[tokio::test]
async fn a_redis_that_refuses_us_is_an_error_at_the_start() {
    let redis = RedisServer::builder().without_persistence().password("s3cret").start();
    let queue = Queue { redis };
    for url in [format!("redis://:wr0ng@{}", queue.redis.address()), format!("{}/1000", queue.redis.url())] {
        let mut command = queue.command("null:", &[]);
        command.env("EMAIL_QUEUE_REDIS_URL", url);
        let mut worker = Process::start(command);
        assert!(!worker.wait(DEADLINE).await.success());
        let lines = worker.lines().join("\n");
        assert!(lines.contains("Redis URL") && !lines.contains("s3cret") && !lines.contains("wr0ng"), "{lines}");
    }
}

#[tokio::test]
async fn a_worker_says_what_it_is_and_how_long_emails_took_and_nothing_of_it_stays_in_flight() {
    let (queue, smtp) = (Queue::start(), SmtpServer::start().await);
    let mut worker = queue.worker(&smtp.url(), &["--concurrency", "7"]);
    wait_for_heartbeat(&queue).await;
    let id = queue.lease().0;
    let key = format!("emails:worker:{id}");
    let known = async || queue.redis.connection().exists(&key) == Ok(true);
    eventually(DEADLINE, "what the worker was started with", known).await;
    let with: std::collections::BTreeMap<String, String> = queue.redis.connection().hgetall(&key).unwrap();
    assert_eq!((with["concurrency"].as_str(), with["relays"].as_str()), ("7", smtp.url().as_str()));
    assert!(id.starts_with(&format!("{}:{}:", with["host"], with["pid"])), "{id} {with:?}");
    for nth in 0..3 {
        let email = queue.import(&short(&format!("{nth}@b.example"), "hi")).await;
        queue.wait_for_state(&email, "sent").await;
    }
    worker.terminate();
    assert!(worker.wait(DEADLINE).await.success());
    let minutes: Vec<String> = queue.redis.connection().hvals("emails:latencies").unwrap();
    let counts = minutes.iter().flat_map(|minute| minute.split(' ').filter_map(|pair| pair.split_once(':')));
    assert_eq!(counts.map(|(_, count)| count.parse::<u64>().unwrap()).sum::<u64>(), 3, "{minutes:?}");
    let left: (usize, bool) =
        redis::pipe().llen("emails:series").exists(&key).query(&mut queue.redis.connection()).unwrap();
    assert_eq!(left, (1, false));
}
