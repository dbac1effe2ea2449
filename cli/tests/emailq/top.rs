use std::{env, fs};

use email_queue::{
    Class, Lane, Relay, State,
    setup::{StartedWith, describe_worker},
};

use crate::{
    program::{emailq, failed, waits_for_another_attempt},
    queue::{LONG, TestQueue},
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
    terminal.wait_for(&format!("Retry {dead}?"));
    terminal.press("n");
    terminal.wait_for("Nothing was changed.");
    assert_eq!(q.state(dead), State::Failed);
    terminal.press("r");
    terminal.wait_for("y: yes");
    terminal.press("y");
    terminal.wait_for(&format!("{dead} is retried."));
    assert_eq!((q.state(dead), q.state(other)), (State::Queued, State::Failed));

    terminal.press("p");
    terminal.wait_for("Pause the whole queue?");
    terminal.press("y");
    terminal.wait_for("PAUSED: high, normal, low");
    assert!(q.claim(1, LONG).is_empty());
    terminal.press("p");
    terminal
        .wait_until("that it is resumed", |text| text.contains("The queue is resumed.") && !text.contains("PAUSED"));
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
    waits_for_another_attempt(&q);
    for (lane, count) in [(Lane::High, 3), (Lane::Normal, 240), (Lane::Low, 1200)] {
        q.enqueue_batch(lane, count);
    }
    q.claim(40, LONG);
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
    let parts = ["lanes", "1200", "mail-1", "40/50", "newest failures", "recipient", "sent per minute", "q quit"];
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
