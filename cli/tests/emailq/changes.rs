use email_queue::{Class, EmailId, Lane, State};

use crate::{
    program::{emailq, failed, waits_for_another_attempt},
    queue::TestQueue,
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
