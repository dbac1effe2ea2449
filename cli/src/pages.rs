//! Emails of all shards, the newest first, page by page.

use std::collections::VecDeque;

use email_queue::{
    EmailId, Record, Shard,
    query::{self, Cursor, Merged},
};

use crate::{context::Context, filter::Filter, redis_client::Unanswered};

/// How many emails are asked for at once. Each comes with up to 32 KiB of its record.
const PAGE: usize = 50;

/// Reads emails one by one. It holds one page of them.
pub(crate) struct Pages<'a> {
    filter: &'a Filter,
    /// The same, for the script, which looks at few emails besides.
    in_redis: query::Filter,
    found: VecDeque<(Shard, EmailId, Record)>,
    /// Where to go on; `None` at the end.
    cursor: Option<Cursor>,
}

impl<'a> Pages<'a> {
    /// Those that are meant, from a cursor on.
    pub(crate) fn new(filter: &'a Filter, cursor: Cursor) -> Self {
        Self { filter, in_redis: filter.in_redis(), found: VecDeque::new(), cursor: Some(cursor) }
    }

    /// The next email that is meant; `None` at the end.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses.
    pub(crate) async fn next(&mut self, context: &Context) -> Result<Option<(Shard, EmailId, Record)>, Unanswered> {
        loop {
            if let Some(email) = self.found.pop_front() {
                return Ok(Some(email));
            }
            let Some(cursor) = self.cursor else { return Ok(None) };
            let page = query::Page { limit: PAGE, cursor, state: self.filter.status };
            let mut merged = Merged::new(PAGE, cursor);
            for shard in context.shards.all() {
                let queue = context.shards.queue(shard);
                merged.add(shard, context.run(&query::search(&queue, page, &self.in_redis)).await?.listed);
            }
            let listed = merged.page();
            self.cursor = listed.next.map(|id| match cursor {
                Cursor::Before(_) => Cursor::Before(id),
                Cursor::Newest | Cursor::After(_) => Cursor::After(id),
            });
            self.found = listed.emails.into_iter().filter(|(_, _, record)| self.filter.matches(record)).collect();
        }
    }
}
