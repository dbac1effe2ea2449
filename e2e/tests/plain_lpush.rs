//! JSON that a program pushes with a plain `LPUSH` is sent as an email; other content does no harm.

#![allow(clippy::unwrap_used, reason = "whatever fails here fails the test")]

use e2e::{Api, Mail, Worker};
use serde_json::{Value, json};
use testkit::{DEADLINE, RedisServer, SmtpServer, eventually, record};

fn redis() -> RedisServer {
    RedisServer::builder().without_persistence().start()
}

fn push(redis: &RedisServer, list: &str, entry: impl AsRef<[u8]>) {
    redis::cmd("LPUSH").arg(list).arg(entry.as_ref()).exec(&mut redis.connection()).unwrap();
}

/// The ids of all emails in Redis, oldest first.
fn ids(redis: &RedisServer) -> Vec<String> {
    record::ids(&mut redis.connection())
}

/// The ids of the dead letters with what had been pushed.
fn dead_letters(redis: &RedisServer) -> Vec<(String, Vec<u8>)> {
    let mut connection = redis.connection();
    let ids: Vec<String> = redis::cmd("ZRANGE").arg("emails:failed").arg(0).arg(-1).query(&mut connection).unwrap();
    let raw = |id: String| {
        let raw = record::email(&mut connection, &id).unwrap();
        (id, raw)
    };
    ids.into_iter().map(raw).collect()
}

#[tokio::test]
async fn an_email_pushed_by_any_program_is_delivered_and_can_be_read_like_any_other() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--default-from", "Worker <w@x.example>"]).await;
    push(&redis, "emails", r#"{"to":"a@b.c","message":"hi"}"#);
    let mail = Mail::new(server.wait_for(1).await.remove(0));
    assert_eq!(mail.received.recipients, ["a@b.c"]);
    assert_eq!(mail.received.envelope_from, "w@x.example");
    assert_eq!(mail.people("From"), [("Worker".to_owned(), "w@x.example".to_owned())]);
    mail.assert_text("text/plain", "hi");

    let api = Api::start(&redis).await;
    let id = mail.id().to_owned();
    eventually(DEADLINE, "sent", async || api.last_event(&id).await == "sent").await;
    assert_eq!(ids(&redis), [id.as_str()]);
    let read = api.get(&id).await;
    assert_eq!((&read.json["to"], read.text("text")), (&json!(["a@b.c"]), "hi"));
}

#[tokio::test]
async fn what_was_pushed_while_no_worker_was_there_is_delivered_in_its_order_whichever_list_it_is_on() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let email = |to: &str| json!({"from": "f@x.example", "to": to, "subject": "s", "html": "<p>"}).to_string();
    for n in 0..20 {
        push(&redis, "emails:low", email(&format!("low{n}@y.example")));
        push(&redis, "emails", email(&format!("normal{n}@y.example")));
        push(&redis, "emails:high", email(&format!("high{n}@y.example")));
    }
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--concurrency", "1"]).await;
    let recipients: Vec<_> = server.wait_for(60).await.into_iter().flat_map(|mail| mail.recipients).collect();
    let expected = ["high", "normal", "low"].map(|lane| (0..20).map(move |n| format!("{lane}{n}@y.example")));
    assert_eq!(recipients, expected.into_iter().flatten().collect::<Vec<_>>());
}

#[tokio::test]
async fn two_equal_entries_are_two_emails() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    for _ in 0..10 {
        push(&redis, "emails", r#"{"to":"a@b.c","message":"hi"}"#);
    }
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--drain"]).await;
    server.wait_for(10).await;
    assert_eq!(ids(&redis).len(), 10);
}

