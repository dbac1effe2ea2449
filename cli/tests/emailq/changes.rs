use std::process::Stdio;

use email_queue::{Class, EmailId, Lane, State, transition::Outcome};

use crate::{
    altering,
    program::{emailq, emailq_command, emailq_with, failed, waits_for_another_attempt},
    queue::{LONG, TestQueue},
    terminal::Terminal,
};

#[test]
fn an_email_is_retried_canceled_or_discarded_by_its_id() {
    let q = TestQueue::start();
    let (one, other, third) = (failed(&q, Class::Recipient), q.enqueue(Lane::Normal), q.enqueue(Lane::Normal));
    assert!(emailq(&q, &format!("retry {one}")).assert(0).out.contains("retried"), "without a question");
    assert_eq!(q.state(one), State::Queued);
    let canceled = emailq(&q, &format!("cancel {other} --json")).assert(0).json();
    assert_eq!(canceled["data"][0]["result"], "canceled");
    assert_eq!(q.state(other), State::Canceled);
    emailq(&q, &format!("discard {third}")).assert(0);
    assert_eq!(q.state(third), State::Canceled);
}

#[test]
fn what_cannot_be_changed_is_named_and_the_others_are_changed() {
    let q = TestQueue::start();
    let (dead, queued, missing) = (failed(&q, Class::Content), q.enqueue(Lane::Normal), EmailId::new());
    let run = emailq(&q, &format!("retry {queued} {missing} {dead}")).assert(1);
    assert!(
        run.err.contains(&format!("{queued}: it is")) && run.err.contains(&format!("{missing}: there is no")),
        "{}",
        run.err
    );
    assert_eq!(q.state(dead), State::Queued);
    emailq(&q, &format!("cancel {missing}")).assert(3);
    emailq(&q, &format!("cancel {queued} {missing}")).assert(1);
    assert_eq!(q.state(queued), State::Canceled);
    let refused = emailq(&q, &format!("retry --json {dead}")).assert(1).json();
    assert_eq!((&refused["data"][0]["result"], &refused["data"][0]["state"]), (&"refused".into(), &"queued".into()));
}

#[test]
fn a_part_that_is_refused_or_missing_is_a_failure_in_any_order() {
    let q = TestQueue::start();
    let sent = q.enqueue(Lane::Normal);
    q.finish(q.claim(1, LONG).remove(0).claim, Outcome::Sent);
    let missing = EmailId::new();
    for (changed, ids) in [
        (0, vec![sent, missing]),
        (0, vec![missing, sent]),
        (1, vec![missing]),
        (1, vec![sent]),
        (2, vec![sent, missing]),
        (1, vec![missing, sent]),
    ] {
        let mut ids: Vec<_> = ids.iter().map(ToString::to_string).collect();
        // What can be done stands between those that cannot.
        (0..changed).for_each(|_| ids.insert(1.min(ids.len()), failed(&q, Class::Content).to_string()));
        for json in ["", " --json"] {
            emailq(&q, &format!("retry {}{json}", ids.join(" "))).assert(1);
        }
    }
    emailq(&q, &format!("retry {missing} {missing}")).assert(3);
    for command in ["show", "why"] {
        for ids in [format!("{sent} {missing}"), format!("{missing} {sent}")] {
            emailq(&q, &format!("{command} {ids}")).assert(1);
        }
        emailq(&q, &format!("{command} {sent}")).assert(0);
        emailq(&q, &format!("{command} {missing}")).assert(3);
    }
}

