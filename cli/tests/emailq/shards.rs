//! A `--shards` that is smaller than the queue's is noticed.

use email_queue::{Lane, query, transition};

use crate::{
    program::{Run, emailq_with},
    queue::{LONG, TestQueue},
    terminal::Terminal,
};

const NAME: &str = "{emails}";

/// A queue of three shards with emails in each.
fn three_shards() -> TestQueue {
    let q = TestQueue::on(&TestQueue::start(), NAME);
    let email =
        |to| format!("{{\"from\":\"a@b.example\",\"to\":\"{to}@b.example\",\"subject\":\"s\",\"text\":\"t\"}}\n");
    let emails: String = (0..60).map(email).collect();
    emailq_with(&q.server.url(), &["--queue", NAME, "--shards", "3", "send"], emails.as_bytes()).assert(0);
    for queue in [NAME, "{emails:1}", "{emails:2}"] {
        assert!(TestQueue::on(&q, queue).depth().waiting[1] > 0, "{queue}");
    }
    q
}

fn run(q: &TestQueue, shards: u16, command: &str) -> Run {
    let line = format!("--queue {NAME} --shards {shards} {command}");
    emailq_with(&q.server.url(), &line.split(' ').collect::<Vec<_>>(), br#"{"to": "a@b.example", "message": "m"}"#)
}

#[test]
fn what_shows_a_part_says_so() {
    let q = three_shards();
    let id = q.waiting(Lane::Normal)[0];
    for command in ["stats", "stats --json", "list", "export", "workers", &format!("show {id}"), &format!("why {id}")] {
        for shards in [1, 2] {
            let told = run(&q, shards, command).err;
            assert!(
                told.contains("This is a part of the queue") && told.contains("give --shards 3"),
                "{command}: {told}"
            );
            assert!(told.contains(&format!("{{emails:{shards}}} has emails")), "{command}: {told}");
        }
        let told = run(&q, 3, command).err;
        assert!(!told.contains("part of the queue"), "{command}: {told}");
    }
    let missing = run(&q, 1, &format!("retry {}", email_queue::EmailId::new())).assert(3).err;
    assert!(missing.contains("give --shards 3"), "{missing}");
    run(&q, 1, &format!("cancel {id}")).assert(0);
    let doctor = run(&q, 2, "doctor").assert(1).out;
    assert!(doctor.contains("shards") && doctor.contains("→ give --shards 3"), "{doctor}");
}

#[test]
fn what_would_change_a_part_is_refused() {
    let q = three_shards();
    let other = TestQueue::on(&q, "{emails:2}");
    for command in [
        "pause",
        "pause --lane low",
        "resume",
        "send",
        "retry --status failed --yes",
        "discard --status queued --dry-run",
        "cancel --status queued --yes",
        "move --status queued --to high --yes",
    ] {
        let refused = run(&q, 2, command).assert(64).err;
        assert!(refused.contains("Nothing was done") && refused.contains("give --shards 3"), "{command}: {refused}");
    }
    let top = Terminal::start(&q.server.url(), &format!("--queue {NAME} --shards 2 top"));
    top.wait_for("give --shards 3");
    assert_eq!(top.end(), 64);
    assert_eq!(q.run(&query::paused(&q.queue)), vec![]);
    run(&q, 2, "send --dry-run --from a@b.example").assert(0);

    run(&q, 3, "pause").assert(0);
    assert_eq!(other.run(&query::paused(&other.queue)).len(), 3);
    run(&q, 3, "discard --status queued --yes").assert(0);
    assert_eq!(other.depth().waiting[1], 0);
}

/// A worker that serves the first so many shards.
fn worker(q: &TestQueue, shards: u16) {
    let of = email_queue::Shards::new(q.queue.clone(), shards).unwrap();
    for shard in of.all() {
        q.run(&transition::extend(&of.queue(shard), "w", LONG, LONG, &[]));
    }
}

#[test]
fn shards_that_no_worker_serves_while_others_are_served_are_named_and_sent_nothing() {
    let q = three_shards();
    let told = run(&q, 3, "stats").assert(0).err;
    assert!(!told.contains("no worker serves"), "none runs at all: {told}");
    run(&q, 3, "send --again --from a@b.example").assert(0);

    worker(&q, 2);
    let left = TestQueue::on(&q, "{emails:2}").waiting(Lane::Normal)[0];
    let why = run(&q, 3, &format!("why {left}")).assert(0).out;
    assert!(why.contains("No worker serves its shard, 2, though workers run for others"), "{why}");
    let stats = run(&q, 3, "stats").assert(0);
    let what = "no worker serves {emails:2}: the workers have 2 shards, and emailq was told of 3";
    assert!(stats.out.contains("1 worker is alive") && stats.err.contains(what), "{}", stats.err);
    let doctor = run(&q, 3, "doctor").assert(1).out;
    assert!(doctor.contains(what) && doctor.contains("→ start the workers with --shards 3"), "{doctor}");
    let refused = run(&q, 3, "send --again --from a@b.example").assert(64).err;
    assert!(refused.contains(what) && refused.contains("Nothing was done"), "{refused}");
    run(&q, 3, "send --dry-run --from a@b.example").assert(0);

    let top = Terminal::start(&q.server.url(), &format!("--queue {NAME} --shards 3 top"));
    top.wait_for("no worker serves 1 of 3 shards: emails there wait; start the workers with --shards 3");

    // Told of what the workers have, of less, or of more.
    for (shards, serve) in [(2, "the workers, which serve 2, with as many --shards as the API has"), (1, "serve 2")] {
        let told = run(&q, shards, "stats").assert(0).err;
        assert!(told.contains("give --shards 3") && told.contains(serve), "{told}");
    }
    let more = run(&q, 4, "doctor").assert(1).out;
    assert!(more.contains("no worker serves 2 shards, from {emails:2} on"), "{more}");

    worker(&q, 3);
    let told = run(&q, 3, "stats").assert(0).err;
    assert!(!told.contains("no worker serves"), "{told}");
    run(&q, 3, "send --again --from a@b.example").assert(0);
    let told = run(&q, 2, "stats").assert(0).err;
    assert!(told.contains("give --shards 3, or EMAIL_QUEUE_SHARDS, as the workers have it"), "{told}");
}

#[test]
fn an_email_in_a_shard_that_is_left_out_is_not_said_to_be_gone() {
    let q = three_shards();
    let id = TestQueue::on(&q, "{emails:2}").waiting(Lane::Normal)[0];
    for command in ["show", "why"] {
        let told = run(&q, 2, &format!("{command} {id}")).assert(3).err;
        assert!(told.contains("this email is in {emails:2}") && !told.contains("no such email"), "{told}");
        let gone = run(&q, 2, &format!("{command} {}", email_queue::EmailId::new())).assert(3).err;
        assert!(gone.contains("no such email"), "{gone}");
    }
}

#[test]
fn a_shard_without_emails_counts_while_a_worker_serves_it() {
    let q = TestQueue::on(&TestQueue::start(), NAME);
    run(&q, 1, "pause").assert(0);
    let other = TestQueue::on(&q, "{emails:1}");
    other.run(&transition::extend(&other.queue, "w", LONG, LONG, &[]));
    let refused = run(&q, 1, "resume").assert(64).err;
    assert!(refused.contains("{emails:1} is served by a worker") && refused.contains("--shards 2"), "{refused}");
    other.redis::<()>("ZADD {emails:1}:workers XX 1 w");
    run(&q, 1, "resume").assert(0);
    // As another program pushes them.
    other.push("{emails:1}:low", "{}");
    run(&q, 1, "resume").assert(64);
}
