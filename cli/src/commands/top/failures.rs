//! The newest failures, by when they failed.

use email_queue::{
    EmailId, Queue, Record, State,
    query::{self, Cursor, Entry, Event},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;

use crate::{context::Context, redis_client::Unanswered};

/// How many are shown.
const FAILURES: usize = 20;

/// A dead letter, or an email that waits for another attempt.
pub(super) struct Failure {
    pub(super) id: EmailId,
    pub(super) record: Record,
    /// When it failed last; `None` if its timeline does not say.
    pub(super) at: Option<Timestamp>,
}

/// Dead letters wherever they are among other emails, and those that wait for another attempt among the newest emails: those that
/// failed last.
pub(super) async fn failures(context: &Context) -> Result<Vec<Failure>, Unanswered> {
    let mut found = Vec::new();
    let page = query::Page { limit: FAILURES, cursor: Cursor::Newest, state: Some(State::Delayed) };
    for shard in context.shards.all() {
        let queue = context.shards.queue(shard);
        for id in context.run(&query::newest_failed(&queue, FAILURES)).await? {
            let record = context.run(&query::read_beginning(&queue, id)).await?;
            found.extend(record.map(|record| Failure { id, at: record.finished, record }));
        }
        let delayed = context.run(&query::list(&queue, page)).await?.emails;
        let delayed = stream::iter(delayed).map(|(id, record)| failed_last(context, &queue, id, record));
        found.extend(delayed.buffered(FAILURES).try_collect::<Vec<_>>().await?);
    }
    found.sort_by_key(|failure| std::cmp::Reverse((failure.at.unwrap_or(failure.record.created), failure.id)));
    found.truncate(FAILURES);
    Ok(found)
}

/// The record of an email that waits for another attempt says when that is, and not when the last one failed.
async fn failed_last(context: &Context, queue: &Queue, id: EmailId, record: Record) -> Result<Failure, Unanswered> {
    let timeline = context.run(&query::timeline(queue, id)).await?.unwrap_or_default();
    let at = timeline.iter().rev().find(|entry| is_failure(entry)).map(|entry| entry.at);
    Ok(Failure { id, record, at })
}

fn is_failure(entry: &Entry) -> bool {
    matches!(entry.event, Event::Delayed | Event::Postponed | Event::Returned | Event::Failed | Event::Recovered)
}
