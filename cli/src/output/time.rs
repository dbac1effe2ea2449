//! Times for people.

use std::time::Duration;

use jiff::{Timestamp, tz::TimeZone};

/// A time in the time zone of this machine, to the second.
pub(crate) fn local(time: Timestamp) -> String {
    time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S %Z").to_string()
}

/// How long ago a time is, or in how long it will be, in its largest unit or two: `3m ago`, `in 2h 5m`.
pub(crate) fn from_now(time: Timestamp, now: Timestamp) -> String {
    let ms = time.as_millisecond() - now.as_millisecond();
    let length = length(Duration::from_millis(ms.unsigned_abs()));
    if ms > 0 { format!("in {length}") } else { format!("{length} ago") }
}

/// How long something takes, in its largest unit or two.
pub(crate) fn length(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let two = |large: u64, large_unit, small: u64, small_unit| match small {
        0 => format!("{large}{large_unit}"),
        _ => format!("{large}{large_unit} {small}{small_unit}"),
    };
    match seconds {
        0 if duration.is_zero() => "0s".to_owned(),
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3600 => two(seconds / 60, "m", seconds % 60, "s"),
        3600..86400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86400, "d", seconds % 86400 / 3600, "h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_by_its_distance() {
        for (ms, expected) in [
            (0, "0s ago"),
            (-250, "250ms ago"),
            (-59_000, "59s ago"),
            (-61_000, "1m 1s ago"),
            (7_500_000, "in 2h 5m"),
            (86_400_000, "in 1d"),
        ] {
            assert_eq!(
                from_now(
                    Timestamp::UNIX_EPOCH + Duration::from_secs(1 << 30) + jiff::SignedDuration::from_millis(ms),
                    Timestamp::UNIX_EPOCH + Duration::from_secs(1 << 30)
                ),
                expected
            );
        }
    }
}
