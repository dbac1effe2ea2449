use jiff::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::{Lane, Queue, Shards, State};

/// How many emails a shard looks at for a page: fewer than it really is, and more than a page has.
const SCAN: usize = 12;

/// Emails in shards, the oldest first, and whether a filter lets each pass.
type Model = Vec<(Shard, EmailId, bool)>;

fn record() -> Record {
    Record {
        state: State::Queued,
        lane: Lane::Normal,
        created: Timestamp::UNIX_EPOCH,
        due: None,
        finished: None,
        attempts: 0,
        error: None,
        class: None,
        served: Vec::new(),
        removed: None,
        json: Vec::new(),
    }
}

/// What `list.lua` does.
fn list(model: &Model, shard: Shard, limit: usize, cursor: Cursor) -> Listed {
    let all = model.iter().filter(|(of, ..)| *of == shard).map(|(_, id, passes)| (*id, *passes));
    let from_cursor: Vec<_> = match cursor {
        Cursor::Newest => all.rev().collect(),
        Cursor::After(cursor) => all.rev().filter(|(id, _)| *id < cursor).collect(),
        Cursor::Before(cursor) => all.filter(|(id, _)| *id > cursor).collect(),
    };
    let (mut emails, mut has_more, mut next) = (Vec::new(), false, None);
    for (looked, (id, passes)) in from_cursor.into_iter().enumerate() {
        if passes && emails.len() == limit || looked == SCAN {
            has_more = true;
            break;
        }
        next = Some(id);
        if passes {
            emails.push((id, record()));
        }
    }
    if matches!(cursor, Cursor::Before(_)) {
        emails.reverse();
    }
    Listed { emails, has_more, next: next.filter(|_| has_more) }
}

fn page(model: &Model, shards: &Shards, limit: usize, cursor: Cursor) -> MergedPage {
    let mut merged = Merged::new(limit, cursor);
    for shard in shards.all() {
        merged.add(shard, list(model, shard, limit, cursor));
    }
    merged.page()
}

/// The ids of all pages from a cursor on, in the order in which they come.
fn all_pages(
    model: &Model,
    shards: &Shards,
    limit: usize,
    mut cursor: Cursor,
    is_full: impl Fn(&MergedPage) -> bool,
) -> Vec<EmailId> {
    let mut seen = Vec::new();
    loop {
        let page = page(model, shards, limit, cursor);
        assert!(page.emails.len() <= limit && page.emails.is_sorted_by(|a, b| a.1 > b.1));
        assert!(is_full(&page));
        assert_eq!(page.has_more, page.next.is_some());
        let ids = page.emails.iter().map(|(shard, id, _)| {
            assert!(model.iter().any(|(of, other, _)| other == id && of == shard));
            *id
        });
        if let Cursor::Before(_) = cursor {
            seen.extend(ids.rev());
        } else {
            seen.extend(ids);
        }
        let Some(next) = page.next else { return seen };
        cursor = if let Cursor::Before(_) = cursor { Cursor::Before(next) } else { Cursor::After(next) };
    }
}

fn shards() -> Shards {
    Shards::new("{emails}".parse::<Queue>().unwrap(), 4).unwrap()
}

/// Emails that are spread by numbers: the shard, and whether the email passes the filter.
fn model(spread: &[(u32, bool)]) -> Model {
    let shard = |number: u32| shards().random(number);
    spread.iter().map(|&(number, passes)| (shard(number), EmailId::new().in_shard(shard(number)), passes)).collect()
}

proptest! {
    #[test]
    fn all_pages_together_are_all_emails_once_and_in_order(
        spread in prop::collection::vec((any::<u32>(), prop::bool::weighted(0.3)), 1..120),
        limit in 1_usize..10,
        start in any::<prop::sample::Index>(),
    ) {
        let model = model(&spread);
        let passing = |emails: &[(Shard, EmailId, bool)]| -> Vec<_> {
            emails.iter().filter(|email| email.2).map(|email| email.1).collect()
        };
        let downwards = all_pages(&model, &shards(), limit, Cursor::Newest, |_| true);
        prop_assert_eq!(downwards.iter().rev().copied().collect::<Vec<_>>(), passing(&model));
        let start = start.index(model.len());
        let upwards = all_pages(&model, &shards(), limit, Cursor::Before(model[start].1), |_| true);
        prop_assert_eq!(upwards, passing(&model[start + 1..]));
    }

    #[test]
    fn without_a_filter_a_page_is_full_while_more_follow_and_says_exactly_whether_they_do(
        spread in prop::collection::vec((any::<u32>(), Just(true)), 1..120),
        limit in 1_usize..SCAN,
    ) {
        let model = model(&spread);
        let is_full = |page: &MergedPage| !page.has_more || page.emails.len() == limit;
        let all = all_pages(&model, &shards(), limit, Cursor::Newest, is_full);
        prop_assert_eq!(all.len(), model.len());
        // The last page is not followed by an empty one.
        let first = page(&model, &shards(), model.len().min(SCAN - 1), Cursor::Newest);
        prop_assert_eq!(first.has_more, model.len() >= SCAN);
        let oldest = model[0].1;
        all_pages(&model, &shards(), limit, Cursor::Before(oldest), is_full);
    }
}

#[test]
fn what_one_shard_lists_is_the_page() {
    let model = model(&[(0, true), (0, true), (0, true)]);
    let one = Shards::one(Queue::default());
    for (limit, cursor) in [(1, Cursor::Newest), (2, Cursor::Before(model[0].1)), (3, Cursor::Newest)] {
        let listed = list(&model, Shard::FIRST, limit, cursor);
        let page = page(&model, &one, limit, cursor);
        assert_eq!((page.has_more, page.next), (listed.has_more, listed.next));
        assert_eq!(
            page.emails.iter().map(|email| email.1).collect::<Vec<_>>(),
            listed.emails.iter().map(|email| email.0).collect::<Vec<_>>()
        );
    }
}

#[test]
fn the_shard_that_has_looked_the_least_far_bounds_the_page() {
    // Shard 1 has many emails, none of which pass; shard 0 has old ones that do.
    let mut spread = vec![(0, true); 3];
    spread.extend([(1 << 31, false); SCAN + 1]);
    let model = model(&spread);
    let first = page(&model, &shards(), 5, Cursor::Newest);
    assert!(first.emails.is_empty() && first.has_more);
    // What shard 1 has looked at ends behind its newest ones.
    assert_eq!(first.next, Some(model[4].1));
    let second = page(&model, &shards(), 5, Cursor::After(model[4].1));
    assert_eq!((second.emails.len(), second.has_more), (3, false));
}
