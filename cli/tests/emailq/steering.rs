use email_queue::{Class, Lane};

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
    for part in ["high", "queued", "delayed", "recipient 1", "alive"] {
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
    assert!(emailq(&q, "resume --lane normal --lane high").assert(0).out.contains("Paused: low."));
    assert!(emailq(&q, "resume").assert(0).out.contains("Nothing is paused"));
    assert_eq!(q.claim(1, LONG).len(), 1);
    emailq(&q, "pause --lane fast").assert(64);
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