#[test]
fn a_retry_says_what_may_arrive_twice() {
    let q = TestQueue::start();
    let fails = |outcome: Outcome| {
        let id = q.enqueue(Lane::Normal);
        q.finish(q.claim(1, LONG).remove(0).claim, outcome);
        id
    };
    let delayed = |class| Outcome::Delayed { retry_in: LONG, class, error: "no answer".to_owned() };
    let (lost, refused) = (fails(delayed(Class::Unknown)), fails(delayed(Class::Deferred)));
    // One attempt without an answer, and then one that was refused for good.
    let before = fails(delayed(Class::Unknown));
    assert!(emailq(&q, &format!("retry {before}")).assert(0).err.contains("may arrive twice"));
    q.finish(
        q.claim(1, LONG).remove(0).claim,
        Outcome::Failed { class: Class::GivenUp, error: "450 later".to_owned() },
    );

    let asked = emailq(&q, "retry --status delayed").assert(64).err;
    assert!(asked.contains("2 emails will be retried. Those of the classes unknown, given_up, recovered"), "{asked}");
    let asked = emailq(&q, "retry --status delayed --class unknown --dry-run").assert(0).err;
    assert!(asked.contains("They may arrive twice"), "{asked}");
    for quiet in ["retry --status delayed --class deferred --dry-run", "discard --status delayed --dry-run"] {
        assert_eq!(emailq(&q, quiet).assert(0).err, "");
    }
    let run = emailq(&q, &format!("retry {lost} {refused} {before} --json")).assert(0);
    let warned = |id: EmailId| run.err.contains(&format!("{id}: it may arrive twice"));
    assert!(warned(lost) && !warned(refused) && warned(before), "{}", run.err);
    let again = emailq(&q, &format!("retry {lost}")).assert(1).err;
    assert!(!again.contains("twice"), "it is not sent again: {again}");
}

#[test]
fn all_that_match_are_changed_after_a_confirmation_that_names_the_number() {
    let q = TestQueue::start();
    let recipients: Vec<_> = (0..5).map(|_| failed(&q, Class::Recipient)).collect();
    let content = failed(&q, Class::Content);
    let later = waits_for_another_attempt(&q);
    let asked = emailq(&q, "retry --status failed --class recipient").assert(64);
    assert!(asked.err.contains("5 emails will be retried") && asked.err.contains("--yes"), "{}", asked.err);
    let dry = emailq(&q, "retry --status failed --class recipient --dry-run").assert(0);
    assert!(dry.out.contains("5 emails would be retried"), "{}", dry.out);
    assert!(recipients.iter().all(|id| q.state(*id) == State::Failed));
    let done = emailq(&q, "retry --status failed --class recipient --yes --json").assert(0).json();
    assert_eq!((&done["matched"], &done["changed"], &done["complete"]), (&5.into(), &5.into(), &true.into()));
    assert!(recipients.iter().all(|id| q.state(*id) == State::Queued));
    assert_eq!(q.state(content), State::Failed);
    emailq(&q, "retry --status failed --class recipient --yes").assert(3);

    assert!(emailq(&q, "cancel --status queued --yes").assert(0).out.contains("5 emails canceled"));
    assert!(emailq(&q, "discard --status failed --yes").assert(0).out.contains("1 email discarded"));
    assert_eq!(q.state(later), State::Delayed);
}

#[test]
fn a_state_in_which_nothing_can_be_done_is_refused() {
    let q = TestQueue::start();
    for arguments in [
        "retry --status queued --yes",
        "cancel --status failed --yes",
        "discard --status sent --yes",
        "retry",
        "discard --class recipient",
        "retry --status failed x",
    ] {
        emailq(&q, arguments).assert(64);
    }
}

#[test]
fn emails_that_wait_are_moved_to_another_lane() {
    let q = TestQueue::start();
    let (one, others) = (q.enqueue(Lane::Low), q.enqueue_batch(Lane::Low, 450));
    emailq(&q, &format!("move {one} --to high")).assert(0);
    assert_eq!(q.waiting(Lane::High), [one]);
    assert!(
        emailq(&q, "move --status queued --to normal --dry-run").assert(0).out.contains("451 emails would be moved")
    );
    let moved = emailq(&q, "move --status queued --to normal --yes --json").assert(0).json();
    assert_eq!(moved["changed"], 451);
    assert_eq!((q.depth().waiting, others.len()), ([0, 451, 0], 450));
    emailq(&q, "move --status failed --to high --yes").assert(64);
    emailq(&q, &format!("move {one}")).assert(64);
}

