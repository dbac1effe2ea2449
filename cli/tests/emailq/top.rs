use std::{env, fs};

use email_queue::{
    Class, EmailId, Lane, Relay, State, query,
    setup::{StartedWith, describe_worker},
    transition::{Enqueue, NewEmail, Outcome, enqueue},
};
use testkit::{DEADLINE, wait::eventually_blocking};

use crate::{
    altering,
    program::{emailq, failed, waits_for_another_attempt},
    queue::{LONG, TestQueue, delayed},
    terminal::Terminal,
};

#[test]
fn the_queue_is_watched_and_steered_in_a_terminal() {
    let q = TestQueue::start();
    let (other, dead) = (failed(&q, Class::Recipient), failed(&q, Class::Content));
    for _ in 0..5 {
        q.enqueue(Lane::Normal);
    }
    q.claim(1, LONG);
    let mut terminal = Terminal::start(&q.server.url(), "top --every 200ms");
    for part in
        ["lanes", "normal", "workers", "newest failures", "550 5.1.1 no such user", "content", "sent per minute"]
    {
        terminal.wait_for(part);
    }
    // The newest is chosen.
    terminal.press("\r");
    terminal.wait_for(&dead.to_string());
    terminal.wait_for("a@example.com");
    terminal.press("r");
    terminal.wait_for("Retry the email to b@example.com, \"Hi\"?");
    terminal.wait_for(&format!("y: yes, any other key: no. {dead}"));
    terminal.press("n");
    terminal.wait_for("Nothing was changed.");
    assert_eq!(q.state(dead), State::Failed);
    terminal.press("r");
    terminal.wait_for("y: yes");
    terminal.press("y");
    terminal.wait_for(&format!("{dead} was retried."));
    assert_eq!((q.state(dead), q.state(other)), (State::Queued, State::Failed));

    terminal.press("p");
    terminal.wait_for("Pause the whole queue?");
    terminal.press("y");
    terminal.wait_for("PAUSED: high, normal, low");
    assert!(q.claim(1, LONG).is_empty());
    terminal.press("u");
    terminal.wait_for("Resume what is paused: high, normal, low?");
    terminal.press("y");
    terminal.wait_until("that it is resumed", |text| {
        text.contains("Resumed: high, normal, low.") && !text.contains("PAUSED")
    });
    // What happens elsewhere is shown.
    emailq(&q, &format!("discard {other}")).assert(0);
    terminal.wait_until("no failure", |text| !text.contains("550 5.1.1"));
    terminal.press("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn a_redis_that_is_lost_is_told_and_found_again() {
    let mut q = TestQueue::start();
    q.enqueue(Lane::High);
    let terminal = Terminal::start(&q.server.url(), "top --every 200ms");
    terminal.wait_for("newest failures");
    let server = std::sync::Arc::get_mut(&mut q.server).unwrap();
    server.kill_now();
    terminal.wait_for("cannot be reached");
    server.start_again();
    terminal.wait_until("no error", |text| !text.contains("cannot be reached"));
}

#[test]
fn a_pause_only_pauses_and_its_end_only_resumes_also_if_another_operator_was_faster() {
    let q = TestQueue::start();
    let paused = || {
        let paused = q.run(&query::paused(&q.queue)).into_iter();
        paused.map(|(lane, _)| lane).collect::<Vec<_>>()
    };
    let others = |arguments: &str| drop(emailq(&q, arguments).assert(0));
    others("pause --lane low");
    // It looks once, and after what it has done.
    let mut terminal = Terminal::start(&q.server.url(), "top --every 1h");
    terminal.wait_for("PAUSED: low");
    terminal.press("p");
    terminal.wait_for("Pause the rest of the queue too: high, normal?");
    others("pause");
    terminal.press("y");
    terminal.wait_for("Paused: high, normal, low.");
    assert_eq!(paused(), Lane::ALL);
    terminal.press("p");
    terminal.wait_for("The whole queue is paused already");
    terminal.press("y");
    assert_eq!(paused(), Lane::ALL);

    others("resume --lane normal --lane high");
    terminal.press("u");
    terminal.wait_for("Resume what is paused: high, normal, low?");
    terminal.press("n");
    terminal.wait_for("Nothing was changed.");
    terminal.press("uy");
    terminal.wait_for("Resumed: low.");
    assert_eq!(paused(), []);
    terminal.press("u");
    terminal.wait_for("Nothing is paused.");

    others("pause --lane low");
    let mut other = Terminal::start(&q.server.url(), "top --every 1h");
    other.wait_for("PAUSED: low");
    other.press("u");
    other.wait_for("Resume what is paused: low?");
    others("pause --lane high");
    other.press("y");
    other.wait_for("Resumed: low. Paused: high.");
    other.press("u");
    other.wait_for("Resume what is paused: high?");
    others("resume");
    other.press("y");
    other.wait_for("Resumed already: high.");
    assert_eq!(paused(), []);
}

#[test]
fn the_email_that_is_chosen_stays_chosen_when_others_fail() {
    let q = TestQueue::start();
    let (older, newer) = (failed(&q, Class::Recipient), failed(&q, Class::Policy));
    let mut terminal = Terminal::start(&q.server.url(), "top --every 200ms");
    terminal.wait_for("policy");
    terminal.press("d");
    terminal.wait_for("Discard for good the email to b@example.com, \"Hi\"?");
    terminal.wait_for(&format!("any other key: no. {newer}"));
    terminal.press("n\u{1b}[B");
    failed(&q, Class::Content);
    terminal.wait_for("content");
    terminal.press("d");
    terminal.wait_for(&format!("any other key: no. {older}"));
    terminal.press("y");
    terminal.wait_for(&format!("{older} was discarded."));
    assert_eq!((q.state(older), q.state(newer)), (State::Canceled, State::Failed));
    // The last one, now that it is gone.
    terminal.press("r");
    terminal.wait_for(&format!("any other key: no. {newer}"));
}

#[test]
fn a_question_names_what_strangers_wrote_in_one_line_and_warns() {
    let q = TestQueue::start();
    let id = EmailId::new();
    let subject = format!("\\u001b[2J{}", "long ".repeat(100));
    let json = format!(r#"{{"from":"a@example.com","to":["b@example.com"],"subject":"{subject}","text":"t"}}"#);
    let emails = [NewEmail { id, lane: Lane::Normal, due: None, json: json.into() }];
    q.run(&enqueue(&q.queue, Enqueue { emails: &emails, ..Enqueue::default() }));
    let outcome = Outcome::Delayed { retry_in: LONG, class: Class::Unknown, error: "no answer".to_owned() };
    q.finish(q.claim(1, LONG).remove(0).claim, outcome);
    let mut terminal = Terminal::start(&q.server.url(), "top");
    terminal.wait_for("no answer");
    terminal.press("r");
    terminal.wait_for(&format!("y: yes, any other key: no. It may arrive twice. {id}"));
    terminal.wait_for("Retry the email to b@example.com, \"\\u{1b}[2Jlong long");
    terminal.wait_for("…\"?");
}

#[test]
fn failures_are_in_the_order_in_which_they_failed() {
    let q = TestQueue::start();
    let later = || {
        let clock = || q.redis::<Vec<u64>>("TIME")[1] / 1000;
        let before = clock();
        eventually_blocking(DEADLINE, "another millisecond", || (clock() != before).then_some(()));
    };
    let first = q.enqueue(Lane::Normal);
    later();
    let claim = q.claim(1, LONG).remove(0).claim;
    assert_eq!(claim.id, first);
    failed(&q, Class::Recipient);
    later();
    q.finish(claim, delayed(LONG));
    let mut terminal = Terminal::start(&q.server.url(), "top --every 200ms");
    let row = |text: &str, part: &str| text.lines().position(|line| line.contains(part));
    terminal.wait_until("the one that failed last above the other", |text| {
        row(text, "450 later").zip(row(text, "550 5.1.1")).is_some_and(|(last, other)| last < other)
    });
    // Its next attempt is within the minute.
    terminal.wait_until("when it is tried again", |text| {
        let line = row(text, "450 later").and_then(|row| text.lines().nth(row)).unwrap_or_default();
        line.contains("delayed  in ") && line.contains(" ago ")
    });
    terminal.press("\r");
    terminal.wait_for("next try");
}

#[test]
fn delayed_emails_that_are_too_far_back_to_be_shown_are_counted() {
    let q = TestQueue::start();
    let far = waits_for_another_attempt(&q);
    q.enqueue_batch(Lane::Normal, 300);
    let terminal = Terminal::start(&q.server.url(), "top --every 200ms");
    terminal.wait_for("newest failures, without 1 delayed further back: emailq list --status delayed");
    assert!(emailq(&q, "list --status delayed").assert(0).out.contains(&far.to_string()));
    emailq(&q, &format!("discard {far}")).assert(0);
    terminal
        .wait_until("no email further back", |text| text.contains("newest failures") && !text.contains("further back"));
}

#[test]
fn what_was_told_is_dropped_after_a_while_also_without_a_look() {
    let q = TestQueue::start();
    let dead = failed(&q, Class::Recipient);
    let mut terminal = Terminal::start(&q.server.url(), "top --every 1h");
    terminal.wait_for("550 5.1.1");
    terminal.press("ry");
    terminal.wait_for(&format!("{dead} was retried."));
    terminal.wait_until("no statement", |text| !text.contains("was retried"));
}

#[test]
fn an_action_that_fails_is_told_without_what_is_no_longer_so() {
    let q = TestQueue::start();
    let dead = failed(&q, Class::Recipient);
    // The answer to the retry is lost, and all is well again.
    let url = altering::cut(q.server.port(), |redis| {
        let is_retried = redis::cmd("EXISTS").arg("emails:failed").query(redis) == Ok(false);
        is_retried && redis::cmd("SETNX").arg("cut").arg("1").query(redis) == Ok(true)
    });
    let mut terminal = Terminal::start(&url, "top --every 1h");
    terminal.wait_for("550 5.1.1");
    terminal.press("ry");
    terminal.wait_for(&format!("{dead} was to be retried: Redis gave no answer. It may be done or not"));
    terminal.wait_until("what there is", |text| !text.contains("550 5.1.1"));
    assert!(!terminal.text().contains("cannot be reached"), "{}", terminal.text());
    assert_eq!(q.state(dead), State::Queued);
}

#[test]
fn top_needs_a_terminal() {
    let q = TestQueue::start();
    assert!(emailq(&q, "top").assert(64).err.contains("stats --json"));
}

/// Keeps the picture in `docs/` when `UPDATE_PICTURES` is set.
#[test]
fn the_picture_in_the_docs_shows_what_is_on_the_screen() {
    let q = TestQueue::start();
    for class in [Class::Recipient, Class::Content, Class::Policy, Class::Recipient] {
        failed(&q, class);
    }
    for (lane, count) in [(Lane::Low, 1200), (Lane::Normal, 240), (Lane::High, 3)] {
        q.enqueue_batch(lane, count);
    }
    let claimed = q.claim(41, LONG).remove(0).claim;
    q.finish(claimed, delayed(LONG));
    let with = StartedWith {
        host: "mail-1",
        pid: 4711,
        version: "0.1.0",
        age: LONG,
        concurrency: 50,
        shards: 1,
        relays: &[&Relay::new("smtp://relay.example:587", None)],
    };
    q.run(&describe_worker(&q.queue, q.worker, LONG, with));
    let terminal = Terminal::start(&q.server.url(), "top --every 200ms");
    let parts = ["lanes", "1200", "mail-1", "40/50", "newest failures", "450 later", "sent per minute", "q quit"];
    parts.iter().for_each(|part| terminal.wait_for(part));
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/emailq-top.svg");
    if env::var_os("UPDATE_PICTURES").is_some() {
        fs::write(file, terminal.svg()).unwrap();
    }
    let (kept, fresh) = (fs::read_to_string(file).unwrap(), terminal.svg());
    for part in parts {
        assert!(kept.contains(part) && fresh.contains(part), "{part}: run this with UPDATE_PICTURES=1");
    }
}
