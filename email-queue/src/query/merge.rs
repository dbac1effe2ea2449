//! One page of the emails of several shards.

use std::cmp::Ordering;

use super::{Cursor, Listed};
use crate::{EmailId, Record, Shard};

/// A page of emails in the order of their ids, of the pages that shards have listed for the same cursor.
///
/// A shard that has more emails says up to which one it has looked. Behind the nearest of those nothing is known to be whole, and
/// what is there comes with the next page. So every email is on one page, and the cursor of a page is that of all shards.
pub struct Merged {
    limit: usize,
    /// Whether the emails come from the cursor towards newer ones.
    upwards: bool,
    /// Those known so far, from the cursor on. No more than `limit` of them matter.
    emails: Vec<(Shard, EmailId, Record)>,
    /// Up to where all shards have looked; `None` for to the end.
    bound: Option<EmailId>,
    has_more: bool,
}

/// The page.
pub struct MergedPage {
    /// The emails, the newest first, each with its shard.
    pub emails: Vec<(Shard, EmailId, Record)>,
    /// Whether more follow in the direction of the cursor.
    pub has_more: bool,
    /// The cursor of the next page in that direction.
    pub next: Option<EmailId>,
}

impl Merged {
    /// Of no shard yet. `limit` and `cursor` are those that each shard is asked with.
    #[must_use]
    pub fn new(limit: usize, cursor: Cursor) -> Self {
        let upwards = matches!(cursor, Cursor::Before(_));
        Self { limit, upwards, emails: Vec::new(), bound: None, has_more: false }
    }

    /// Adds what a shard has listed.
    pub fn add(&mut self, shard: Shard, listed: Listed) {
        let upwards = self.upwards;
        if listed.has_more {
            self.has_more = true;
            let bounds = [self.bound, listed.next].into_iter().flatten();
            self.bound = bounds.min_by(|a, b| order(upwards, *a, *b));
        }
        self.emails.extend(listed.emails.into_iter().map(|(id, record)| (shard, id, record)));
        self.emails.sort_by(|(_, a, _), (_, b, _)| order(upwards, *a, *b));
        // Each has up to 32 KiB, so that those of many shards would be too much memory.
        self.emails.truncate(self.limit + 1);
    }

    /// The page of all that were added.
    #[must_use]
    pub fn page(mut self) -> MergedPage {
        if let Some(bound) = self.bound {
            self.emails.retain(|(_, id, _)| order(self.upwards, *id, bound).is_le());
        }
        let mut next = self.bound;
        if self.emails.len() > self.limit {
            self.emails.truncate(self.limit);
            self.has_more = true;
            next = self.emails.last().map(|(_, id, _)| *id);
        }
        if self.upwards {
            self.emails.reverse();
        }
        MergedPage { emails: self.emails, has_more: self.has_more, next: next.filter(|_| self.has_more) }
    }
}

/// The order from the cursor on.
fn order(upwards: bool, a: EmailId, b: EmailId) -> Ordering {
    if upwards { a.cmp(&b) } else { b.cmp(&a) }
}

#[cfg(test)]
mod tests;
