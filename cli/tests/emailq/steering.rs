use email_queue::{Class, Lane, transition};

use crate::{
    program::{emailq, failed, waits_for_another_attempt},
    queue::{LONG, TestQueue},
};

#[test]
fn stats_are_counts_by_state_lane_and_class() {
    let q = TestQueue::start();
    failed(&q, Class::Recipient);
    waits_for_another_attempt(&q);
    q.enqueue(Lane::High);
    let table = emailq(&q, "stats").assert(0).out;
    for part in ["high", "queued", "delayed", "failed by class, since the queue was created: recipient 1", "alive"] {
        assert!(table.contains(part), "{part}: {table}");
    }
    let json = emailq(&q, "stats --json").assert(0).json();
    let states = &json["states"];
    assert_eq!([&states["queued"], &states["delayed"], &states["failed"]], [1, 1, 1], "{json}");
    assert_eq!(
        (&json["totals"]["accepted"], &json["classes"]["failed"]["recipient"]),
        (&3.into(), &1.into()),
        "{json}"
    );
    assert_eq!(json["lanes"][0]["queued"], 1);
}

#[test]
fn lanes_are_paused_and_resumed() {
    let q = TestQueue::start();
    q.enqueue(Lane::Low);
    assert!(emailq(&q, "pause --lane low").assert(0).out.contains("Paused: low."));
    assert_eq!(emailq(&q, "stats --json").assert(0).json()["lanes"][2]["paused"], true);
    assert!(q.claim(1, LONG).is_empty());
    assert_eq!(emailq(&q, "pause --json").assert(0).json()["paused"], serde_json::json!(["high", "normal", "low"]));
    let told = |arguments: &str| emailq(&q, arguments).assert(0).out;
    assert_eq!(told("resume --lane normal --lane high"), "Resumed: high, normal. Paused: low.\n");
    assert_eq!(told("resume --lane high"), "Not paused before: high. Paused: low.\n");
    assert_eq!(told("resume"), "Resumed: low.\n");
    assert_eq!(told("resume"), "Nothing was paused.\n");
    assert_eq!(q.claim(1, LONG).len(), 1);
    emailq(&q, "pause --lane fast").assert(64);
}

#[test]
fn what_other_programs_have_pushed_is_seen_before_a_worker_claims_it() {
    let q = TestQueue::start();
    (0..3).for_each(|_| q.push("emails:low", "{}"));
    let run = emailq(&q, "stats").assert(0);
    let row: Vec<_> =
        run.out.lines().find(|row| row.trim_start().starts_with("low")).unwrap().split_whitespace().collect();
    assert_eq!(row, ["low", "0", "3"], "{}", run.out);
    assert!(
        run.out.contains("what other programs have pushed") && !run.err.contains("no email was posted"),
        "{}",
        run.err
    );
    let json = emailq(&q, "stats --json").assert(0).json();
    assert_eq!((&json["lanes"][2]["other_entries"], &json["states"]["queued"]), (&3.into(), &0.into()), "{json}");
    assert_eq!(json["series"].as_array().unwrap().len(), 60, "as the API's GET /queue");
}

#[test]
fn a_pause_that_has_not_reached_all_shards_is_named_with_the_way_out() {
    let q = TestQueue::on(&TestQueue::start(), "{emails}");
    let run = |arguments: &str| emailq(&q, &format!("{arguments} --queue {{emails}} --shards 3"));
    let shards = email_queue::Shards::new(q.queue.clone(), 3).unwrap();
    // As one that was broken off.
    for shard in shards.all().take(2) {
        q.run(&transition::pause(&shards.queue(shard), &[Lane::Low]));
    }
    let table = run("stats").assert(0);
    assert!(table.out.contains("in 2 of 3 shards"), "{}", table.out);
    assert!(table.err.contains("`emailq resume --lane low` resumes it in all"), "{}", table.err);
    assert_eq!(run("stats --json").assert(0).json()["partly_paused"], serde_json::json!(["low"]));
    let high = run("pause --lane high").assert(0);
    assert!(
        high.out.contains("Paused: high, low.") && high.err.contains("the lane low is paused in some"),
        "{}",
        high.err
    );
    let all = run("pause --lane low --json").assert(0);
    assert_eq!(all.json()["partly_paused"], serde_json::json!([]));
    assert!(!all.err.contains("in some shards"), "{}", all.err);
    assert_eq!(run("resume").assert(0).out, "Resumed: high, low.\n");
}

#[test]
fn workers_are_shown_with_what_they_have_in_flight() {
    let q = TestQueue::start();
    assert!(emailq(&q, "workers").assert(3).err.contains("Start native-worker"));
    let id = q.enqueue(Lane::Normal).to_string();
    q.claim(1, LONG);
    let table = emailq(&q, "workers --emails").assert(0).out;
    assert!(table.contains("in flight") && table.contains(&id), "{table}");
    let json = emailq(&q, "workers --json").assert(0).json();
    assert_eq!((&json["data"][0]["id"], &json["data"][0]["in_flight"]), (&"w".into(), &1.into()), "{json}");
    assert_eq!(json["data"][0]["emails"][0]["id"], id);
}

#[test]
fn an_email_says_why_it_waits() {
    let q = TestQueue::start();
    let id = q.enqueue(Lane::Normal).to_string();
    let told = emailq(&q, &format!("why {id}")).assert(0).out;
    assert!(told.contains("worker") && told.contains(&id), "{told}");
    let json = emailq(&q, &format!("why --json {id}")).assert(0).json();
    assert_eq!((&json["reason"], &json["state"]), (&"no_worker".into(), &"queued".into()), "{json}");
    emailq(&q, &format!("why {}", email_queue::EmailId::new())).assert(3);
}

#[test]
fn the_way_out_is_a_command_and_what_stops_the_email_besides_is_named() {
    let q = TestQueue::start();
    let (dead, later) = (failed(&q, Class::Recipient), waits_for_another_attempt(&q));
    let low = q.enqueue(Lane::Low);
    let told = |id, part: &str| {
        let told = emailq(&q, &format!("why {id}")).assert(0).out;
        assert!(told.contains(part) && !told.contains("POST"), "{part}: {told}");
    };
    told(dead, &format!("`emailq retry {dead}` sends it again; `emailq discard {dead}` gives it up."));
    q.enqueue(Lane::High);
    told(low, &format!("`emailq move {low} --to high` has it sent sooner."));
    told(later, &format!("`emailq retry {later}` does so at once."));
    emailq(&q, "pause --lane low").assert(0);
    q.redis::<()>("DEL emails:workers");
    told(low, "`emailq resume --lane low` resumes it.");
    told(low, "Besides: no worker runs.");
    let json = emailq(&q, &format!("why --json {low}")).assert(0).json();
    assert_eq!(
        (&json["reason"], &json["action"], &json["also"]),
        (&"paused".into(), &"resume".into(), &serde_json::json!(["no_worker"])),
        "{json}"
    );
}

#[test]
fn an_email_is_shown_with_its_timeline() {
    let q = TestQueue::start();
    let id = waits_for_another_attempt(&q).to_string();
    let json = emailq(&q, &format!("show --json {id}")).assert(0).json();
    let events: Vec<_> =
        json["timeline"].as_array().unwrap().iter().map(|entry| entry["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["accepted", "claimed", "delayed"]);
    let table = emailq(&q, &format!("show {id}")).assert(0).out;
    assert!(table.contains("accepted") && table.contains("claimed"), "{table}");
}