#[test]
fn a_change_that_is_broken_off_says_so_and_can_be_repeated() {
    let q = TestQueue::start();
    q.enqueue_batch(Lane::Normal, 2000);
    let mut terminal = Terminal::start(&q.server.url(), "discard --status queued");
    terminal.wait_for("2000 emails will be discarded. Go on?");
    terminal.press("n\n");
    terminal.wait_for("Nothing was changed.");
    assert_eq!((terminal.end(), q.depth().waiting[1]), (1, 2000));
    let mut terminal = Terminal::start(&q.server.url(), "discard --status queued");
    terminal.wait_for("Go on?");
    terminal.press("\u{3}");
    terminal.wait_for("Nothing was changed.");
    assert_eq!((terminal.end(), q.depth().waiting[1]), (130, 2000));
    // Redis is stopped so that there is a moment to break off.
    let mut terminal = Terminal::start(&q.server.url(), "discard --status queued");
    terminal.wait_for("Go on?");
    q.server.freeze();
    terminal.press("y\n");
    terminal.wait_until("the progress", |text| text.contains("discarded") && text.contains("/2,000"));
    terminal.press("\u{3}");
    terminal.wait_for("Broken off");
    assert_eq!(terminal.end(), 130);
    q.server.thaw();
    emailq(&q, "discard --status queued --yes").assert(0);
    assert_eq!(q.depth().waiting[1], 0);
}

const EMAILS: usize = 1000;

/// Whether 300 of [`EMAILS`] are no longer where they were.
fn are_some_changed(redis: &mut redis::Connection) -> bool {
    let waiting: Option<usize> = redis::cmd("HGET").arg("emails:waiting").arg("normal").query(redis).unwrap();
    waiting.unwrap_or(0) <= EMAILS - 300
}

#[test]
fn a_change_under_which_redis_is_lost_says_how_far_it_has_come() {
    for command in ["discard", "discard --json", "move --to low --json", "cancel --json"] {
        let q = TestQueue::start();
        q.enqueue_batch(Lane::Normal, EMAILS);
        let url = altering::cut(q.server.port(), are_some_changed);
        let line = format!("{command} --status queued --yes");
        let run = emailq_with(&url, &line.split(' ').collect::<Vec<_>>(), b"").assert(4);
        let changed: u64 = if command.ends_with("--json") {
            let told = run.json();
            assert_eq!((&told["matched"], &told["complete"]), (&EMAILS.into(), &false.into()), "{command}");
            told["changed"].as_u64().unwrap()
        } else {
            run.out.split(' ').next().unwrap().parse().unwrap()
        };
        assert!((1..=300).contains(&changed), "{command}: {changed}");
        let told =
            format!("Broken off after {changed} of {EMAILS} emails: what was done stays done, and the same command");
        assert!(run.err.contains(&told) && run.err.contains("cannot be reached"), "{command}: {}", run.err);
        emailq(&q, &line).assert(0);
        assert_eq!(q.depth().waiting[1], 0, "{command}");
    }
    // Before anything is changed there is nothing to tell.
    let q = TestQueue::start();
    q.enqueue_batch(Lane::Normal, EMAILS);
    let url = altering::cut(q.server.port(), |_| true);
    let run = emailq_with(&url, &["discard", "--status", "queued", "--yes", "--json"], b"").assert(4);
    assert!(run.out.is_empty() && !run.err.contains("Broken off"), "{}{}", run.out, run.err);
}

#[test]
fn ids_under_which_redis_is_lost_are_told_apart() {
    for json in [true, false] {
        let q = TestQueue::start();
        let ids: Vec<_> = q.enqueue_batch(Lane::Normal, EMAILS).iter().map(ToString::to_string).collect();
        let url = altering::cut(q.server.port(), are_some_changed);
        let words = ["discard"].into_iter().chain(json.then_some("--json")).chain(ids.iter().map(String::as_str));
        let run = emailq_with(&url, &words.collect::<Vec<_>>(), b"").assert(4);
        let done = if json { run.json()["data"].as_array().unwrap().len() } else { run.out.lines().count() };
        assert!(done == 299, "the answer to one more was lost: {}", run.out);
        assert!(run.err.contains(&format!("Broken off after {done} of {EMAILS} ids")), "{}", run.err);
        assert!(run.err.contains(&format!("from {} on", ids[done])), "{}", run.err);
    }
}

#[test]
fn all_is_done_though_nobody_reads_what_came_of_it() {
    let q = TestQueue::start();
    let ids: Vec<_> = (0..3).map(|_| q.enqueue(Lane::Normal).to_string()).collect();
    let arguments: Vec<_> = ["cancel"].into_iter().chain(ids.iter().map(String::as_str)).collect();
    let mut child = emailq_command(&q.server.url(), &arguments).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(ids.iter().all(|id| q.state(id.parse().unwrap()) == State::Canceled));
}
