//! What is shown.

use email_queue::{
    EmailId, Record, State,
    query::{self, Cursor, Minute, Pauses, Stats, Why, WorkerState},
};
use jiff::Timestamp;

use crate::{advice, context::Context, redis_client::Unanswered, state};

/// How many failures are shown.
const FAILURES: usize = 20;

#[derive(Default)]
pub(super) struct View {
    pub(super) stats: Option<Stats>,
    /// What happened per second since the look before: accepted, sent, failed.
    pub(super) rates: Option<[f64; 3]>,
    pub(super) minutes: Vec<Minute>,
    pub(super) workers: Vec<WorkerState>,
    /// Dead letters and emails that wait for another attempt, the newest first.
    pub(super) failures: Vec<(EmailId, Record)>,
    /// Which of them is chosen.
    pub(super) chosen: usize,
    /// The one that is opened.
    pub(super) opened: Option<Opened>,
    /// What is to be confirmed.
    pub(super) asked: Option<Question>,
    /// What was done last.
    pub(super) told: String,
    /// Why nothing newer is shown.
    pub(super) lost: Option<String>,
}

/// An email with all that is shown of it.
pub(super) struct Opened {
    pub(super) id: EmailId,
    pub(super) record: Record,
    pub(super) why: Option<Why>,
}

/// What is to be confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Question {
    Pause,
    Retry(EmailId),
    Discard(EmailId),
}

impl View {
    /// Looks at everything, and remembers instead of failing.
    pub(super) async fn refresh(&mut self, context: &Context) {
        self.lost = self.look(context).await.err().map(|error| advice::explained(&error.into()));
    }

    /// Looks at everything.
    ///
    /// # Errors
    /// Redis cannot be reached, or refuses.
    pub(super) async fn look(&mut self, context: &Context) -> Result<(), Unanswered> {
        let stats = state::stats(context).await?;
        self.rates = self.stats.as_ref().and_then(|before| rates(before, &stats));
        self.workers = state::workers(context).await?;
        self.minutes = query::minutes(&state::history(context).await?);
        self.failures = failures(context).await?;
        self.chosen = self.chosen.min(self.failures.len().saturating_sub(1));
        self.stats = Some(stats);
        Ok(())
    }

    /// Opens the email that is chosen.
    pub(super) async fn open(&mut self, context: &Context) {
        let Some(&(id, _)) = self.failures.get(self.chosen) else { return };
        match read(context, id).await {
            Ok(opened) => self.opened = opened,
            Err(error) => self.lost = Some(advice::explained(&error.into())),
        }
    }

    pub(super) fn pauses(&self) -> Pauses {
        let lanes = self.stats.iter().flat_map(|stats| &stats.lanes);
        lanes.filter_map(|lane| Some((lane.lane, lane.paused?))).collect()
    }

    /// When it was looked at, by Redis' clock.
    pub(super) fn now(&self) -> Timestamp {
        self.stats.as_ref().map_or_else(Timestamp::now, |stats| stats.time)
    }
}

async fn read(context: &Context, id: EmailId) -> Result<Option<Opened>, Unanswered> {
    let record = context.find(id, |queue| query::read_beginning(queue, id), Option::is_some).await?;
    let why = query::why(&context.redis, &context.shards, id).await;
    let why = why.map_err(|error| context.redis.unanswered("why", error))?;
    Ok(record.map(|record| Opened { id, record, why }))
}

/// Dead letters wherever they are among other emails, and those that wait for another attempt among the newest emails.
async fn failures(context: &Context) -> Result<Vec<(EmailId, Record)>, Unanswered> {
    let mut found = Vec::new();
    let page = query::Page { limit: FAILURES, cursor: Cursor::Newest, state: Some(State::Delayed) };
    for shard in context.shards.all() {
        let queue = context.shards.queue(shard);
        for id in context.run(&query::newest_failed(&queue, FAILURES)).await? {
            let record = context.run(&query::read_beginning(&queue, id)).await?;
            found.extend(record.map(|record| (id, record)));
        }
        found.extend(context.run(&query::list(&queue, page)).await?.emails);
    }
    found.sort_by_key(|(id, record)| std::cmp::Reverse((record.finished.unwrap_or(record.created), *id)));
    found.truncate(FAILURES);
    Ok(found)
}

fn rates(before: &Stats, now: &Stats) -> Option<[f64; 3]> {
    let seconds = now.time.duration_since(before.time).as_secs_f64();
    let rate = |name| now.total(name).saturating_sub(before.total(name)) as f64 / seconds;
    (seconds > 0.0).then(|| ["accepted", "sent", "failed"].map(rate))
}
