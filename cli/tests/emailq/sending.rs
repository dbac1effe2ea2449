use std::{fs, path::Path};

use email_queue::{EmailId, Submission, email::Mailbox, query};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    program::{Run, emailq_with},
    queue::TestQueue,
    terminal::Terminal,
};

fn email(to: &str) -> Value {
    json!({"from": "a@example.com", "to": to, "subject": "s", "text": "t"})
}

fn send(q: &TestQueue, arguments: &[&str], input: &str) -> Run {
    emailq_with(&q.server.url(), &[&["send"], arguments].concat(), input.as_bytes())
}

fn stored(q: &TestQueue, id: &str) -> Value {
    let id: EmailId = id.parse().unwrap();
    serde_json::from_slice(&q.run(&query::read(&q.queue, id)).unwrap().json).unwrap()
}

#[test]
fn lines_are_sent_each_bad_one_is_named_and_nothing_is_lost() {
    let q = TestQueue::start();
    let lines =
        format!("{}\nnot JSON\n\n{}\n{}", email("b@example.com"), json!({"to": "nobody"}), email("c@example.com"));
    let run = send(&q, &[], &lines).assert(1);
    assert_eq!(run.out.lines().count(), 2, "{}", run.out);
    assert!(
        run.err.contains("-:2: ") && run.err.contains("-:4: ") && run.err.contains("2 sent, 0 sent before, 2 refused"),
        "{}",
        run.err
    );
    assert_eq!(q.depth().waiting[1], 2);
    let ids: Vec<_> = run.out.lines().map(|id| stored(&q, id)["to"][0].as_str().unwrap().to_owned()).collect();
    assert!(ids.contains(&"b@example.com".to_owned()) && ids.contains(&"c@example.com".to_owned()), "{ids:?}");
}

#[test]
fn what_is_given_again_is_not_sent_twice() {
    let q = TestQueue::start();
    let lines: String = (0..300).map(|number| format!("{}\n", email(&format!("{number}@example.com")))).collect();
    let first = send(&q, &["--json"], &lines).assert(0).json_lines();
    assert_eq!(first.last().unwrap()["sent"], 300);
    let again = send(&q, &["--json"], &lines).assert(0).json_lines();
    assert_eq!((&again[300]["sent"], &again[300]["repeated"]), (&0.into(), &300.into()));
    let ids = |lines: &[Value]| {
        let mut ids: Vec<_> = lines.iter().filter_map(|line| line["id"].as_str()).map(str::to_owned).collect();
        ids.sort();
        ids
    };
    assert_eq!(ids(&first), ids(&again));
    assert_eq!(q.depth().waiting[1], 300);
    send(&q, &["--again"], &lines).assert(0);
    assert_eq!(q.depth().waiting[1], 600);
}

