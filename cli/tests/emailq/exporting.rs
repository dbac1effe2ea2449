//! What `emailq export` writes, `emailq send` takes.

use std::{
    collections::HashMap,
    io::Read,
    process::{Command, Stdio},
    time::Duration,
};

use email_queue::{
    Class, EmailId, Lane, Record, State,
    email::{Mailbox, Traceparent},
    transition::{Enqueue, NewEmail, Outcome, Progress, RoomFor, cancel, enqueue, make_room, move_to_lane},
};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    program::{Run, emailq, emailq_command, emailq_with, failed, waits_for_another_attempt},
    queue::{LONG, TestQueue},
};

/// Gives to `send` for another queue what it is given.
fn send(q: &TestQueue, lines: &str) -> Run {
    emailq_with(&q.server.url(), &["send", "--any-state", "--json", "--queue", "other"], lines.as_bytes())
}

/// Without the flag that has it take whatever is exported.
fn send_waiting(q: &TestQueue, arguments: &[&str], lines: &str) -> Run {
    emailq_with(&q.server.url(), &[&["send", "--queue", "other"], arguments].concat(), lines.as_bytes())
}

/// The ids of what was sent, by their lines.
fn sent(run: &Run) -> HashMap<usize, EmailId> {
    let emails = run.json_lines().into_iter().filter(|line| line["object"] == "email");
    let place = |line: &Value| line["place"].as_str().unwrap().strip_prefix("-:").unwrap().parse::<usize>().unwrap();
    emails.map(|line| (place(&line), line["id"].as_str().unwrap().parse().unwrap())).collect()
}

/// Emails as programs push them, which say no sender.
const PUSHED: [&str; 5] = [
    r#"{"to": "short@example.com", "message": "Hi"}"#,
    "{\n\t\"to\": [\"lines@example.com\"],\r\n\t\"subject\": \"\u{202e}s\",\n\t\"html\": \"<p>h</p>\"\n}\n",
    "\u{feff}{\"recipient\": \"mark@example.com\", \"from\": \"\", \"message\": \"\\ud83c\"}",
    r#"{"to": "lane@example.com", "message": "Hi", "priority": "high", "Bcc": "misspelt@example.com"}"#,
    r#"{"to": "later@example.com", "message": "Hi", "scheduledAt": "in 2 hours"}"#,
];

/// One of each kind of email that can be sent again.
fn all_kinds(q: &TestQueue) {
    // By the API's rules, all fields.
    let full = json!({
        "from": "Ada, L. <a@example.com>", "to": ["b@example.com", "\"Bob, B.\" <c@example.com>"], "cc": "d@example.com",
        "bcc": ["e@example.com"], "reply_to": ["f@example.com", "g@example.com"], "subject": "Grüße \u{202e}",
        "text": "t\n", "html": "<p>h</p>", "headers": {"X-A": "b", "List-ID": "<l.example.com>"},
        "tags": [{"name": "kind", "value": "reset"}],
        "attachments": [
            {"filename": "a.txt", "content": "aGk=", "content_type": "text/x-a"},
            {"filename": "b.png", "content": [1, 2, 3], "content_id": "image"},
        ],
        "priority": "low", "scheduled_at": "in 1 hour",
    });
    let mut soon = full.clone();
    soon["scheduled_at"] = Value::Null;
    for email in [full, soon] {
        emailq_with(&q.server.url(), &["send"], email.to_string().as_bytes()).assert(0);
    }
    for email in PUSHED {
        q.push("emails", email);
    }
    for claimed in q.claim(10, LONG) {
        let record = q.record(claimed.claim.id).unwrap();
        let outcome = match record.submission(&sender()).unwrap().scheduled_at {
            Some(due) => Outcome::Scheduled { due },
            None => Outcome::Delayed { retry_in: LONG, class: Class::Deferred, error: "450 later".to_owned() },
        };
        q.finish(claimed.claim, outcome);
    }
    failed(q, Class::Recipient);
    waits_for_another_attempt(q);
    // Of the same text, and in different states.
    let ids: Vec<_> = (0..5).map(|_| q.enqueue(Lane::Normal)).collect();
    q.run(&cancel(&q.queue, ids[0], LONG));
    q.run(&move_to_lane(&q.queue, ids[1], Lane::High));
    let claims = q.claim(2, LONG);
    q.finish(claims[0].claim, Outcome::Sent);
    // A time that comes meanwhile.
    q.enqueue_due(Lane::Low, Some(Timestamp::now() + Duration::from_millis(1)));
}