#[tokio::test]
async fn a_time_in_an_entry_is_kept() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let api = Api::start(&redis).await;
    push(&redis, "emails", r#"{"to":"later@b.c","message":"hi","scheduled_at":"in 1 hour"}"#);
    push(&redis, "emails", r#"{"to":"past@b.c","message":"hi","scheduled_at":"2020-01-01T00:00:00Z"}"#);
    push(&redis, "emails", r#"{"to":"soon@b.c","message":"hi","scheduled_at":"in 1 second"}"#);
    let _worker = Worker::ready(&redis.url(), &server.url(), &[]).await;
    let received = server.wait_for(2).await;
    let recipients: Vec<_> = received.into_iter().flat_map(|mail| mail.recipients).collect();
    assert_eq!(recipients, ["past@b.c", "soon@b.c"]);
    let scheduled: Vec<String> =
        redis::cmd("ZRANGE").arg("emails:scheduled").arg(0).arg(-1).query(&mut redis.connection()).unwrap();
    let [later] = scheduled.as_slice() else { panic!("{scheduled:?}") };
    let later = api.get(later).await;
    assert_eq!((later.text("last_event"), &later.json["to"]), ("scheduled", &json!(["later@b.c"])));
}

#[tokio::test]
async fn junk_becomes_a_dead_letter_that_keeps_what_was_pushed_and_the_worker_goes_on() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let deep = [br#"{"to": "a@b.c", "message": "hi", "x": "#.as_slice(), &b"[".repeat(100_000)].concat();
    let big = vec![b'x'; 3_000_000];
    let junk: [&[u8]; 17] = [
        b"",
        b" ",
        b"hello",
        b"{",
        b"{}",
        b"[]",
        b"null",
        br#"{"to":"nobody","message":"hi"}"#,
        br#"{"to":"a@b.c"}"#,
        br#"{"to":"a@b.c","message":"hi","subject":"x\r\nBcc: evil@x.example"}"#,
        br#"{"to":"a@b.c","message":"hi"} and more"#,
        br#"{"to":"a@b.c","message":"hi","attachments":[{"path":"/etc/passwd"}]}"#,
        b"\xff\xfe\0\x01 binary \r\n",
        b"{\"to\":\"a@b.c\",\"message\":\"\xff\"}",
        b"01890a5d-ac96-774b-bcce-b302099a805",
        &deep,
        &big,
    ];
    for entry in junk {
        push(&redis, "emails", entry);
    }
    push(&redis, "emails", r#"{"to":"valid@b.c","message":"hi"}"#);
    let worker = Worker::ready(&redis.url(), &server.url(), &["--concurrency", "1"]).await;
    server.wait_for(1).await;
    let letters = eventually(DEADLINE, "dead letters", async || {
        let letters = dead_letters(&redis);
        (letters.len() >= junk.len()).then_some(letters)
    })
    .await;
    let mut kept: Vec<_> = letters.iter().map(|(_, raw)| raw.as_slice()).collect();
    let mut pushed = junk.to_vec();
    kept.sort_unstable();
    pushed.sort_unstable();
    assert!(kept == pushed, "{} of {} are kept as they were", letters.len(), junk.len());
    assert_eq!(server.received()[0].recipients, ["valid@b.c"]);
    assert_eq!(server.received().len(), 1);

    // Each can be read, and says what was wrong, without the text itself being in the log.
    let api = Api::start(&redis).await;
    for (id, raw) in &letters {
        let letter = api.get(id).await;
        assert_eq!((letter.status, letter.text("last_event")), (200, "failed"), "{}", letter.json);
        assert!(!letter.text("last_error").is_empty(), "{:?}: {}", String::from_utf8_lossy(raw), letter.json);
    }
    let told = worker.process.lines().join("\n");
    assert!(!told.contains("nobody") && !told.contains("passwd") && !told.contains("binary"), "{told}");
}

#[tokio::test]
async fn an_id_of_no_email_on_the_list_is_dropped_and_the_worker_goes_on() {
    let (redis, server) = (redis(), SmtpServer::start().await);
    let _worker = Worker::ready(&redis.url(), &server.url(), &["--concurrency", "1"]).await;
    for list in ["emails", "emails:high", "emails:low"] {
        push(&redis, list, "01890a5d-ac96-774b-bcce-b302099a8057");
    }
    push(&redis, "emails:low", r#"{"to":"valid@b.c","message":"hi"}"#);
    server.wait_for(1).await;
    let entries = || -> Vec<Value> {
        let length = |list| redis::cmd("LLEN").arg(list).query::<u64>(&mut redis.connection()).unwrap();
        ["emails", "emails:high", "emails:low"].map(|list| json!(length(list))).into()
    };
    eventually(DEADLINE, "empty lists", async || entries() == [0, 0, 0]).await;
    assert!(dead_letters(&redis).is_empty());
    assert_eq!(ids(&redis).len(), 1);
}
