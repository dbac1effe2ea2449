//! How long an instance of a component for WASI 0.3 lives, and how many requests it serves. The flags, their forms and
//! their defaults are those of `spin up`:
//! <https://github.com/spinframework/spin/blob/main/crates/trigger-http/src/lib.rs>.

use std::{fmt, ops::Range, str::FromStr, time::Duration};

use clap::Args;

/// How instances are reused. Where a range is given, each new instance gets a value of it by chance.
#[derive(Debug, Clone, Args)]
pub(crate) struct Reuse {
    /// How many requests an instance for WASI 0.3 serves before it is dropped: a number, or a range such as 1..8.
    #[arg(long, value_name = "COUNT", default_value = "128", value_parser = parse_range::<Count>)]
    max_instance_reuse_count: Choice,

    /// How many of them at the same time.
    #[arg(long, value_name = "COUNT", default_value = "16", value_parser = parse_range::<Count>)]
    max_instance_concurrent_reuse_count: Choice,

    /// How long a request may take under WASI 0.3, in seconds, or with a unit: s, ms, us or ns [default: any time].
    #[arg(long, value_name = "TIME", value_parser = parse_range::<Time>)]
    request_timeout: Option<Choice>,

    /// How long an instance for WASI 0.3 is kept while it has nothing to do; as above.
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_range::<Time>)]
    idle_instance_timeout: Choice,
}

/// What holds for one instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// After so many requests it takes no more.
    pub(crate) requests: usize,
    /// So many at the same time.
    pub(crate) concurrent: usize,
    /// Without one, [`Duration::MAX`].
    pub(crate) request_timeout: Duration,
    /// How long it is kept without a request.
    pub(crate) idle_timeout: Duration,
}

impl Reuse {
    /// Chooses for a new instance.
    pub(crate) fn limits(&self) -> Limits {
        let count = |choice: &Choice| usize::try_from(choice.choose()).unwrap_or(usize::MAX);
        let time = |choice: &Choice| Duration::from_nanos(choice.choose());
        Limits {
            requests: count(&self.max_instance_reuse_count),
            concurrent: count(&self.max_instance_concurrent_reuse_count),
            request_timeout: self.request_timeout.as_ref().map_or(Duration::MAX, time),
            idle_timeout: time(&self.idle_instance_timeout),
        }
    }
}

/// Numbers from the first up to and without the last. One number is a range of one.
#[derive(Debug, Clone)]
struct Choice(Range<u64>);

impl Choice {
    fn choose(&self) -> u64 {
        fastrand::u64(self.0.clone())
    }
}

/// What a flag counts: requests, or nanoseconds.
trait Unit: FromStr<Err: fmt::Display> {
    fn number(self) -> u64;
}

fn parse_range<T: Unit>(text: &str) -> Result<Choice, String> {
    let number = |text: &str| text.parse::<T>().map(Unit::number).map_err(|error| error.to_string());
    let (start, end) = match text.split_once("..") {
        Some((start, end)) => (number(start)?, number(end)?),
        None => (number(text)?, number(text)?.saturating_add(1)),
    };
    if start >= end { Err(format!("{text} is an empty range")) } else { Ok(Choice(start..end)) }
}

struct Count(u64);

impl FromStr for Count {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl Unit for Count {
    fn number(self) -> u64 {
        self.0
    }
}

struct Time(Duration);

impl FromStr for Time {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        type Make = fn(u64) -> Duration;
        const UNITS: [(&str, Make); 5] = [
            ("ms", Duration::from_millis),
            ("us", Duration::from_micros),
            ("μs", Duration::from_micros),
            ("ns", Duration::from_nanos),
            ("s", Duration::from_secs),
        ];
        let with_unit = UNITS.iter().find_map(|(unit, time)| Some((text.strip_suffix(unit)?, *time)));
        let (number, time) = with_unit.unwrap_or((text, Duration::from_secs));
        let number =
            number.parse().map_err(|_| "expected a whole number, with a unit of s, ms, us or ns, or a range of two")?;
        Ok(Self(time(number)))
    }
}

impl Unit for Time {
    fn number(self) -> u64 {
        u64::try_from(self.0.as_nanos()).unwrap_or(u64::MAX - 1)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        reuse: Reuse,
    }

    fn parse(arguments: &[&str]) -> Result<Reuse, clap::Error> {
        Flags::try_parse_from([&["dev-host"], arguments].concat()).map(|flags| flags.reuse)
    }

    #[test]
    fn without_flags_it_is_as_under_spin_up() {
        let limits = parse(&[]).unwrap().limits();
        assert_eq!((limits.requests, limits.concurrent), (128, 16));
        assert_eq!((limits.request_timeout, limits.idle_timeout), (Duration::MAX, Duration::from_secs(1)));
    }

    #[test]
    fn a_range_is_drawn_from_for_each_instance() {
        let reuse = parse(&["--max-instance-reuse-count", "3..5", "--request-timeout", "1ms..2s"]).unwrap();
        let drawn: Vec<Limits> = (0..200).map(|_| reuse.limits()).collect();
        assert!(drawn.iter().all(|limits| (3..5).contains(&limits.requests)));
        assert!([3, 4].iter().all(|count| drawn.iter().any(|limits| limits.requests == *count)));
        let times = Duration::from_millis(1)..Duration::from_secs(2);
        assert!(drawn.iter().all(|limits| times.contains(&limits.request_timeout)));
    }

    #[test]
    fn a_time_is_in_seconds_unless_it_has_a_unit() {
        for (text, nanoseconds) in
            [("2", 2_000_000_000), ("2s", 2_000_000_000), ("3ms", 3_000_000), ("4us", 4000), ("4μs", 4000), ("5ns", 5)]
        {
            let limits = parse(&["--idle-instance-timeout", text]).unwrap().limits();
            assert_eq!(limits.idle_timeout, Duration::from_nanos(nanoseconds), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_and_no_range_is_refused() {
        for text in ["", "x", "-1", "1..", "..1", "2..2", "3..2"] {
            assert!(parse(&[&format!("--max-instance-reuse-count={text}")]).is_err(), "{text}");
            assert!(parse(&[&format!("--idle-instance-timeout={text}")]).is_err(), "{text}");
        }
        assert!(parse(&["--idle-instance-timeout", "1.5s"]).is_err());
    }
}
