//! What is shown.

use email_queue::{
    EmailId, Lane, Record,
    query::{self, Minute, Stats, Why, WorkerState},
};
use jiff::Timestamp;
use tokio::time::Instant;

use super::{
    failures::{Failure, failures},
    question::Question,
    told::Told,
};
use crate::{advice, context::Context, redis_client::Unanswered, state};

#[derive(Default)]
pub(super) struct View {
    pub(super) stats: Option<Stats>,
    /// What happened per second since the look before: accepted, sent, failed.
    pub(super) rates: Option<[f64; 3]>,
    pub(super) minutes: Vec<Minute>,
    pub(super) workers: Vec<WorkerState>,
    /// Dead letters and emails that wait for another attempt, those that failed last first.
    pub(super) failures: Vec<Failure>,
    /// Which of them is chosen, wherever it is in the list.
    chosen: Option<EmailId>,
    /// The one that is opened.
    pub(super) opened: Option<Opened>,
    /// What is to be confirmed.
    pub(super) asked: Option<Question>,
    /// What was done last.
    pub(super) told: Option<Told>,
    /// Why nothing newer is shown.
    pub(super) lost: Option<String>,
}

/// An email with all that is shown of it.
pub(super) struct Opened {
    pub(super) id: EmailId,
    pub(super) record: Record,
    pub(super) why: Option<Why>,
}

impl View {
    /// Looks at everything, and remembers instead of failing.
    pub(super) async fn refresh(&mut self, context: &Context) {
        self.lost = self.look(context).await.err().map(|error| advice::explained(&error.into()));
        self.forget(Instant::now());
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
        let (row, failures) = (self.row(), failures(context).await?);
        self.failures = failures;
        if !self.failures.iter().any(|failure| Some(failure.id) == self.chosen) {
            // The next one has taken its place.
            self.choose(row);
        }
        self.stats = Some(stats);
        let paused = self.paused();
        self.told.take_if(|told| told.is_contradicted(&paused));
        Ok(())
    }

    /// Drops what was told if it is old.
    pub(super) fn forget(&mut self, now: Instant) {
        self.told.take_if(|told| told.is_old(now));
    }

    /// Opens the email that is chosen.
    pub(super) async fn open(&mut self, context: &Context) {
        let Some(id) = self.failures.get(self.row()).map(|failure| failure.id) else { return };
        match read(context, id).await {
            Ok(Some(opened)) => self.opened = Some(opened),
            Ok(None) => self.told = Some(Told::of(format!("{id} is gone."))),
            Err(error) => {
                self.told = Some(Told::failed(&format!("{id} could not be opened"), error));
                // It says whether Redis can be reached now.
                self.refresh(context).await;
            }
        }
    }

    /// The row of the email that is chosen.
    pub(super) fn row(&self) -> usize {
        self.failures.iter().position(|failure| Some(failure.id) == self.chosen).unwrap_or_default()
    }

    /// Chooses the email of a row, or else the last one.
    pub(super) fn choose(&mut self, row: usize) {
        self.chosen = self.failures.get(row).or(self.failures.last()).map(|failure| failure.id);
    }

    /// The lanes that are paused, in all shards or in some.
    pub(super) fn paused(&self) -> Vec<Lane> {
        let lanes = self.stats.iter().flat_map(|stats| &stats.lanes);
        lanes.filter(|lane| lane.paused.is_some()).map(|lane| lane.lane).collect()
    }

    /// The lanes that are not paused in all shards.
    pub(super) fn not_paused(&self) -> Vec<Lane> {
        let lanes = self.stats.iter().flat_map(|stats| stats.lanes.iter().map(move |lane| (stats, lane)));
        lanes.filter(|(stats, lane)| lane.paused_shards < stats.shards).map(|(_, lane)| lane.lane).collect()
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

fn rates(before: &Stats, now: &Stats) -> Option<[f64; 3]> {
    let seconds = now.time.duration_since(before.time).as_secs_f64();
    let rate = |name| now.total(name).saturating_sub(before.total(name)) as f64 / seconds;
    (seconds > 0.0).then(|| ["accepted", "sent", "failed"].map(rate))
}