#[test]
fn files_are_a_list_an_object_or_a_message() {
    let q = TestQueue::start();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, content: &str| {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let list = file("list.json", &json!([email("b@example.com"), {"to": 7}, email("c@example.com")]).to_string());
    let one = file("one.json", &serde_json::to_string_pretty(&email("d@example.com")).unwrap());
    let eml = file("one.eml", EML);
    let run = send(&q, &[&list, &one, &eml], "").assert(1);
    assert!(run.err.contains("list.json[1]: "), "{}", run.err);
    assert_eq!(q.depth().waiting[1], 4);
    let message = stored(&q, run.out.lines().last().unwrap());
    assert_eq!(message["from"], "\"Ada, L.\" <ada@example.com>");
    assert_eq!(message["to"], json!(["bob@example.com", "Eve <eve@example.com>"]));
    assert_eq!((&message["subject"], &message["reply_to"]), (&"Grüße".into(), &json!(["r@example.com"])));
    assert_eq!((&message["text"], &message["html"]), (&"Hällo\n".into(), &"<p>Hällo</p>\n".into()));
    assert_eq!(message["headers"], json!({"In-Reply-To": "<1@example.com>", "List-ID": "<l.example.com>"}));
    assert_eq!(
        (&message["attachments"][0]["filename"], &message["attachments"][0]["content"]),
        (&"a.txt".into(), &"aGk=".into())
    );
    // By the rules of the worker too.
    let id: EmailId = run.out.lines().last().unwrap().parse().unwrap();
    let record = q.run(&query::read(&q.queue, id)).unwrap();
    assert!(Submission::from_list(record.json.as_slice(), None::<&Mailbox>, Timestamp::now()).is_ok());
    assert!(!Path::new("nowhere.json").exists());
    send(&q, &["nowhere.json"], "").assert(64);
}

const EML: &str = "Received: from x by y; Thu, 26 Nov 2026 03:00:00 +0000\r\n\
DKIM-Signature: v=1; b=xx\r\n\
From: \"Ada, L.\" <ada@example.com>\r\n\
To: bob@example.com, Eve <eve@example.com>\r\n\
Reply-To: r@example.com\r\n\
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\
In-Reply-To: <1@example.com>\r\n\
List-Id:\r\n <l.example.com>\r\n\
MIME-Version: 1.0\r\n\
Content-Type: multipart/mixed; boundary=m\r\n\r\n\
--m\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n\
--a\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHällo\r\n\r\n\
--a\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hällo</p>\r\n\r\n--a--\r\n\
--m\r\nContent-Type: text/plain; name=a.txt\r\nContent-Disposition: attachment; filename=a.txt\r\n\
Content-Transfer-Encoding: base64\r\n\r\naGk=\r\n--m--\r\n";

#[test]
fn a_full_queue_is_told_and_what_is_left_is_sent_later() {
    let q = TestQueue::start();
    let lines: String = (0..100).map(|number| format!("{}\n", email(&format!("{number}@example.com")))).collect();
    let full = send(&q, &["--backlog-limit", "40"], &lines).assert(1);
    assert!(full.err.contains("the queue is full") && full.err.contains("40 sent"), "{}", full.err);
    assert!(send(&q, &[], &lines).assert(0).err.contains("60 sent, 40 sent before"));
    assert_eq!(q.depth().waiting[1], 100);
}

#[test]
fn emails_without_a_sender_get_that_of_the_flag_or_of_the_workers() {
    let q = TestQueue::start();
    let open = json!({"to": "b@example.com", "message": "hi"}).to_string();
    q.redis::<()>("SET emails:default-from worker@example.com");
    let by_worker = send(&q, &[], &open).assert(0);
    assert_eq!(stored(&q, by_worker.out.trim())["from"], "worker@example.com");
    let by_flag = send(&q, &["--from", "flag@example.com"], &open).assert(0);
    assert_eq!(stored(&q, by_flag.out.trim())["from"], "flag@example.com");
    let checked = send(&q, &["--dry-run"], &email("x@example.com").to_string()).assert(0);
    assert!(checked.err.contains("1 can be sent"), "{}", checked.err);
    assert_eq!(q.depth().waiting[1], 2);
}

#[test]
fn what_was_sent_before_the_number_of_shards_was_changed_is_recognised() {
    let q = TestQueue::start();
    let lines = |part: &str| -> String {
        (0..100).map(|number| format!("{}\n", email(&format!("{part}{number}@example.com")))).collect()
    };
    let tally = |flags: &str, part: &str| {
        let arguments = format!("--json --queue {{emails}} {flags}");
        let run = send(&q, &arguments.split(' ').collect::<Vec<_>>(), &lines(part));
        let last = run.json_lines().pop().unwrap();
        (["sent", "repeated", "refused"].map(|name| last[name].as_u64().unwrap()), run)
    };
    assert_eq!(tally("--shards 2", "a").0, [100, 0, 0]);
    for _ in 0..2 {
        assert_eq!(tally("--shards 6 --earlier-shards 2", "a").0, [0, 100, 0]);
    }
    assert_eq!(tally("--shards 6 --earlier-shards 2", "b").0, [100, 0, 0]);
    // Whoever does not know the new number sends nothing.
    let old = send(&q, &["--queue", "{emails}", "--shards", "2"], &lines("b")).assert(64);
    assert!(old.err.contains("give --shards 6"), "{}", old.err);
    // The number is lowered again.
    assert_eq!(tally("--shards 2 --earlier-shards 6", "b").0, [0, 100, 0]);
    let (lowered, _) = tally("--shards 2 --earlier-shards 6", "c");
    assert_eq!(lowered, [100, 0, 0]);
    let ([sent, repeated, refused], run) = tally("--shards 6", "c");
    assert_eq!((sent, repeated + refused), (0, 100));
    assert!(refused > 0 && run.out.contains("--earlier-shards"), "{}", run.out);
    send(&q, &["--queue", "{emails}", "--shards", "2", "--earlier-shards", "0"], "").assert(64);
}

#[test]
fn who_sits_at_a_terminal_is_told_that_it_is_read_and_ctrl_c_ends_it_at_once() {
    let q = TestQueue::start();
    let mut terminal = Terminal::start(&q.server.url(), "send");
    terminal.wait_for("Emails are read from standard input, until Ctrl-D.");
    terminal.press(&format!("{}\n", email("b@example.com")));
    terminal.wait_until("a progress in whole numbers", |text| {
        let rate = text.rsplit_once(" emails: 1, ").and_then(|(_, rest)| rest.split_once("/s"));
        rate.is_some_and(|(rate, _)| rate.parse::<u64>().is_ok())
    });
    // It has not only been sent: the program knows it.
    terminal.wait_until("the id", |text| {
        q.waiting(email_queue::Lane::Normal).iter().any(|id| text.contains(&id.to_string()))
    });
    terminal.press("\u{3}");
    terminal.wait_for("Broken off");
    assert!(terminal.text().contains("1 sent, 0 sent before, 0 refused."), "{}", terminal.text());
    assert_eq!(terminal.end(), 130);
}
