use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

/// How many durations are about how long. Buckets grow by the fourth root of two, so that a percentile is right to about ten per
/// cent, from a millisecond to weeks, and a few numbers suffice.
///
/// As text, and in Redis: `bucket:count` pairs. Bucket 0 is up to one millisecond; bucket n ends at 2^(n/4) ms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Histogram(BTreeMap<u8, u64>);

/// The bucket for all that is longer: 2^32 ms are seven weeks.
const LAST: u8 = 128;

impl Histogram {
    /// Adds one duration.
    pub fn add(&mut self, duration: Duration) {
        let octaves = (duration.as_secs_f64() * 1000.0).max(1.0).log2();
        // From 0 to 128.
        let bucket = (octaves * 4.0).ceil().min(f64::from(LAST)) as u8;
        *self.0.entry(bucket).or_default() += 1;
    }

    /// Adds all of another one.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.0 {
            let sum = self.0.entry(*bucket).or_default();
            *sum = sum.saturating_add(*count);
        }
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The duration that so many of a hundred do not exceed, in ms; `None` if there is nothing in it.
    #[must_use]
    pub fn percentile(&self, percent: u8) -> Option<u64> {
        let all = self.0.values().fold(0_u64, |sum, count| sum.saturating_add(*count));
        let wanted = (u128::from(all) * u128::from(percent)).div_ceil(100).max(1);
        let mut seen = 0_u128;
        let bucket = self.0.iter().find(|(_, count)| {
            seen += u128::from(**count);
            seen >= wanted
        });
        // The middle of the bucket. At most 2^32.
        bucket.map(|(bucket, _)| ((f64::from(*bucket) - 0.5) / 4.0).exp2().round() as u64)
    }
}

impl fmt::Display for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, (bucket, count)) in self.0.iter().enumerate() {
            let separator = if nth == 0 { "" } else { " " };
            write!(f, "{separator}{bucket}:{count}")?;
        }
        Ok(())
    }
}

impl FromStr for Histogram {
    type Err = NoHistogram;

    fn from_str(text: &str) -> Result<Self, NoHistogram> {
        let pair = |pair: &str| {
            let (bucket, count) = pair.split_once(':')?;
            Some((bucket.parse().ok().filter(|bucket| *bucket <= LAST)?, count.parse().ok()?))
        };
        let mut histogram = Self::default();
        for pair in text.split_ascii_whitespace().map(pair) {
            let (bucket, count) = pair.ok_or(NoHistogram)?;
            histogram.merge(&Self(BTreeMap::from([(bucket, count)])));
        }
        Ok(histogram)
    }
}

/// A text that is not a histogram's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a histogram")]
pub struct NoHistogram;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_right_to_about_ten_per_cent() {
        assert_eq!(Histogram::default().percentile(50), None);
        for (scale, percent, expected) in [(1, 50, 500.0), (1, 95, 950.0), (1, 99, 990.0), (60_000, 99, 59_400_000.0)] {
            let mut histogram = Histogram::default();
            (1..=1000).for_each(|ms| histogram.add(Duration::from_millis(scale * ms)));
            let found = histogram.percentile(percent).unwrap() as f64;
            assert!((found / expected - 1.0).abs() < 0.1, "{percent}: {found}");
        }
    }

    #[test]
    fn what_takes_no_time_or_very_long_is_counted_as_well() {
        let mut histogram = Histogram::default();
        histogram.add(Duration::ZERO);
        histogram.add(Duration::MAX);
        assert_eq!(histogram.to_string(), "0:1 128:1");
        assert_eq!(histogram.percentile(50), Some(1));
    }

    #[test]
    fn it_is_read_back_from_its_text_and_others_add_to_it() {
        let mut histogram: Histogram = "0:1 40:12".parse().unwrap();
        assert_eq!(histogram.to_string().parse(), Ok(histogram.clone()));
        histogram.merge(&"40:3 41:1".parse().unwrap());
        assert_eq!(histogram, "0:1 40:15 41:1".parse().unwrap());
        assert!(Histogram::default().to_string().parse() == Ok(Histogram::default()));
        for text in ["1", "x:1", "129:1", "1:-1", "1:"] {
            assert!(text.parse::<Histogram>().is_err(), "{text}");
        }
    }
}