fn sender() -> Mailbox {
    "worker@example.com".parse().unwrap()
}

/// What makes an email the same, but for when.
fn content(record: &Record) -> (email_queue::Email, Lane, bool) {
    let submission = record.submission(&sender()).unwrap();
    (submission.email, record.lane, submission.names_sender)
}

#[test]
fn all_that_is_exported_is_sent_as_the_same_email() {
    let q = TestQueue::start();
    all_kinds(&q);
    let other = TestQueue::on(&q, "other");
    let exported = emailq(&q, "export").assert(0);
    let lines = exported.json_lines();
    let mut states: Vec<_> = lines.iter().map(|line| line["state"].as_str().unwrap()).collect();
    states.sort_unstable();
    states.dedup();
    assert_eq!(states, ["canceled", "delayed", "failed", "queued", "scheduled", "sending", "sent"]);

    let run = send(&q, &exported.out).assert(0);
    let sent = sent(&run);
    assert_eq!(sent.len(), lines.len(), "{}", run.out);
    for (place, line) in (1..).zip(&lines) {
        let before = q.record(line["id"].as_str().unwrap().parse().unwrap()).unwrap();
        let after = other.record(sent[&place]).unwrap();
        assert_eq!(content(&after), content(&before), "{line}");
        let due = before.due.filter(|due| before.state == State::Scheduled && *due > Timestamp::now());
        let state = if due.is_some() { State::Scheduled } else { State::Queued };
        assert_eq!((after.due, after.state), (due, state), "{line}");
    }
    assert_eq!(lines.iter().filter(|line| line["from"].is_null()).count(), PUSHED.len());

    // Given again, none is sent twice, although some of them say the same.
    let again = send(&q, &exported.out).assert(0).json_lines();
    let tally = again.last().unwrap();
    assert_eq!((&tally["sent"], &tally["repeated"]), (&0.into(), &lines.len().into()), "{tally}");
}

#[test]
fn the_sender_that_is_known_is_that_of_emails_without_one() {
    let q = TestQueue::start();
    q.push("emails", PUSHED[0]);
    q.claim(1, LONG);
    let exported = emailq(&q, "export").assert(0).out;
    q.set("other:default-from", "other@example.com");
    let other = TestQueue::on(&q, "other");
    let id = sent(&send(&q, &exported).assert(0))[&1];
    let json: Value = serde_json::from_slice(&other.record(id).unwrap().json).unwrap();
    assert_eq!(json["from"], "other@example.com");
}

