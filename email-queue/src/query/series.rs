use std::{collections::BTreeMap, str::FromStr, time::Duration};

use crate::{
    Histogram, Lane, Queue, Shards,
    call::{Answer, Call, CallError, Redis, UnexpectedAnswer},
    maintenance::SAMPLES_APART,
    script::SERIES,
};

/// How many minutes are told.
const MINUTES: i64 = 60;
const MINUTE_MS: i64 = 60_000;
/// An hour of samples.
const SAMPLES: usize = 370;

/// The last hour of a queue, or of one of its shards: counters at certain times, and how long emails took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    /// The oldest first; the last is of now.
    samples: Vec<Sample>,
    /// By minutes since 1970.
    latencies: BTreeMap<i64, Histogram>,
}

/// The counters of a queue at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    /// In ms since 1970.
    pub(crate) time: i64,
    /// Emails accepted, sent, failed and delayed until then.
    counts: [i64; 4],
    lanes: [LaneSample; 3],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LaneSample {
    /// How many emails had been put at the end of the lane.
    pub(crate) arrived: i64,
    pub(crate) waiting: i64,
}

impl Sample {
    /// How many deliveries had ended, in whatever way.
    pub(crate) fn ended(&self) -> i64 {
        let [_, sent, failed, delayed] = self.counts;
        sent + failed + delayed
    }

    /// How many emails had left a lane for good: claimed, canceled, moved.
    fn left(&self, lane: Lane) -> i64 {
        let LaneSample { arrived, waiting } = self.lane(lane);
        arrived - waiting
    }

    pub(crate) fn lane(&self, lane: Lane) -> LaneSample {
        self.lanes[lane as usize]
    }

    fn sent(&self) -> i64 {
        self.counts[1]
    }
}

impl FromStr for Sample {
    type Err = UnexpectedAnswer;

    fn from_str(text: &str) -> Result<Self, UnexpectedAnswer> {
        let numbers: Result<Vec<i64>, _> = text.split(' ').map(str::parse).collect();
        let numbers = numbers.map_err(|_| UnexpectedAnswer)?;
        let &[time, accepted, sent, failed, delayed, ref lanes @ ..] = numbers.as_slice() else {
            return Err(UnexpectedAnswer);
        };
        let &[a, b, c, d, e, f] = lanes else { return Err(UnexpectedAnswer) };
        let lanes = [(a, b), (c, d), (e, f)].map(|(arrived, waiting)| LaneSample { arrived, waiting });
        Ok(Self { time, counts: [accepted, sent, failed, delayed], lanes })
    }
}

/// What happened in a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Minute {
    /// When it began, in ms since 1970.
    pub began_ms: i64,
    /// Emails that were accepted.
    pub accepted: u64,
    /// Emails that were sent.
    pub sent: u64,
    /// Emails that became dead letters.
    pub failed: u64,
    /// How often an email was delayed.
    pub delayed: u64,
    /// How long the emails took that were sent, from their acceptance, or from their time if they were scheduled.
    pub latencies: Histogram,
}

/// Reads the history of a queue, or of a shard: [`minutes`] and [`sent_per_minute`] tell what it says. Takes a sample first,
/// unless there is one not older than `apart` ([`SAMPLES_APART`](crate::maintenance::SAMPLES_APART)). So there are numbers
/// even while no worker lives.
pub fn series(queue: &Queue, apart: Duration) -> Call<Series> {
    Call::script(&SERIES, queue, read).milliseconds(apart).number(SAMPLES)
}

/// Reads the history of all shards of a queue, one call for each.
///
/// # Errors
/// As [`Call::run`].
pub async fn series_of_all<R: Redis>(redis: &R, shards: &Shards) -> Result<Vec<Series>, CallError<R::Error>> {
    let mut all = Vec::new();
    for shard in shards.all() {
        all.push(series(&shards.queue(shard), SAMPLES_APART).run(redis).await?);
    }
    Ok(all)
}

fn read(answer: &mut Answer) -> Result<Series, UnexpectedAnswer> {
    let samples = samples(answer)?;
    let mut latencies = BTreeMap::new();
    while !answer.is_empty() {
        // One that cannot be read is left out.
        let text = answer.text()?;
        let minute = text.split_once(' ').and_then(|(minute, latencies)| Some((minute.parse().ok()?, latencies)));
        if let Some((minute, histogram)) = minute.and_then(|(minute, text)| Some((minute, text.parse().ok()?))) {
            latencies.insert(minute, histogram);
        }
    }
    Ok(Series { samples, latencies })
}

/// The sample of now, and how many others with them, the newest first. Returned with the oldest first; those that cannot be read,
/// or are younger than now, are left out.
pub(crate) fn samples(answer: &mut Answer) -> Result<Vec<Sample>, UnexpectedAnswer> {
    let now: Sample = answer.text()?.parse()?;
    let count: usize = answer.number()?;
    let mut samples = vec![now];
    for _ in 0..count {
        let sample = answer.prose()?.and_then(|text| text.parse::<Sample>().ok());
        samples.extend(sample.filter(|sample| samples.last().is_some_and(|later| sample.time <= later.time)));
    }
    samples.reverse();
    Ok(samples)
}

