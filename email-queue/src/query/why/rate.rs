//! How fast emails leave the queue: how many deliveries end. Emails that are canceled or moved do not count.

use std::time::Duration;

use crate::{
    Lane,
    query::series::{LaneSample, Sample},
};

/// How much of the history is enough, in ms.
const ENOUGH: i64 = 60_000;

/// If this many emails leave between two samples, a time in which none does is no part of the rate: the lane was paused, the relay
/// held off, or no worker lived.
const MANY: f64 = 5.0;

/// Emails per ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rate {
    /// How fast emails leave all lanes.
    leaving: f64,
    /// How fast they arrive in each.
    arriving: [f64; 3],
}

/// The rate in the newest minute of the history in which emails waited: at other times a queue is not as fast as it can be. If they
/// never did, that of the fastest part of it. `None` without a measure.
pub(super) fn rate(samples: &[Sample]) -> Option<Rate> {
    let all: Vec<_> = samples.windows(2).rev().filter_map(|pair| Part::of(&pair[0], &pair[1])).collect();
    let busy: Vec<_> = all.iter().filter(|part| part.waited).collect();
    let moved: Vec<_> = newest_minute(busy.iter().copied().filter(|part| part.left > 0.0));
    let left: f64 = moved.iter().map(|part| part.left).sum();
    if moved.is_empty() {
        let fastest = all.iter().filter(|part| part.left > 0.0 && part.ms >= 1000.0);
        return fastest.max_by(|a, b| (a.left / a.ms).total_cmp(&(b.left / b.ms))).map(|part| rate_of(&[part]));
    }
    let is_fast = left / moved.len() as f64 >= MANY;
    Some(rate_of(&if is_fast { moved } else { newest_minute(busy.into_iter()) })).filter(|rate| rate.leaving > 0.0)
}

fn newest_minute<'a>(parts: impl Iterator<Item = &'a Part>) -> Vec<&'a Part> {
    let mut sum = 0.0;
    parts
        .take_while(|part| {
            let is_wanted = sum < ENOUGH as f64;
            sum += part.ms;
            is_wanted
        })
        .collect()
}

fn rate_of(parts: &[&Part]) -> Rate {
    let ms: f64 = parts.iter().map(|part| part.ms).sum();
    let leaving = parts.iter().map(|part| part.left).sum::<f64>() / ms;
    let arriving = std::array::from_fn(|lane| parts.iter().map(|part| part.arrived[lane]).sum::<f64>() / ms);
    Rate { leaving, arriving }
}

/// What happened between two samples.
struct Part {
    ms: f64,
    left: f64,
    arrived: [f64; 3],
    /// Whether emails waited at both ends.
    waited: bool,
}

impl Part {
    fn of(before: &Sample, after: &Sample) -> Option<Self> {
        let ms = after.time - before.time;
        let grown = |after: i64, before: i64| (after - before).max(0) as f64;
        let waits = |sample: &Sample| Lane::ALL.iter().any(|lane| sample.lane(*lane).waiting > 0);
        let arrived = Lane::ALL.map(|lane| {
            let (LaneSample { arrived: after, .. }, before) = (after.lane(lane), before.lane(lane));
            grown(after, before.arrived)
        });
        (ms > 0).then(|| Self {
            ms: ms as f64,
            left: grown(after.ended(), before.ended()),
            arrived,
            waited: waits(before) && waits(after),
        })
    }
}

impl Rate {
    /// Emails per second.
    pub(super) fn per_second(&self) -> f64 {
        self.leaving * 1000.0
    }

    /// How long it takes until so many emails of a lane and of more urgent ones are claimed, and those in flight are sent before.
    /// `more_urgent` are the lanes that are served first. `None` if more arrive in those than are sent.
    pub(super) fn time_for(&self, emails: u64, more_urgent: &[Lane], in_flight: u64) -> Option<Duration> {
        let taken: f64 = more_urgent.iter().map(|lane| self.arriving[*lane as usize]).sum();
        let left_over = self.leaving - taken;
        if left_over < self.leaving / 20.0 {
            return None;
        }
        let ms = emails as f64 / left_over + in_flight as f64 / self.leaving;
        Duration::try_from_secs_f64(ms / 1000.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples ten seconds apart, each with how many have arrived and how many wait in the lanes high and normal. The others are sent.
    fn samples(numbers: &[[i64; 4]]) -> Vec<Sample> {
        let sample = |(nth, [high, high_waiting, normal, waiting]): (usize, &[i64; 4])| {
            let sent = high - high_waiting + normal - waiting;
            format!("{} 0 {sent} 0 0 {high} {high_waiting} {normal} {waiting} 0 0", nth * 10_000).parse().unwrap()
        };
        numbers.iter().enumerate().map(sample).collect()
    }

    fn per_second(numbers: &[[i64; 4]]) -> Option<f64> {
        rate(&samples(numbers)).map(|rate| rate.per_second())
    }

    #[test]
    fn a_rate_is_that_of_the_time_in_which_emails_waited() {
        assert_eq!(per_second(&[]), None);
        assert_eq!(per_second(&[[0, 0, 5, 0], [0, 0, 5, 0]]), None);
        // Idle, with an email now and then; then 1000 arrive, of which ten a second are sent.
        assert_eq!(per_second(&[[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 1001, 1000], [0, 0, 1001, 900]]), Some(10.0));
        // Only the burst of which nothing was left is known.
        assert_eq!(per_second(&[[0, 0, 0, 0], [0, 0, 1, 0], [0, 0, 501, 0]]), Some(50.0));
    }

    #[test]
    fn a_time_in_which_none_leaves_counts_unless_many_do_at_other_times() {
        assert_eq!(per_second(&[[0, 0, 9, 9], [0, 0, 9, 9], [0, 0, 9, 8], [0, 0, 9, 8], [0, 0, 9, 8]]), Some(0.025));
        assert_eq!(per_second(&[[0, 0, 99, 99], [0, 0, 99, 49], [0, 0, 99, 49], [0, 0, 99, 49]]), Some(5.0));
    }

    #[test]
    fn what_arrives_in_more_urgent_lanes_takes_its_part() {
        let rate = rate(&samples(&[[0, 0, 900, 900], [40, 0, 900, 840]])).unwrap();
        assert_eq!(rate.per_second(), 10.0);
        assert_eq!(rate.time_for(60, &[Lane::High], 20), Some(Duration::from_secs(12)));
        assert_eq!(rate.time_for(60, &[], 0), Some(Duration::from_secs(6)));
        let crowded = super::rate(&samples(&[[0, 0, 900, 900], [100, 0, 900, 900]])).unwrap();
        assert_eq!(crowded.time_for(1, &[Lane::High], 0), None);
    }
}
