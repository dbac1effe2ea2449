use email_queue::{Class, EmailId, Lane, State};

use crate::{
    program::{emailq, failed, waits_for_another_attempt},
    queue::TestQueue,
    terminal::Terminal,
};

#[test]
fn an_email_is_retried_canceled_or_discarded_by_its_id() {
    let q = TestQueue::start();
    let (one, other, third) = (failed(&q, Class::Recipient), q.enqueue(Lane::Normal), q.enqueue(Lane::Normal));
    assert!(emailq(&q, &format!("retry {one}")).assert(0).out.contains("retried"));
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
    assert_eq!((&done["matched"], &done["changed"]), (&5.into(), &5.into()));
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