#[test]
fn what_cannot_be_sent_is_refused_with_the_way_out_and_the_others_are_sent() {
    let q = TestQueue::start();
    let (emptied, whole) = (q.enqueue(Lane::Normal), q.enqueue(Lane::Normal));
    let claim = q.claim(1, LONG).remove(0).claim;
    q.finish(claim, Outcome::Sent);
    q.run(&make_room(&q.queue, RoomFor::Memory { bytes: 1, again: true }));
    assert!(q.record(emptied).unwrap().removed.is_some());
    q.push("emails", "no email");
    q.push("emails", r#"{"to": "nobody", "message": "Hi"}"#);
    let unreadable: Vec<_> =
        q.claim(3, LONG).iter().map(|claimed| claimed.claim.id).filter(|id| *id != whole).collect();

    let exported = emailq(&q, "export").assert(0).out;
    let run = send(&q, &exported).assert(1);
    assert_eq!(sent(&run).len(), 1, "{}", run.out);
    let lines = run.json_lines();
    let refused = |id: EmailId| {
        let refused: Vec<_> = lines.iter().filter(|line| line["object"] == "refused").collect();
        let reason = refused.iter().filter_map(|line| line["reason"].as_str());
        reason.into_iter().find(|reason| reason.contains(&id.to_string())).unwrap().to_owned()
    };
    assert!(refused(emptied).contains("send it from where it came from"), "{}", run.out);
    assert!(refused(unreadable[0]).contains("mend what is in its field `raw`"), "{}", run.out);
    assert!(refused(unreadable[1]).contains("`to`"), "{}", run.out);
}

#[test]
fn a_list_is_not_what_can_be_sent() {
    let q = TestQueue::start();
    q.enqueue(Lane::Normal);
    let listed = emailq(&q, "list --json").assert(0).out;
    let refused = send_waiting(&q, &[], &listed).assert(1).err;
    assert!(refused.contains("`emailq export` prints whole emails"), "{refused}");
}

#[test]
fn what_somebody_has_or_is_not_to_have_is_refused() {
    let q = TestQueue::start();
    all_kinds(&q);
    let lines = emailq(&q, "export").assert(0);
    let run = send_waiting(&q, &["--json"], &lines.out).assert(1);
    let (sent, answers) = (sent(&run), run.json_lines());
    for (place, line) in (1..).zip(lines.json_lines()) {
        let id = line["id"].as_str().unwrap();
        let expected = match line["state"].as_str().unwrap() {
            "sent" => "it is sent already",
            "canceled" => "it was canceled",
            "sending" => "a worker is sending it",
            _ => {
                assert!(sent.contains_key(&place), "{line}");
                assert!(answers.iter().any(|answer| answer["exported_id"] == id), "{id} {}", run.out);
                continue;
            }
        };
        let reasons = answers.iter().filter_map(|answer| answer["reason"].as_str());
        let reason = reasons.into_iter().find(|reason| reason.contains(id)).unwrap();
        assert!(reason.contains(expected) && reason.contains("--any-state"), "{reason}");
        assert!(!sent.contains_key(&place), "{line}");
    }
    let dry = send_waiting(&q, &["--dry-run"], &lines.out).assert(1);
    let refused = lines.json_lines().len() - sent.len();
    assert!(dry.err.contains("it is sent already") && dry.err.contains(&format!("{refused} refused")), "{}", dry.err);
}

#[test]
fn an_email_that_some_recipients_have_got_is_refused_with_their_names_also_once_it_is_retried() {
    let q = TestQueue::start();
    let two = r#"{"from":"a@example.com","to":["ok@example.com","busy@example.com"],"subject":"s","text":"t"}"#;
    for _ in 0..2 {
        emailq_with(&q.server.url(), &["send", "--again"], two.as_bytes()).assert(0);
    }
    let claims: Vec<_> = q.claim(2, LONG).iter().map(|claimed| claimed.claim).collect();
    let later = || Outcome::Postponed { retry_in: LONG, class: Class::Deferred, error: "450 later".to_owned() };
    let progress = Progress { accepted: vec!["ok@example.com".to_owned()], ..Progress::default() };
    assert!(q.finish_with(claims[0], later(), progress));
    assert!(q.finish(claims[1], later()));
    for retried in [false, true] {
        if retried {
            emailq(&q, "retry --status delayed --yes").assert(0);
        }
        let exported = emailq(&q, "export").assert(0).out;
        let run = send_waiting(&q, &["--dry-run"], &exported).assert(1);
        let id = claims[0].id;
        let reason = format!("email {id}: some of its recipients have got it: ok@example.com.");
        assert!(run.err.contains(&reason) && run.err.contains(&format!("`emailq retry {id}`")), "{}", run.err);
        assert!(run.err.contains("1 can be sent") && run.err.contains("1 refused"), "{}", run.err);
        assert!(emailq(&q, &format!("show {id}")).assert(0).out.contains("sent to"));
    }
}

#[test]
fn an_email_without_a_sender_is_the_same_whoever_is_the_default() {
    let q = TestQueue::start();
    q.push("emails", PUSHED[0]);
    q.claim(1, LONG);
    let exported = emailq(&q, "export").assert(0).out;
    let short = format!("{}\n", PUSHED[0]);
    let other = TestQueue::on(&q, "other");
    for (default, repeated) in [(None, 0), (Some("one@example.com"), 1), (Some("two@example.com"), 1)] {
        if let Some(default) = default {
            q.set("other:default-from", default);
        }
        for lines in [&exported, &short] {
            let run = send_waiting(&q, &["--any-state", "--json"], lines).assert(0);
            let told = run.json_lines().into_iter().find(|line| line["object"] == "sent").unwrap();
            assert_eq!(told["repeated"], repeated, "{default:?} {told}");
        }
    }
    assert_eq!(other.depth().waiting[1], 2);
}

#[test]
fn who_does_not_read_does_not_keep_it_from_ending() {
    let q = TestQueue::start();
    q.enqueue_batch(Lane::Normal, 2000);
    let mut command = emailq_command(&q.server.url(), &["export"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    // It is written until the pipe is full, of which nothing is seen from outside but that its first page is there.
    child.stdout.as_mut().unwrap().read_exact(&mut [0; 1]).unwrap();
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let ended = testkit::wait::eventually_blocking(testkit::DEADLINE, "the end", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(130));
}

#[test]
fn the_trace_of_an_email_goes_with_it_and_the_queue_s_own_fields_are_not_the_email_s() {
    const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let q = TestQueue::start();
    let mut json = r#"{"from":"a@example.com","to":["b@example.com"],"subject":"s","text":"t"}"#.as_bytes().to_vec();
    let email: Value = serde_json::from_slice(&json).unwrap();
    Traceparent::parse(TRACE).unwrap().append_to(&mut json);
    let due = Some(Timestamp::now() + LONG);
    let emails = [NewEmail { id: EmailId::new(), lane: Lane::Normal, due, json }];
    q.run(&enqueue(&q.queue, Enqueue { emails: &emails, ..Enqueue::default() }));
    let id = emails[0].id;
    assert!(email_queue::email::due_of(&q.record(id).unwrap().json).is_some());

    let exported = emailq(&q, "export").assert(0);
    let other = TestQueue::on(&q, "other");
    let new = sent(&send_waiting(&q, &["--json"], &exported.out).assert(0))[&1];
    for (queue, id) in [("emails", id), ("other", new)] {
        let shown = emailq(&q, &format!("show --json {id} --queue {queue}")).assert(0).json();
        assert_eq!((&shown["email"], &shown["traceparent"]), (&email, &TRACE.into()), "{shown}");
    }
    assert_eq!(other.record(new).unwrap().due.map(|due| due.as_millisecond()), due.map(|due| due.as_millisecond()));
}

#[test]
fn what_no_worker_has_claimed_is_said_not_to_be_exported() {
    let q = TestQueue::start();
    q.enqueue(Lane::Normal);
    let export = |arguments: &str| emailq(&q, &format!("export {arguments}")).assert(0).err;
    assert!(!export("").contains("not exported"));
    (0..3).for_each(|_| q.push("emails:low", PUSHED[0]));
    for arguments in ["", "--status queued"] {
        let told = export(arguments);
        assert!(told.contains("not exported: 3.") && told.contains("other programs have pushed"), "{told}");
    }
    failed(&q, Class::Recipient);
    assert!(!export("--status failed").contains("not exported"));
}
