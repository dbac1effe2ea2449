//! The user for emailq in `deploy/redis/users.acl`: each command works as it, and it may do no more than they need.

use std::{collections::BTreeSet, fs};

use email_queue::{Class, Lane, transition::Outcome};

use crate::{
    program::{emailq_with, failed, waits_for_another_attempt},
    queue::{LONG, TestQueue},
    terminal::Terminal,
};

const USER: &str = "email-queue-operator";

/// Needed where a script undoes what it has done, or a list or a hash is long.
const RARE: [&str; 6] = ["del", "hscan", "lrem", "ltrim", "strlen", "zrangebylex"];

#[test]
fn each_command_works_as_the_user_of_the_recipe_which_may_do_no_more() {
    let users = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/redis/users.acl")).unwrap();
    let rules = users.lines().find_map(|line| line.strip_prefix(&format!("user {USER} "))).unwrap();
    let q = TestQueue::start();
    q.redis::<()>(&format!("ACL SETUSER {USER} {rules}"));
    let url = format!("redis://{USER}:OPERATOR_PASSWORD@127.0.0.1:{}", q.server.port());
    let run = |line: &str| {
        let run = emailq_with(
            &url,
            &line.split_whitespace().collect::<Vec<_>>(),
            br#"{"from":"a@b.example","to":"c@b.example","subject":"s","text":"t","scheduled_at":"in 1 hour"}"#,
        );
        assert!(
            !run.err.contains("NOPERM") && !run.err.contains("permission") && run.code <= 1,
            "{line}: {}{}",
            run.out,
            run.err
        );
        assert!(!run.out.contains("redis-rights"), "{line}: {}", run.out);
    };
    let sent = q.enqueue(Lane::Normal);
    let claim = q.claim(1, LONG).remove(0).claim;
    q.finish(claim, Outcome::Sent);
    let (one, other, third) = (failed(&q, Class::Content), failed(&q, Class::Recipient), waits_for_another_attempt(&q));
    let ids: Vec<_> = (0..4).map(|_| q.enqueue(Lane::Low)).collect();
    // As workers leave them: a history, and the lock of maintenance, when nothing is due.
    q.run(&email_queue::query::series(&q.queue, LONG));
    q.redis::<()>("SET emails:sweep 1 PX 60000");
    q.redis::<()>("CONFIG RESETSTAT");
    for line in [
        "send".to_owned(),
        "send --again --backlog-bytes 100000000".to_owned(),
        "list".to_owned(),
        "export".to_owned(),
        format!("show {sent} {one} {third}"),
        format!("why {sent} {one} {third} {}", ids[0]),
        "stats".to_owned(),
        "workers".to_owned(),
        "pause --lane low".to_owned(),
        "resume".to_owned(),
        "doctor".to_owned(),
        format!("retry {one}"),
        format!("move {} --to high", ids[3]),
        "move --status queued --to normal --yes".to_owned(),
        format!("cancel {}", ids[1]),
        format!("discard {} {third}", ids[2]),
        "retry --status failed --class recipient --yes".to_owned(),
        "discard --status scheduled --yes".to_owned(),
        "cancel --status queued --yes".to_owned(),
    ] {
        run(&line);
    }
    let terminal = Terminal::start(&url, "top --every 100ms");
    terminal.wait_for("newest failures");
    assert!(!terminal.text().contains("refuses"), "{}", terminal.text());
    assert!(q.state(other) != email_queue::State::Failed);

    let used: String = q.redis("INFO commandstats");
    let used: BTreeSet<_> = used.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split(':').next()).collect();
    // Redis 6.2 counts the whole command for `config|get`.
    let is_used =
        |command: &str| used.contains(command) || command.split('|').next().is_some_and(|whole| used.contains(whole));
    let permitted = rules.split(' ').filter_map(|rule| rule.strip_prefix('+'));
    let unused: Vec<_> = permitted.filter(|command| !is_used(command) && !RARE.contains(command)).collect();
    assert!(unused.is_empty(), "permitted and never used: {unused:?}");
}