/// The last hour by the minute, the oldest first, the present minute last. Of several shards: their sums.
///
/// What happened between two samples is spread evenly over the time between them.
#[must_use]
pub fn minutes(shards: &[Series]) -> Vec<Minute> {
    let now = shards.iter().filter_map(|series| series.samples.last()).map(|sample| sample.time).max().unwrap_or(0);
    let this = now.div_euclid(MINUTE_MS);
    let minute = |minute: i64| {
        let (from, to) = (minute * MINUTE_MS, ((minute + 1) * MINUTE_MS).min(now));
        let mut counts = [0_u64; 4];
        let mut latencies = Histogram::default();
        for series in shards {
            let (before, after) = (counts_at(&series.samples, from), counts_at(&series.samples, to));
            for (count, (before, after)) in counts.iter_mut().zip(before.into_iter().zip(after)) {
                // A counter that is smaller than before was restored from a backup.
                *count += u64::try_from(after - before).unwrap_or(0);
            }
            series.latencies.get(&minute).into_iter().for_each(|those| latencies.merge(those));
        }
        let [accepted, sent, failed, delayed] = counts;
        Minute { began_ms: from, accepted, sent, failed, delayed, latencies }
    };
    (this - MINUTES + 1..=this).map(minute).collect()
}

/// The counters at a time between samples; before the first one they are as at that.
fn counts_at(samples: &[Sample], time: i64) -> [i64; 4] {
    let later = samples.partition_point(|sample| sample.time <= time);
    match (later.checked_sub(1).and_then(|before| samples.get(before)), samples.get(later)) {
        (Some(before), Some(after)) => {
            let (passed, between) = (time - before.time, (after.time - before.time).max(1));
            std::array::from_fn(|nth| before.counts[nth] + (after.counts[nth] - before.counts[nth]) * passed / between)
        }
        (Some(only), None) | (None, Some(only)) => only.counts,
        (None, None) => [0; 4],
    }
}

/// How many emails of each lane were sent per minute in the last one; `None` without a measure. Of several shards: their sums.
///
/// Emails are counted by lane when they leave it, and those of them that were sent only in all: if many fail, the same part is
/// taken off every lane.
#[must_use]
pub fn sent_per_minute(shards: &[Series]) -> [Option<f64>; 3] {
    let mut sums = [None; 3];
    for series in shards {
        let Some(now) = series.samples.last() else { continue };
        let before = series.samples.iter().rev().find(|sample| sample.time <= now.time - MINUTE_MS);
        let Some(before) = before.or(series.samples.first()).filter(|before| before.time < now.time) else { continue };
        let per_minute = |count: i64| count.max(0) as f64 * MINUTE_MS as f64 / (now.time - before.time) as f64;
        let left = Lane::ALL.map(|lane| (now.left(lane) - before.left(lane)).max(0));
        let all: i64 = left.iter().sum();
        let part = if all == 0 { 0.0 } else { ((now.sent() - before.sent()).max(0) as f64 / all as f64).min(1.0) };
        for (sum, left) in sums.iter_mut().zip(left) {
            *sum = Some(sum.unwrap_or(0.0) + per_minute(left) * part);
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples in which only these are not 0: the time, what was accepted, what was sent, what arrived in the lane normal.
    fn series(samples: &[(i64, i64, i64, i64)], latencies: &[(i64, &str)]) -> Series {
        let sample = |&(time, accepted, sent, arrived)| format!("{time} {accepted} {sent} 0 0 0 0 {arrived} 0 0 0");
        let samples = samples.iter().map(|numbers| sample(numbers).parse().unwrap()).collect();
        let latencies = latencies.iter().map(|(minute, text)| (*minute, text.parse().unwrap())).collect();
        Series { samples, latencies }
    }

    #[test]
    fn the_minutes_have_all_that_happened_and_no_more() {
        let at = 100 * MINUTE_MS;
        let one = series(&[(at - 90_000, 7, 0, 0), (at - 30_000, 67, 0, 0), (at + 5_000, 102, 9, 0)], &[(99, "40:2")]);
        let minutes = super::minutes(std::slice::from_ref(&one));
        assert_eq!((minutes.len(), minutes[59].began_ms), (60, at));
        let accepted: Vec<_> = minutes[57..].iter().map(|minute| minute.accepted).collect();
        assert_eq!(accepted, [30, 60, 5], "the first 7 are older than the first sample");
        assert_eq!(minutes.iter().map(|minute| minute.sent).sum::<u64>(), 9);
        assert_eq!(minutes[58].latencies.percentile(50), Some(939));
        let both = super::minutes(&[one.clone(), one]);
        assert_eq!((both[58].accepted, both[58].latencies.to_string().as_str()), (120, "40:4"));
    }

    #[test]
    fn counters_that_were_reset_count_as_nothing() {
        let at = 100 * MINUTE_MS;
        let minutes = super::minutes(&[series(&[(at - 10_000, 500, 500, 0), (at, 0, 0, 0), (at + 1, 1, 0, 0)], &[])]);
        assert_eq!(minutes.iter().map(|minute| minute.accepted).sum::<u64>(), 1);
        assert_eq!(super::minutes(&[]).len(), 60);
    }

    #[test]
    fn a_lane_sends_what_leaves_it_less_what_fails() {
        let at = 100 * MINUTE_MS;
        let rate = |samples: &[_]| super::sent_per_minute(&[series(samples, &[])]);
        assert_eq!(rate(&[(at, 0, 0, 0)]), [None; 3]);
        assert_eq!(rate(&[(at - 30_000, 0, 0, 10), (at, 0, 50, 60)]), [Some(0.0), Some(100.0), Some(0.0)]);
        assert_eq!(rate(&[(at - 30_000, 0, 0, 10), (at, 0, 25, 60)])[1], Some(50.0));
        // Only the last minute counts.
        assert_eq!(rate(&[(at - 600_000, 0, 0, 0), (at - 60_000, 0, 900, 900), (at, 0, 903, 903)])[1], Some(3.0));
    }
}
