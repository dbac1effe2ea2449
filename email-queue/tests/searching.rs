//! Finding emails by what is known of them.

#![allow(clippy::unwrap_used, reason = "tests say what they expect by unwrapping it")]

mod support;

use email_queue::{
    Class, EmailId, Lane, State,
    query::{Cursor, Filter, Page, search},
    transition::{Enqueue, Enqueued, NewEmail, Outcome, enqueue},
};
use support::{LONG, TestQueue, delayed, eager};

fn email(q: &TestQueue, lane: Lane, json: &str) -> EmailId {
    let id = EmailId::new();
    let emails = [NewEmail { id, lane, due: None, json: json.into() }];
    assert_eq!(q.run(&enqueue(&q.queue, Enqueue { emails: &emails, ..Enqueue::default() })), Enqueued::Accepted);
    id
}

fn to(q: &TestQueue, to: &str, subject: &str) -> EmailId {
    let json =
        serde_json::json!({"from": "a@b.example", "to": [to], "subject": subject, "text": "anna@elsewhere.example"});
    email(q, Lane::Normal, &json.to_string())
}

/// All that match, and how many were looked at, in steps of so many emails.
fn find(q: &TestQueue, filter: &Filter, limit: usize, mut cursor: Cursor) -> (Vec<EmailId>, u64) {
    let is_newer = matches!(cursor, Cursor::Before(_));
    let (mut ids, mut looked_at) = (Vec::new(), 0);
    loop {
        let found = q.run(&search(&q.queue, Page { limit, cursor, state: None }, filter));
        looked_at += found.looked_at;
        let those = found.listed.emails.iter().filter(|(_, record)| filter.admits(record)).map(|(id, _)| *id);
        let at = if is_newer { 0 } else { ids.len() };
        ids.splice(at..at, those);
        match found.listed.next {
            Some(next) if is_newer => cursor = Cursor::Before(next),
            Some(next) => cursor = Cursor::After(next),
            None => return (ids, looked_at),
        }
    }
}

fn all(q: &TestQueue, filter: &Filter) -> Vec<EmailId> {
    find(q, filter, 2, Cursor::Newest).0
}

#[test]
fn emails_are_found_by_recipient_and_subject_in_either_case_and_by_no_other_text() {
    let q = TestQueue::start();
    let anna = to(&q, "Anna Müller <Anna@Example.com>", "Grüße, \"quoted\"");
    let ann = to(&q, "ann@example.org", "GRÜSSE");
    let by_to = |text: &str| Filter { to: Some(text.to_owned()), ..Filter::default() };
    let by_subject = |text: &str| Filter { subject: Some(text.to_owned()), ..Filter::default() };
    assert_eq!(all(&q, &by_to("ANN@")), [ann]);
    assert_eq!(all(&q, &by_to("example")), [ann, anna]);
    assert_eq!(all(&q, &by_to("müller")), [anna]);
    assert_eq!(all(&q, &by_to("MÜLLER <")), [anna]);
    assert_eq!(all(&q, &by_to("elsewhere")), [], "only the text has it");
    assert_eq!(all(&q, &by_subject("grü")), [ann, anna]);
    assert_eq!(all(&q, &by_subject("\"QUOTED\"")), [anna]);
    assert_eq!(all(&q, &Filter { to: Some("anna".to_owned()), ..by_subject("grüsse") }), []);
}

#[test]
fn emails_are_found_by_state_lane_and_class_together() {
    let q = TestQueue::start();
    let (failed, waits) = (q.enqueue(Lane::Normal), q.enqueue(Lane::Normal));
    let claimed = q.claim(2, LONG);
    q.finish(claimed[0].claim, Outcome::Failed { class: Class::Policy, error: "554".to_owned() });
    q.finish(claimed[1].claim, delayed(LONG));
    let (sending, low) = (q.enqueue(Lane::High), q.enqueue(Lane::Low));
    q.claim(1, LONG);
    let state = |state| Filter { state: Some(state), ..Filter::default() };
    for (expected, filter) in [
        (failed, state(State::Failed)),
        (waits, state(State::Delayed)),
        (sending, state(State::Sending)),
        (low, state(State::Queued)),
        (low, Filter { lane: Some(Lane::Low), ..Filter::default() }),
        (failed, Filter { class: Some(Class::Policy), ..Filter::default() }),
        (waits, Filter { class: Some(Class::Deferred), ..state(State::Delayed) }),
    ] {
        assert_eq!(all(&q, &filter), [expected], "{filter:?}");
    }
    assert_eq!(all(&q, &Filter { class: Some(Class::Content), ..state(State::Failed) }), []);
    let (ids, looked_at) = find(&q, &state(State::Failed), 10, Cursor::Newest);
    assert_eq!((ids, looked_at), (vec![failed], 1), "of a state with few emails only those are looked at");
}

#[test]
fn a_period_is_looked_through_and_nothing_else() {
    let q = TestQueue::start();
    let mut ids = Vec::new();
    for _ in 0..5 {
        ids.extend(q.enqueue_batch(Lane::Normal, 100));
        std::thread::sleep(std::time::Duration::from_millis(3));
    }
    let time = |id: EmailId| {
        let text = id.to_string();
        let ms = i64::from_str_radix(&format!("{}{}", &text[..8], &text[9..13]), 16).unwrap();
        jiff::Timestamp::from_millisecond(ms).unwrap()
    };
    let filter = Filter { from_time: Some(time(ids[100])), to_time: Some(time(ids[299])), ..Filter::default() };
    let mut expected: Vec<_> = ids[100..300].to_vec();
    expected.reverse();
    let (found, looked_at) = find(&q, &filter, 70, Cursor::Newest);
    assert_eq!((&found, looked_at), (&expected, 200));
    // Towards newer ones, from the oldest of all on.
    let (found, looked_at) = find(&q, &filter, 70, Cursor::Before(ids[0]));
    assert_eq!((found, looked_at), (expected, 200));
}

#[test]
fn a_long_search_goes_on_where_it_ended_and_finds_what_is_far_behind() {
    let q = TestQueue::start();
    let first = to(&q, "first@example.com", "s");
    for _ in 0..70 {
        q.enqueue_batch(Lane::Normal, 100);
    }
    q.maintain(eager());
    let filter = Filter { to: Some("first@".to_owned()), ..Filter::default() };
    let step = q.run(&search(&q.queue, Page { limit: 10, cursor: Cursor::Newest, state: None }, &filter));
    assert!(step.listed.has_more && step.listed.emails.is_empty() && step.looked_at < 7000);
    assert_eq!(find(&q, &filter, 10, Cursor::Newest), (vec![first], 7001));
    let (found, looked_at) = find(&q, &filter, 10, Cursor::Before(EmailId::new()));
    assert_eq!((found, looked_at), (vec![], 0));
}
